"""The call journal."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflect.engine.journal import Journal, open_journal
from preflect.engine.journal_file import pack, unpack
from preflect.errors import RunError

from .journals import LONG, RECORDER, call, full_disk, write_format_1


async def test_a_recorded_call_is_found_again_after_reopening(tmp_path: Path) -> None:
    with open_journal(tmp_path / "j.sqlite") as journal:
        assert journal.find("a") is None
        await journal.record(call("a"))
        assert journal.find("a") == call("a")
    with open_journal(tmp_path / "j.sqlite") as journal:
        assert journal.find("a") == call("a")


async def test_a_call_recorded_twice_counts_once(tmp_path: Path) -> None:
    with open_journal(tmp_path / "j.sqlite") as journal:
        await asyncio.gather(journal.record(call("a")), journal.record(call("a", text="other")))
        assert journal.counts()[0].calls == 1
        assert journal.spent_usd() == 0.25


async def test_counts_add_up_by_stage_and_model(tmp_path: Path) -> None:
    with open_journal(tmp_path / "j.sqlite") as journal:
        await asyncio.gather(*(journal.record(call(f"{i}", stage="judge" if i % 3 == 0 else "ask")) for i in range(9)))
        counts = {count.stage: count for count in journal.counts()}
        assert (counts["ask"].calls, counts["judge"].calls) == (6, 3)
        assert counts["ask"].completion_tokens == 30
        assert counts["judge"].cost_usd == 0.75


@given(texts=st.lists(st.text(), min_size=1, max_size=20))
def test_any_text_comes_back_as_it_was(texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    async def record_all(journal: Journal) -> None:
        await asyncio.gather(*(journal.record(call(f"{i}", text=text)) for i, text in enumerate(texts)))

    with open_journal(tmp_path_factory.mktemp("j") / "j.sqlite") as journal:
        asyncio.run(record_all(journal))
        assert [found.text for i in range(len(texts)) if (found := journal.find(f"{i}"))] == texts


def test_counters_outlive_the_sitting(tmp_path: Path) -> None:
    for _ in range(3):
        with open_journal(tmp_path / "j.sqlite") as journal:
            journal.add_to_counter("wall_seconds", 1.5)
    with open_journal(tmp_path / "j.sqlite") as journal:
        assert journal.counter("wall_seconds") == 4.5
        assert journal.counter("unknown") == 0.0


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RECORDER, str(tmp_path / "j.sqlite"), "100000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        acknowledged = [process.stdout.readline().strip() for _ in range(50)]
        os.kill(process.pid, signal.SIGKILL)
        acknowledged += process.stdout.read().split()
    with open_journal(tmp_path / "j.sqlite") as journal:
        assert [key for key in acknowledged if journal.find(key) is None] == []


def test_a_call_that_finished_as_its_loop_ended_is_kept(tmp_path: Path) -> None:
    async def leave_without_waiting(journal: Journal) -> None:
        waiting = [asyncio.ensure_future(journal.record(call(f"{i}"))) for i in range(3)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()

    with open_journal(tmp_path / "j.sqlite") as journal:
        asyncio.run(leave_without_waiting(journal))
        asyncio.run(journal.record(call("later")))
    with open_journal(tmp_path / "j.sqlite") as journal:
        assert all(journal.find(key) for key in ("0", "1", "2", "later"))


def test_a_file_that_is_no_journal_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "j.sqlite").write_bytes(b"this is text, and long enough to be looked at as a database header" * 20)
    with pytest.raises(RunError, match=r"j\.sqlite"):
        Journal(tmp_path / "j.sqlite")


async def test_a_journal_of_format_1_is_brought_up_to_date_where_it_lies(tmp_path: Path) -> None:
    old = [call("a"), replace(call("b", text=LONG, stage="judge"), thinking=LONG[::-1])]
    path = write_format_1(tmp_path / "j.sqlite", old)
    for _ in range(2):
        with open_journal(path) as journal:
            assert [journal.find(kept.key) for kept in old] == old
            assert journal.spent_usd() == 0.5
            assert journal.counter("wall_seconds") == 4.5
            await journal.record(call("c", cost_usd=0.0))
            assert journal.find("c") == call("c", cost_usd=0.0)


def test_a_journal_of_format_1_that_cannot_be_brought_up_to_date_stays_as_it_was(tmp_path: Path) -> None:
    path = write_format_1(tmp_path / "j.sqlite", [call("a")])
    connection = sqlite3.connect(path)
    # The name that the old table is to get is taken.
    connection.execute("CREATE TABLE calls_1 (key TEXT)")
    connection.close()
    with pytest.raises(RunError, match=r"cannot open the journal .*j\.sqlite"):
        Journal(path)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    assert connection.execute("SELECT key FROM calls").fetchall() == [("a",)]
    connection.close()


@pytest.mark.parametrize("version", [0, 1, 2])
def test_a_database_of_something_else_is_left_as_it_is(version: int, tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "j.sqlite")
    connection.execute("CREATE TABLE birds (name TEXT)")
    connection.execute(f"PRAGMA user_version={version}")
    connection.close()
    before = (tmp_path / "j.sqlite").read_bytes()
    with pytest.raises(RunError, match=r"j\.sqlite is a database of something else"):
        Journal(tmp_path / "j.sqlite")
    assert (tmp_path / "j.sqlite").read_bytes() == before


@pytest.mark.parametrize("text", ["", "short", LONG, "\N{BIRD}" * 300, "\0" * 300, os.urandom(600).hex()])
async def test_a_text_comes_back_as_it_was_and_a_long_one_takes_less_room(text: str, tmp_path: Path) -> None:
    packed = pack(text)
    assert unpack(packed) == text
    assert isinstance(packed, bytes) == (len(text) >= 200)
    if isinstance(packed, bytes):
        assert len(packed) < len(text.encode())


def test_a_text_that_would_not_shrink_stays_as_it_is() -> None:
    dense = "".join(map(chr, random.Random(1).choices(range(128), k=220)))
    assert pack(dense) == dense


def test_a_journal_of_a_later_format_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "j.sqlite")
    connection.execute("PRAGMA user_version=99")
    connection.close()
    before = (tmp_path / "j.sqlite").read_bytes()
    with pytest.raises(RunError, match="format 99; this preflect reads 2"):
        Journal(tmp_path / "j.sqlite")
    assert (tmp_path / "j.sqlite").read_bytes() == before


def test_of_many_that_open_a_new_journal_at_once_none_takes_it_for_something_else(tmp_path: Path) -> None:
    for number in range(10):
        path = tmp_path / f"{number}.sqlite"
        with ThreadPoolExecutor(6) as threads:
            for journal in threads.map(Journal, [path] * 6):
                journal.close()


async def test_on_a_full_disk_a_call_and_a_counter_are_refused_by_the_journals_name(tmp_path: Path) -> None:
    with open_journal(tmp_path / "j.sqlite") as journal:
        with full_disk():
            with pytest.raises(RunError, match=r"cannot write the journal .*j\.sqlite"):
                await journal.record(call("a"))
            with pytest.raises(RunError, match=r"cannot write the journal .*j\.sqlite"):
                journal.add_to_counter("wall_seconds", 1.5)
        await journal.record(call("b"))
        assert (journal.find("a"), journal.find("b")) == (None, call("b"))


async def test_a_call_that_cannot_be_written_is_no_reason_to_wait_for_ever(tmp_path: Path) -> None:
    with open_journal(tmp_path / "j.sqlite") as journal:
        for broken in (replace(call("a"), served_by="half of a pair: \ud800"), replace(call("a"), prompt_tokens=2**70)):
            with pytest.raises(RunError, match="cannot write the journal"):
                await asyncio.wait_for(journal.record(broken), timeout=5)
        await journal.record(call("b"))


def test_a_journal_that_cannot_be_opened_twice_is_refused_at_once(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with open_journal(tmp_path / "j.sqlite"):
        pass
    free = os.open(tmp_path, os.O_RDONLY)
    os.close(free)
    # Room for the reader's three files, and for none of the writer's.
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + 3, hard))
    try:
        with pytest.raises(RunError, match="cannot open the journal"):
            Journal(tmp_path / "j.sqlite")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
