"""What every contender is given, as arguments, and what it prints at its end. Standard library alone."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """So many samples, each through so many calls of which every one shows the reply of the one before."""

    base_url: str
    samples: int
    stages: int
    concurrency: int

    def instructions(self) -> list[str]:
        """What the first call of each sample asks."""
        return [f"Describe the number {number} in a few words." for number in range(self.samples)]


MAX_TOKENS = 2048
FOLLOW_UP = "Improve this answer: {}"
"""What later calls ask, with the reply before them."""


def given() -> Task:
    """The task of this process: BASE_URL SAMPLES STAGES CONCURRENCY."""
    base_url, *numbers = sys.argv[1:]
    samples, stages, concurrency = map(int, numbers)
    return Task(base_url, samples, stages, concurrency)


@contextmanager
def timed() -> Generator[None]:
    """Around the work, after all imports: the last line of the process's output says what it took."""
    since, before = time.monotonic(), _cpu_s()
    yield
    sys.stdout.flush()
    print("\n" + json.dumps({"own_s": time.monotonic() - since, "own_cpu_s": _cpu_s() - before}), flush=True)


def _cpu_s() -> float:
    """Of this process and its threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
