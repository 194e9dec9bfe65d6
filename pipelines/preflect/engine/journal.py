"""The call journal: every finished call to a model, durable before its reply is used."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import fields
from operator import attrgetter
from pathlib import Path
from typing import Final, NamedTuple

from preflect.errors import RunError
from preflect.ports import StoredCall
from preflect.schemas import CallCounts

FORMAT_VERSION: Final = 2
LOST_USD: Final = "lost_usd"
"""Counter of what was spent on requests without a usable reply: no call has it."""

_COLUMNS: Final = tuple(f.name for f in fields(StoredCall))
_LISTED: Final = ", ".join(_COLUMNS)
_row: Final = attrgetter(*_COLUMNS)
_FIND: Final = f"SELECT {_LISTED} FROM calls WHERE key = ?"  # noqa: S608  (column names are our own)
_INSERT: Final = f"INSERT OR IGNORE INTO calls ({_LISTED}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS calls (
    key TEXT PRIMARY KEY, model TEXT NOT NULL, stage TEXT NOT NULL, sample_id TEXT NOT NULL, text TEXT NOT NULL,
    thinking TEXT, finish_reason TEXT NOT NULL, served_by TEXT NOT NULL, prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL, cost_usd REAL NOT NULL, latency_s REAL NOT NULL,
    cached_tokens INTEGER NOT NULL, reasoning_tokens INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value REAL NOT NULL) WITHOUT ROWID;
"""
_COUNT: Final = """
SELECT stage, model, count(*) AS calls, sum(prompt_tokens) AS prompt_tokens,
    sum(completion_tokens) AS completion_tokens, sum(cached_tokens) AS cached_tokens,
    sum(reasoning_tokens) AS reasoning_tokens, sum(cost_usd) AS cost_usd, sum(latency_s) AS latency_s
FROM calls GROUP BY stage, model ORDER BY stage, model
"""


class _Pending(NamedTuple):
    row: tuple[object, ...]
    done: asyncio.Future[None]
    loop: asyncio.AbstractEventLoop


class Journal:
    """A SQLite file in WAL mode with one writer thread; calls that finish together are committed together.

    Raises: RunError when the file cannot be opened or written (disk full, no permission, not a journal).
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reader = self._connect()
        self._pending: queue.SimpleQueue[_Pending | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="preflect-journal", daemon=True)
        self._writer.start()

    def _connect(self) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(self._path, timeout=60, check_same_thread=False)
            connection.execute("PRAGMA journal_mode=WAL")
            # FULL: a commit survives a power cut, not only the death of this process.
            connection.execute("PRAGMA synchronous=FULL")
            connection.executescript(_SCHEMA)
            version: int = connection.execute("PRAGMA user_version").fetchone()[0]
            connection.execute(f"PRAGMA user_version={FORMAT_VERSION}")
        except sqlite3.Error as error:
            raise RunError(f"cannot open the journal {self._path}: {error}") from error
        if version not in (0, FORMAT_VERSION):
            raise RunError(f"the journal {self._path} has format {version}; this preflect reads {FORMAT_VERSION}")
        return connection

    def find(self, key: str) -> StoredCall | None:
        """The finished call with this key, if there is one."""
        row = self._reader.execute(_FIND, (key,)).fetchone()
        return StoredCall(**dict(zip(_COLUMNS, row, strict=True))) if row else None

    async def record(self, call: StoredCall) -> None:
        """Return when the call is durable. Raises: RunError when it could not be written."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._pending.put(_Pending(_row(call), done, loop))
        await done

    def _write(self) -> None:
        connection = self._connect()
        closing = False
        while not closing:
            waiting = [self._pending.get()]
            while not self._pending.empty():
                waiting.append(self._pending.get())
            closing = None in waiting
            if batch := [pending for pending in waiting if pending is not None]:
                self._commit(connection, batch)
        connection.close()

    def _commit(self, connection: sqlite3.Connection, batch: list[_Pending]) -> None:
        failure = None
        try:
            with connection:
                connection.executemany(_INSERT, [pending.row for pending in batch])
        except sqlite3.Error as error:
            failure = RunError(f"cannot write the journal {self._path}: {error}")
        for loop in {pending.loop for pending in batch}:
            with suppress(RuntimeError):  # the loop has ended: nobody waits for word, and the calls are kept
                loop.call_soon_threadsafe(_settle, [pending for pending in batch if pending.loop is loop], failure)

    def counts(self) -> tuple[CallCounts, ...]:
        """What all finished calls add up to, by stage and model."""
        rows = self._reader.execute(_COUNT)
        names = [column[0] for column in rows.description]
        return tuple(CallCounts(**dict(zip(names, row, strict=True))) for row in rows)

    def spent_usd(self) -> float:
        """What all requests cost together, those without a usable reply among them."""
        of_calls: float = self._reader.execute("SELECT coalesce(sum(cost_usd), 0.0) FROM calls").fetchone()[0]
        return of_calls + self.counter(LOST_USD)

    def add_to_counter(self, name: str, amount: float) -> None:
        """Add to a number that outlives this sitting."""
        with self._reader:
            self._reader.execute(
                "INSERT INTO counters VALUES (?, ?) ON CONFLICT(name) DO UPDATE SET value = value + excluded.value",
                (name, amount),
            )

    def counter(self, name: str) -> float:
        """The number kept under this name; 0 if there is none."""
        row = self._reader.execute("SELECT value FROM counters WHERE name = ?", (name,)).fetchone()
        return row[0] if row else 0.0

    def close(self) -> None:
        """Write what is pending, and close the file."""
        self._pending.put(None)
        self._writer.join()
        self._reader.close()


def _settle(batch: list[_Pending], failure: RunError | None) -> None:
    for pending in batch:
        if pending.done.done():  # its task was cancelled; the call is kept all the same
            continue
        if failure is None:
            pending.done.set_result(None)
        else:
            pending.done.set_exception(failure)


@contextmanager
def open_journal(path: Path) -> Generator[Journal]:
    """A journal that is closed, and so complete on disk, when the block ends."""
    journal = Journal(path)
    try:
        yield journal
    finally:
        journal.close()
