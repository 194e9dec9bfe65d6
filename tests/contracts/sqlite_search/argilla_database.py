"""A database as the server has it, and datasets in it, written as Argilla writes them: by its own models."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, settings
from stand_ins import stand_in
from surroundings import DATABASE, surround

settings.register_profile("checks", deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
settings.load_profile("checks")

home = Path(os.environ["PREFLECT_TEST_HOME"])
home.mkdir()
surround(home, "http://127.0.0.1")
stand_in()

# Argilla reads its settings when it is imported.
import database  # noqa: E402
import sqlite_search  # noqa: E402
from argilla_server.database import AsyncSessionLocal, sync_engine  # noqa: E402
from argilla_server.enums import DatasetStatus, ResponseStatus, UserRole  # noqa: E402
from argilla_server.models import (  # noqa: E402
    Dataset,
    Field,
    MetadataProperty,
    Question,
    Record,
    Response,
    Suggestion,
    User,
    Vector,
    VectorSettings,
    Workspace,
)
from argilla_server.search_engine import SearchResponses  # noqa: E402
from sqlalchemy import delete  # noqa: E402
from sqlalchemy.orm import selectinload  # noqa: E402

T = TypeVar("T")
ENGINE = sqlite_search.SqliteSearchEngine()
NEEDED = (
    selectinload(Dataset.fields),
    selectinload(Dataset.metadata_properties),
    selectinload(Dataset.vectors_settings),
)


@dataclass(frozen=True)
class Store:
    """Argilla's database. Every call is a session of its own, as every request of the server is."""

    runner: asyncio.Runner = field(default_factory=asyncio.Runner)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def dataset(self, **fields: str) -> UUID:
        """A published dataset with these fields, by type; all else that it has stands in `_dataset`."""
        return self.run(self._dataset(fields))

    async def _dataset(self, fields: dict[str, str]) -> UUID:
        async with AsyncSessionLocal() as session:
            dataset = Dataset(
                name="d",
                status=DatasetStatus.ready,
                distribution={"strategy": "overlap", "min_submitted": 1},
                workspace=Workspace(name=uuid4().hex),
                fields=[Field(name=name, title=name, settings={"type": kind}) for name, kind in fields.items()],
                questions=[
                    Question(name="rating", title="r", settings={"type": "rating", "options": []}),
                    Question(name="label", title="l", settings={"type": "multi_label_selection", "options": []}),
                ],
                metadata_properties=[
                    MetadataProperty(name="length", title="l", settings={"type": "integer"}),
                    MetadataProperty(name="source", title="s", settings={"type": "terms"}),
                ],
                vectors_settings=[VectorSettings(name="near", title="n", dimensions=3)],
            )
            session.add(dataset)
            await session.commit()
            await ENGINE.create_index(dataset)
            return dataset.id

    def user(self) -> User:
        name = uuid4().hex
        return self.add(User(first_name=name, username=name, role=UserRole.annotator, password_hash=""))

    def record(self, dataset: UUID, metadata: dict[str, Any] | None = None, **fields: Any) -> UUID:
        return self.add(Record(dataset_id=dataset, fields=fields, metadata_=metadata)).id

    def respond(self, record: UUID, user: User, status: str, **values: Any) -> None:
        given = {name: {"value": value} for name, value in values.items()}
        self.add(Response(record_id=record, user_id=user.id, status=ResponseStatus(status), values=given))

    def suggest(self, record: UUID, question: str, value: Any, **more: Any) -> None:
        self.run(self._suggest(record, question, value, more))

    async def _suggest(self, record: UUID, question: str, value: Any, more: dict[str, Any]) -> None:
        async with AsyncSessionLocal() as session:
            dataset_id = (await Record.get_or_raise(session, record)).dataset_id
            asked = await Question.get_by_or_raise(session, name=question, dataset_id=dataset_id)
            session.add(Suggestion(record_id=record, question_id=asked.id, value=value, **more))
            await session.commit()

    def add(self, row: T) -> T:
        return self.run(self._add(row))

    async def _add(self, row: T) -> T:
        async with AsyncSessionLocal() as session:
            session.add(row)
            await session.commit()
            return row

    def change(self, record: UUID, **values: Any) -> None:
        self.run(self._change(record, values))

    async def _change(self, record: UUID, values: dict[str, Any]) -> None:
        async with AsyncSessionLocal() as session:
            row = await Record.get_or_raise(session, record)
            for name, value in values.items():
                setattr(row, name, value)
            await session.commit()

    def remove(self, record: UUID) -> None:
        self.run(self._remove(record))

    async def _remove(self, record: UUID) -> None:
        async with AsyncSessionLocal() as session:
            await session.execute(delete(Record).where(Record.id == record))
            await session.commit()

    def search(self, dataset: UUID, query: Any = None, **options: Any) -> SearchResponses:
        return self.run(self._search(dataset, query, options))

    async def _search(self, dataset: UUID, query: Any, options: dict[str, Any]) -> SearchResponses:
        async with AsyncSessionLocal() as session:
            found = await Dataset.get_or_raise(session, dataset, options=list(NEEDED))
            options.setdefault("limit", 1000)
            return await ENGINE.search(found, query, **options)

    def found(self, dataset: UUID, query: Any = None, **options: Any) -> set[UUID]:
        """The records that a search finds, of which there are as many as it says."""
        result = self.search(dataset, query, **options)
        records = {item.record_id for item in result.items}
        assert len(records) == len(result.items) == result.total
        return records

    def similar(self, dataset: UUID, **options: Any) -> list[tuple[UUID, float | None]]:
        return self.run(self._similar(dataset, options))

    async def _similar(self, dataset: UUID, options: dict[str, Any]) -> list[tuple[UUID, float | None]]:
        async with AsyncSessionLocal() as session:
            found = await Dataset.get_or_raise(session, dataset, options=list(NEEDED))
            if record := options.get("record"):
                options["record"] = await Record.get_or_raise(session, record, options=[selectinload(Record.vectors)])
            result = await ENGINE.similarity_search(found, found.vectors_settings[0], **options)
            return [(item.record_id, item.score) for item in result.items]

    def vector(self, record: UUID, value: Sequence[float]) -> None:
        self.run(self._vector(record, value))

    async def _vector(self, record: UUID, value: Sequence[float]) -> None:
        async with AsyncSessionLocal() as session:
            dataset_id = (await Record.get_or_raise(session, record)).dataset_id
            near = await VectorSettings.get_by_or_raise(session, dataset_id=dataset_id)
            await Vector.upsert(
                session,
                {"value": list(value), "record_id": record, "vector_settings_id": near.id},
                constraints=[Vector.record_id, Vector.vector_settings_id],
            )


@pytest.fixture(scope="session")
def store() -> Iterator[Store]:
    database.migrate(home / DATABASE)
    database.prepare_connections()
    sqlite_search.register()
    sqlite_search.prepare(sync_engine)
    store = Store()
    yield store
    store.runner.close()
