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
    """Hold the run alone at first, then shared with the workers it starts, until the block ends.

    Workers of a killed sitting hold the lock until they too are gone, so no call is paid by two at once.
    Raises: InputError when someone else still works on the run after `wait_s` seconds.
    """
    live.mkdir(parents=True, exist_ok=True)
    with (live / "lock").open("a+") as file:
        _take(file, wait_s)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


def _take(file: IO[str], wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                file.seek(0)
                worker = file.read() or "?"
                raise InputError(f"process {worker} is at work on this run; wait for it or stop it") from error
            time.sleep(0.1)
        else:
            return


@contextmanager
def shared_use(live: Path) -> Generator[None]:
    """Hold the run as a worker of the sitting that owns it."""
    with (live / "lock").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield
