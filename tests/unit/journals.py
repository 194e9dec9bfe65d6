"""Journals for tests, with calls in them."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path

from preflect.engine.journal import Journal, open_journal
from preflect.ports import StoredCall

LONG = "The wing of a sparrow is not the wing of a swallow, however often you look at it. " * 20


def call(key: str, *, text: str = "hello", stage: str = "respond", cost_usd: float = 0.25) -> StoredCall:
    return StoredCall(
        key=key,
        model="teacher",
        stage=stage,
        sample_id="s",
        text=text,
        thinking=None,
        finish_reason="stop",
        served_by="m",
        prompt_tokens=3,
        completion_tokens=5,
        cost_usd=cost_usd,
        latency_s=0.5,
    )


def fill(path: Path, calls: Iterable[StoredCall], *, simulated: bool = False) -> Path:
    async def record_all(journal: Journal) -> None:
        await asyncio.gather(*map(journal.record, calls))

    with open_journal(path) as journal:
        asyncio.run(record_all(journal))
        if simulated:
            journal.mark_simulated()
    return path


@contextmanager
def full_disk() -> Generator[None]:
    """No file of this process can grow while the block runs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


RECORDER = """
import asyncio, os, sys
from pathlib import Path
from preflect.engine.journal import Journal
from preflect.ports import StoredCall

async def main():
    journal = Journal(Path(sys.argv[1]))
    for i in range(int(sys.argv[2])):
        await journal.record(StoredCall(key=str(i), model="m", stage="s", sample_id="s", text="t", thinking=None,
            finish_reason="stop", served_by="m", prompt_tokens=1, completion_tokens=1, cost_usd=0.0, latency_s=0.0))
        print(i, flush=True)
    os._exit(0)

asyncio.run(main())
"""
"""A process that records so many calls, one after another, says the key of each, and ends without closing."""


FORMAT_1 = """
CREATE TABLE calls (
    key TEXT PRIMARY KEY, model TEXT NOT NULL, stage TEXT NOT NULL, sample_id TEXT NOT NULL, text TEXT NOT NULL,
    thinking TEXT, finish_reason TEXT NOT NULL, served_by TEXT NOT NULL, prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL, cost_usd REAL NOT NULL, latency_s REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE counters (name TEXT PRIMARY KEY, value REAL NOT NULL) WITHOUT ROWID;
INSERT INTO counters VALUES ('wall_seconds', 4.5);
PRAGMA user_version=1;
"""


def write_format_1(path: Path, calls: list[StoredCall]) -> Path:
    """A journal as the first format had it."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.executescript(FORMAT_1)
    rows = [astuple(call)[:12] for call in calls]
    connection.executemany(f"INSERT INTO calls VALUES ({', '.join('?' * 12)})", rows)
    connection.commit()
    connection.close()
    return path
