"""The call journal: every finished call to a model, durable before its reply is used."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from preflect.engine.journal_file import INSERT, LISTED, Row, call_of, connect, counter, mark_simulated, row_of
from preflect.errors import RunError
from preflect.ports import StoredCall
from preflect.schemas import CallCounts

GATHER_S: Final = 0.005
"""How long a finished call waits for others to be committed with it: a commit takes the CPU of some fifteen calls."""
LOST_USD: Final = "lost_usd"
"""Counter of what was spent on requests without a usable reply: no call has it."""
_RESERVED_USD: Final = "reserved_usd"
"""Counter of the sum that may be spent by now, while a sitting with a budget is at work."""
_CACHE_KIB: Final = 16_384
"""Room for the keys of half a million calls: they are looked up in no order."""

_FIND: Final = f"SELECT {LISTED} FROM calls WHERE key = ?"  # noqa: S608  (column names are our own)
_COUNT: Final = """
SELECT stage, model, count(*) AS calls, sum(prompt_tokens) AS prompt_tokens,
    sum(completion_tokens) AS completion_tokens, sum(cached_tokens) AS cached_tokens,
    sum(reasoning_tokens) AS reasoning_tokens, sum(cost_usd) AS cost_usd, sum(latency_s) AS latency_s
FROM calls WHERE NOT imported GROUP BY stage, model ORDER BY stage, model
"""


class _Pending(NamedTuple):
    row: Row
    done: asyncio.Future[None]
    loop: asyncio.AbstractEventLoop


class Journal:
    """A SQLite file in WAL mode with one writer thread; calls that finish together are committed together.

    Raises: RunError when the file cannot be opened or written (disk full, no permission, not a journal).
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reader = connect(path)
        self._reader.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        empty = self._reader.execute("SELECT 1 FROM calls LIMIT 1").fetchone() is None
        self._recorded: set[str] | None = set() if empty else None
        """All keys there are, where the file was empty: so most look-ups wait neither for SQLite nor for a thread."""
        self._pending: queue.SimpleQueue[_Pending | None] = queue.SimpleQueue()
        # Opened here: where that fails, nobody waits for a thread that is not there.
        writing = connect(path)
        self._writer = threading.Thread(target=self._write, args=(writing,), name="preflect-journal", daemon=True)
        self._writer.start()

    def find(self, key: str) -> StoredCall | None:
        """The finished call with this key, if there is one."""
        if self._recorded is not None and key not in self._recorded:
            return None
        row = self._reader.execute(_FIND, (key,)).fetchone()
        return call_of(row) if row else None

    def has_any_of(self, model: str) -> bool:
        """Whether this model of the recipe has ever answered."""
        return self._reader.execute("SELECT 1 FROM calls WHERE model = ? LIMIT 1", (model,)).fetchone() is not None

    async def record(self, call: StoredCall) -> None:
        """Return when the call is durable. Raises: RunError when it could not be written."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._pending.put(_Pending(row_of(call), done, loop))
        await done
        if self._recorded is not None:
            self._recorded.add(call.key)

    def _write(self, connection: sqlite3.Connection) -> None:
        closing = False
        while not closing:
            waiting = [self._pending.get()]
            time.sleep(0 if waiting[0] is None else GATHER_S)
            while not self._pending.empty():
                waiting.append(self._pending.get())
            closing = None in waiting
            if batch := [pending for pending in waiting if pending is not None]:
                self._commit(connection, batch)
        connection.close()

    def _commit(self, connection: sqlite3.Connection, batch: list[_Pending]) -> None:
        failure = None
        try:
            with self._faults_named(), connection:
                connection.execute("BEGIN")
                connection.executemany(INSERT, [pending.row for pending in batch])
        except RunError as error:
            failure = error
        for loop in {pending.loop for pending in batch}:
            with suppress(RuntimeError):  # the loop has ended: nobody waits for word, and the calls are kept
                loop.call_soon_threadsafe(_settle, [pending for pending in batch if pending.loop is loop], failure)

    @contextmanager
    def _faults_named(self) -> Generator[None]:
        try:
            yield
        except (sqlite3.Error, OverflowError, UnicodeEncodeError) as error:
            raise RunError(f"cannot write the journal {self._path}: {error}") from error

    def counts(self) -> tuple[CallCounts, ...]:
        """What all calls made here add up to, by stage and model; imported ones were made elsewhere."""
        rows = self._reader.execute(_COUNT)
        names = [column[0] for column in rows.description]
        return tuple(CallCounts(**dict(zip(names, row, strict=True))) for row in rows)

    def spent_usd(self) -> float:
        """What all requests made here cost, those without a usable reply too; imported ones were paid elsewhere."""
        of_calls: float = self._reader.execute("SELECT total(cost_usd) FROM calls WHERE NOT imported").fetchone()[0]
        return of_calls + self.counter(LOST_USD)

    def add_to_counter(self, name: str, amount: float) -> None:
        """Add to a number that outlives this sitting. Raises: RunError."""
        self._change(
            "INSERT INTO counters VALUES (?, ?) ON CONFLICT(name) DO UPDATE SET value = value + excluded.value",
            name,
            amount,
        )

    def reserve(self, usd: float) -> None:
        """Return when it's durable that so much may be spent by now, earlier sittings included. Raises: RunError."""
        self._change("INSERT OR REPLACE INTO counters VALUES (?, ?)", _RESERVED_USD, usd)

    def release(self) -> None:
        """Nothing is under way any more: all that was spent is written down. Raises: RunError."""
        self._change("DELETE FROM counters WHERE name = ?", _RESERVED_USD)

    def lose_reserved(self) -> None:
        """Count as lost what a sitting that was killed may have spent, and could not write down. Raises: RunError."""
        with self._faults_named(), self._reader:
            self._reader.execute("BEGIN IMMEDIATE")
            unknown = self.counter(_RESERVED_USD) - self.spent_usd()
            if unknown > 0:
                self.add_to_counter(LOST_USD, unknown)
            self.release()

    def _change(self, statement: str, *values: str | float) -> None:
        with self._faults_named():
            self._reader.execute(statement, values)

    def counter(self, name: str) -> float:
        """The number kept under this name; 0 if there is none."""
        return counter(self._reader, name)

    def mark_simulated(self) -> None:
        """Say that answers of the simulated endpoint are among them, wherever they are used."""
        mark_simulated(self._reader)

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
