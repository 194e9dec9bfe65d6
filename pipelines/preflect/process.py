"""This process: the cores that it may use, and how often it looks for garbage."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

GARBAGE: Final = 100_000
"""New objects after which circles are looked for: with Python's 700 that takes a fourth of what requests take."""


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
