"""One sitting at a time: a lock on the run folder that dies with its process."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from preflect.errors import InputError


@contextmanager
def sole_use(live: Path, wait_s: float = 10.0) -> Generator[None]:
    """Hold the run, with the workers it starts, until the block ends.

    Workers of a killed sitting keep the next one out until they too are gone, so no call is paid by two at once.
    Raises: InputError when someone else still works on the run after `wait_s` seconds.
    """
    live.mkdir(parents=True, exist_ok=True)
    # Two locks, since the kernel lets others in while one is turned from sole to shared.
    with (live / "lock").open("a+") as sitting, (live / "workers").open("a+") as workers:
        deadline = time.monotonic() + wait_s
        for lock in (sitting, workers):
            _take(lock, deadline, sitting)
        fcntl.flock(workers, fcntl.LOCK_UN)
        sitting.truncate(0)
        sitting.write(str(os.getpid()))
        sitting.flush()
        yield


def _take(lock: IO[str], deadline: float, sitting: IO[str]) -> None:
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                sitting.seek(0)
                worker = sitting.read() or "?"
                raise InputError(f"process {worker} is at work on this run; wait for it or stop it") from error
            time.sleep(0.1)
        else:
            return


def is_held(live: Path) -> bool:
    """Whether a sitting, or a worker that outlived one, is at work on the run."""
    return any(_is_locked(path) for path in (live / "lock", live / "workers") if path.exists())


def _is_locked(path: Path) -> bool:
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


@contextmanager
def shared_use(live: Path) -> Generator[None]:
    """Hold the run as a worker of the sitting that owns it."""
    with (live / "workers").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield
