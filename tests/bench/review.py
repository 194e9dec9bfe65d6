"""The embedded Argilla: seconds to start, first use included, and memory while nobody asks for anything.

    python tests/bench/review.py

First use makes the server's environment anew, with pip's cache as it is: run it twice for a warm one. Memory is the PSS
of the server's process after it has answered once.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
import requests
from figures import HEADER, Figure, at_most, of_repetitions
from harness import preflect, print_table, ran

SETTLE_S: Final = 2.0


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


def first_use(folder: Path) -> Iterator[Figure]:
    """No environment, no home."""
    pip_cache = ran([sys.executable, "-m", "pip", "cache", "dir"]).output.strip()
    with started(folder / "new", XDG_CACHE_HOME=str(folder / "cache"), PIP_CACHE_DIR=pip_cache) as server:
        yield Figure("first use", "preflect", "seconds to the first answer", server.start_s, at_most(60))


def warm(folder: Path) -> Iterator[Figure]:
    """The environment is there; the first start of a home migrates its database, later ones do not."""
    home = folder / "home"
    for start in ("first start of a home", *["later start"] * 3):
        with started(home) as server:
            yield Figure(start, "preflect", "seconds to the first answer", server.start_s, at_most(5))
            # What it would take where nobody else is at work, but for the half second of the command itself.
            yield Figure(start, "preflect", "the server's CPU until then, s", server.cpu_s)
            if start == "later start":
                yield from idle(server)


def idle(server: Server) -> Iterator[Figure]:
    """What a server takes that has answered, and waits."""
    requests.get(f"{server.url}/sign-in", timeout=10).raise_for_status()
    before = cpu_s(server.pid)
    time.sleep(SETTLE_S)
    spent = cpu_s(server.pid) - before
    pss = psutil.Process(server.pid).memory_full_info().pss
    yield Figure("idle", "preflect", "MB (PSS)", pss / 1e6, at_most(350))
    yield Figure("idle", "preflect", "share of a core", spent / SETTLE_S)


WORKLOADS: Final[dict[str, Callable[[Path], Iterator[Figure]]]] = {"first-use": first_use, "warm": warm}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    arguments = parser.parse_args()
    figures: list[Figure] = []
    for name in arguments.only:
        with tempfile.TemporaryDirectory() as folder:
            figures += WORKLOADS[name](Path(folder))
    print_table("The embedded Argilla", HEADER, [figure.row() for figure in of_repetitions(figures)])


if __name__ == "__main__":
    main()
