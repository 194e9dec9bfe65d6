"""The lock on a run: one sitting at a time, its workers included, and gone with their processes."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from preflect.engine.lock import is_held, remove_held, shared_use, sole_use
from preflect.errors import InputError

HOLDER = """
    import sys, time
    from pathlib import Path
    from preflect.engine.lock import {use}

    with {use}(Path(sys.argv[1])):
        print("holding", flush=True)
        time.sleep(60)
"""


@contextmanager
def holder(use: str, live: Path) -> Generator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    command = [sys.executable, "-c", textwrap.dedent(HOLDER.format(use=use)), str(live)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "holding\n"
        yield process
        process.kill()


def test_a_second_sitting_is_refused_and_told_who_is_at_work(tmp_path: Path) -> None:
    with holder("sole_use", tmp_path) as process:
        with pytest.raises(InputError, match=f"process {process.pid} is at work on this run"), sole_use(tmp_path, 0.2):
            pytest.fail("two sittings at once")
        process.kill()
        process.wait()
        with sole_use(tmp_path, 2.0):
            assert (tmp_path / "lock").read_text().isdigit()


def test_a_worker_that_outlives_its_sitting_keeps_others_out_until_it_is_gone(tmp_path: Path) -> None:
    with sole_use(tmp_path), holder("shared_use", tmp_path) as worker:
        pass
    with holder("shared_use", tmp_path) as worker:
        with pytest.raises(InputError, match="is at work on this run"), sole_use(tmp_path, 0.2):
            pytest.fail("its worker may still be paying for calls")
        threading.Timer(0.3, worker.kill).start()
        since = time.monotonic()
        with sole_use(tmp_path, 5.0):
            assert time.monotonic() - since > 0.2


def test_workers_share_the_run_with_their_sitting(tmp_path: Path) -> None:
    with sole_use(tmp_path), shared_use(tmp_path), shared_use(tmp_path):
        pass
    with sole_use(tmp_path, 0.0):
        pass


@pytest.mark.parametrize("use", ["sole_use", "shared_use"])
def test_whoever_is_at_work_is_seen_without_being_kept_out(use: str, tmp_path: Path) -> None:
    assert not is_held(tmp_path)
    with holder(use, tmp_path) as process:
        assert is_held(tmp_path)
        process.kill()
        process.wait()
        assert not is_held(tmp_path)


def test_of_many_that_begin_at_once_one_gets_the_run(tmp_path: Path) -> None:
    inside: list[int] = []
    most: list[int] = []
    refused: list[InputError] = []

    def begin(number: int) -> None:
        try:
            with sole_use(tmp_path, 0.3):
                inside.append(number)
                most.append(len(inside))
                time.sleep(1.0)
                inside.remove(number)
        except InputError as error:
            refused.append(error)

    threads = [threading.Thread(target=begin, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert len(refused) == 7


def test_who_waits_while_the_folder_is_taken_away_has_the_run_alone_all_the_same(tmp_path: Path) -> None:
    live = tmp_path / ".live"
    entered, leave = threading.Event(), threading.Event()

    def wait_and_hold() -> None:
        with sole_use(live, 5.0):
            entered.set()
            leave.wait(5.0)

    with sole_use(live):
        waiting = threading.Thread(target=wait_and_hold)
        waiting.start()
        time.sleep(0.2)
        remove_held(live)
        assert not live.exists()
    assert entered.wait(5.0)
    try:
        assert is_held(live)
        with pytest.raises(InputError, match="is at work on this run"), sole_use(live, 0.0):
            pytest.fail("two sittings at once")
    finally:
        leave.set()
        waiting.join()


def test_however_often_the_folder_is_made_and_taken_away_one_has_it_at_a_time(tmp_path: Path) -> None:
    live = tmp_path / ".live"
    inside: list[int] = []
    most: list[int] = []

    def come_and_go(number: int) -> None:
        for _ in range(20):
            with sole_use(live, 30.0):
                inside.append(number)
                most.append(len(inside))
                (live / "digests").mkdir()
                inside.remove(number)
                remove_held(live)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(come_and_go, range(4)))
    assert most == [1] * 80
