"""Stands between upstream's tests of its search engine and the plug-in; it runs in the server's environment.

The tests write some of their facts with Elasticsearch's client, past Argilla: here they go into Argilla's own tables,
where the plug-in reads. What they read of Elasticsearch's documents and mappings does not exist, and such a test fails.
"""

import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from opensearchpy.serializer import JSONSerializer
from stand_ins import stand_in
from surroundings import surround

home = Path(os.environ["PREFLECT_TEST_HOME"])
home.mkdir()
surround(home, "http://127.0.0.1")
os.environ["ARGILLA_SEARCH_ENGINE"] = "elasticsearch"  # by any other name the tests skip themselves
stand_in()

import sqlite_search  # noqa: E402  (it imports Argilla, which reads its settings)
from argilla_server.database import sync_engine  # noqa: E402
from sqlite_search import indexes  # noqa: E402

sqlite_search.register()


class SearchEngine(sqlite_search.SqliteSearchEngine):
    async def _bulk_op_request(self, actions: list[dict[str, Any]]) -> None:
        """Vectors, which the test wrote to Argilla's table already."""


__all__ = ["opensearch", "prepared", "search_engine"]


@dataclass
class Transport:
    serializer: JSONSerializer = field(default_factory=JSONSerializer)


@dataclass
class Indices:
    def create(self, **_: Any) -> None: ...
    def refresh(self, **_: Any) -> None: ...
    def delete(self, **_: Any) -> None: ...
    def exists(self, **_: Any) -> bool:
        return True


@dataclass
class Elasticsearch:
    """As much of its client as the tests write by."""

    database: sqlite3.Connection
    transport: Transport = field(default_factory=Transport)
    indices: Indices = field(default_factory=Indices)

    def bulk(self, body: str, **_: Any) -> dict[str, Any]:
        """Documents with their fields, for a dataset that has none."""
        lines = [json.loads(line) for line in body.splitlines()]
        operations, documents = [line["index"] for line in lines[::2]], lines[1::2]
        for operation, document in zip(operations, documents, strict=True):
            self._change(
                "UPDATE records SET fields = ? WHERE id = ?", json.dumps(document["fields"]), _hex(operation["_id"])
            )
        self._index(_hex(operations[0]["_index"].removeprefix("rg.")), list(documents[0]["fields"]))
        return {"errors": False, "items": [{"index": {"_id": each["_id"], "status": 200}} for each in operations]}

    def get(self, *, index: str, id: UUID) -> dict[str, Any]:  # noqa: A002
        return {"_source": {}}

    def update(self, index: str, *, id: UUID, body: dict[str, Any]) -> None:  # noqa: A002
        """Responses. Argilla's table has one of each user: a later one takes the place of an earlier."""
        for response in body["doc"]["responses"]:
            self._change(
                "INSERT OR REPLACE INTO responses VALUES (?, ?, ?, ?, ?, datetime(), datetime())",
                _hex(response["id"]),
                json.dumps({"rating": {"value": response["rating"]}}),
                response["status"],
                _hex(id),
                _hex(response["user_id"]),
            )

    def _index(self, dataset_id: str, names: list[str]) -> None:
        fields = [indexes.TextField(uuid4().hex, name, "text") for name in names]
        for statement in indexes.creation(UUID(dataset_id), fields):
            self._change(statement)

    def _change(self, statement: str, *values: str) -> None:
        self.database.execute(statement, values)


def _hex(identifier: UUID | str) -> str:
    return UUID(str(identifier)).hex


@pytest.fixture(scope="session")
def prepared(connection: Any) -> Iterator[None]:
    sqlite_search.prepare(sync_engine)
    yield
    sqlite_search.clear(sync_engine)


@pytest_asyncio.fixture()
async def opensearch(connection: Any, prepared: None) -> Elasticsearch:
    """On the very connection of the test, whose transaction is never committed."""
    raw = await connection.get_raw_connection()
    return Elasticsearch(raw.driver_connection._conn)


@pytest.fixture
def search_engine() -> SearchEngine:
    return SearchEngine()
