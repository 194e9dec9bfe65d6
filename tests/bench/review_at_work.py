"""A review server at work, for benchmarks."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from harness import preflect


@dataclass(frozen=True)
class Server:
    """A server at work, and what it took until it was."""

    url: str
    pid: int
    start_s: float
    cpu_s: float


@contextmanager
def started(home: Path, **env: str) -> Generator[Server]:
    """`preflect review start`, stopped when the block ends."""
    since = time.monotonic()
    command = preflect("review", "start", "--home", home, "--json")
    told = json.loads(subprocess.run(command, stdout=subprocess.PIPE, env=os.environ | env, check=True).stdout)
    start_s = time.monotonic() - since
    try:
        yield Server(told["url"], told["pid"], start_s, cpu_s(told["pid"]))
    finally:
        subprocess.run(preflect("review", "stop", "--home", home), check=True, stdout=subprocess.DEVNULL)


def cpu_s(pid: int) -> float:
    """Of all threads, in user and system, since the process began."""
    return sum(psutil.Process(pid).cpu_times()[:2])
