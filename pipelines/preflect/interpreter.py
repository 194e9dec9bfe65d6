"""Python itself: the cores that it may use, how often it looks for garbage, and other ones beside it."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

GARBAGE: Final = 100_000
"""New objects after which circles are looked for: with Python's own number that takes a fourth of a request's time."""


def count_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


@contextmanager
def collecting_seldom() -> Generator[None]:
    """Look for garbage after `GARBAGE` objects while the block runs, and then as before."""
    before = gc.get_threshold()
    if 0 < before[0] < GARBAGE:  # 0 is never
        gc.set_threshold(GARBAGE, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def python_module(name: str, *arguments: object) -> list[str]:
    """The command of a module of ours; nothing is imported from the folder that the user stands in."""
    return [sys.executable, "-P", "-m", name, *map(str, arguments)]


@contextmanager
def born_deaf() -> Generator[None]:
    """Processes that are started in the block never hear Ctrl-C, SIGTERM or the end of their terminal.

    All that are together do; the run's own is the one that lets what is under way come to its end.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
