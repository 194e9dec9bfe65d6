"""One sitting at a time: a lock on the run folder that dies with its process."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from preflect.errors import InputError


@contextmanager
def sole_use(live: Path, wait_s: float = 10.0) -> Generator[None]:
    """Hold the run, with the workers it starts, until the block ends.

    Workers of a killed sitting keep the next one out until they too are gone, so no call is paid by two at once.
    Raises: InputError when someone else still works on the run after `wait_s` seconds.
    """
    deadline = time.monotonic() + wait_s
    with _locked(live / "lock", deadline) as sitting:
        # Two locks, since the kernel lets others in while one is turned from sole to shared.
        _locked(live / "workers", deadline, sitting).close()
        sitting.truncate(0)
        sitting.write(str(os.getpid()))
        sitting.flush()
        yield


def remove_held(live: Path) -> None:
    """Take the folder away while it's held: the lock last, so that nobody makes another one before all else is gone."""
    for path in live.glob("*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != "lock":
            with suppress(OSError):
                path.unlink()
    shutil.rmtree(live, ignore_errors=True)


def _locked(path: Path, deadline: float, sitting: IO[str] | None = None) -> IO[str]:
    """The file at the path, open and held by this process alone. Raises: InputError when it's not free by then."""
    while True:
        with ExitStack() as opened:
            file = opened.enter_context(_opened(path))
            _take(file, deadline, sitting or file)
            # Who held it may have taken it away: then it keeps nobody out any more.
            if _is_at(path, file):
                opened.pop_all()
                return file


def _opened(path: Path) -> IO[str]:
    while True:
        try:
            return path.open("a+")
        except FileNotFoundError:
            with suppress(FileExistsError):
                path.parent.mkdir(parents=True)


def _is_at(path: Path, file: IO[str]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


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
    return any(_is_locked(path) for path in (live / "lock", live / "workers"))


def _is_locked(path: Path) -> bool:
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


@contextmanager
def shared_use(live: Path) -> Generator[int]:
    """Hold the run as a worker of the sitting that owns it.

    Yields: the open file that holds it, for as long as any program has it open that it's handed to.
    """
    with (live / "workers").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield file.fileno()
