"""What the start mends, and what a full disk does."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
import sqlite_search
from argilla_database import ENGINE, Store
from argilla_server.database import AsyncSessionLocal, async_engine, sync_engine
from argilla_server.models import Dataset
from sqlalchemy import event
from sqlalchemy.exc import OperationalError


def sql(statement: str) -> list[tuple[object, ...]]:
    with sync_engine.begin() as connection:
        found = connection.exec_driver_sql(statement)
        return [tuple(row) for row in found] if found.returns_rows else []


def tables() -> set[object]:
    return {name for (name,) in sql("SELECT name FROM sqlite_master WHERE name LIKE 'preflect%'")}


def test_the_status_of_a_record_whose_response_was_the_last_thing_written_is_mended(store: Store) -> None:
    dataset = store.dataset(one="text")
    answered, draft = (store.record(dataset, one="x") for _ in range(2))
    user = store.user()
    store.respond(answered, user, "submitted", rating=1)
    store.respond(draft, user, "draft", rating=1)
    store.change(draft, status="completed")
    sqlite_search.prepare(sync_engine)
    statuses = set(sql(f"SELECT id, status FROM records WHERE dataset_id = '{dataset.hex}'"))
    assert statuses == {(answered.hex, "completed"), (draft.hex, "pending")}


def test_an_index_of_another_format_or_none_is_made_anew(store: Store) -> None:
    dataset = store.dataset(one="text")
    record = store.record(dataset, one="cat")
    for harm in (
        f"UPDATE preflect_state SET format = 0 WHERE dataset_id = '{dataset.hex}'",
        f"DROP TABLE preflect_text_{dataset.hex}",
        f"DROP TRIGGER preflect_text_{dataset.hex}_insert",
    ):
        sql(harm)
        sqlite_search.prepare(sync_engine)
        record_more = store.record(dataset, one="cat")
        assert store.found(dataset, "cat") == {record, record_more}
        store.remove(record_more)


def test_a_start_that_finds_all_in_order_changes_nothing(store: Store) -> None:
    store.record(store.dataset(one="text"), one="cat")
    sqlite_search.prepare(sync_engine)
    before = sql("PRAGMA schema_version")
    sqlite_search.prepare(sync_engine)
    assert sql("PRAGMA schema_version") == before


def test_a_deleted_dataset_leaves_nothing_behind(store: Store) -> None:
    dataset = store.dataset(one="text")
    store.record(dataset, one="cat")

    async def delete() -> None:
        async with AsyncSessionLocal() as session:
            found = await Dataset.get_or_raise(session, dataset)
            await found.delete(session)
            await ENGINE.delete_index(found)

    store.run(delete())
    assert not {name for name in tables() if dataset.hex in str(name)}


def test_all_can_be_put_away_for_a_migration_and_made_again(store: Store) -> None:
    dataset = store.dataset(one="text")
    record = store.record(dataset, one="cat")
    sqlite_search.clear(sync_engine)
    assert tables() == set()
    sqlite_search.prepare(sync_engine)
    assert store.found(dataset, "cat") == {record}


def test_a_full_disk_is_an_error_that_says_so_and_leaves_all_as_it_was(store: Store) -> None:
    dataset = store.dataset(one="text")
    record = store.record(dataset, one="cat")
    with full_disk(store):
        for _ in range(3):
            with pytest.raises(OperationalError, match="database or disk is full"):
                store.record(dataset, one="dog " * 100_000)
        assert store.found(dataset, "cat") == store.found(dataset) == {record}
    assert sql("PRAGMA integrity_check") == [("ok",)]
    assert store.found(dataset, "dog") == set()
    more = store.record(dataset, one="dog")
    assert store.found(dataset, "dog") == {more}


@contextmanager
def full_disk(store: Store) -> Generator[None]:
    """No connection may make the file any longer."""
    [(pages,)] = sql("PRAGMA page_count")

    def bound(connection: Any, _: Any) -> None:
        connection.cursor().execute(f"PRAGMA max_page_count = {pages}")

    store.run(async_engine.dispose())
    event.listen(async_engine.sync_engine, "connect", bound)
    try:
        yield
    finally:
        event.remove(async_engine.sync_engine, "connect", bound)
        store.run(async_engine.dispose())


def test_the_index_of_one_dataset_is_not_that_of_another(store: Store) -> None:
    one, other = store.dataset(text="text"), store.dataset(text="text")
    record: UUID = store.record(one, text="cat")
    assert store.found(one, "cat") == {record}
    assert store.found(other, "cat") == set()
