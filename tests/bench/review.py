"""The embedded Argilla: seconds to start, memory while nobody asks for anything, records logged a second, searches, and
eight annotators who answer at once.

    python tests/bench/review.py

First use makes the server's environment anew, with pip's cache as it is: run it twice for a warm one. Memory is the PSS
of the server's process after it has answered once. Logging is measured against the same server without `quicker.py`,
which is upstream's own code; searches at 50,000 records. `--scale 0.1` shortens the minute of answers.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

import psutil
import requests
from figures import HEADER, Figure, at_most, of_repetitions
from harness import print_table, ran
from review_at_work import Server, cpu_s, started
from review_search import logging, search
from review_submitting import submitting

SETTLE_S: Final = 2.0


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


WORKLOADS: Final[dict[str, Callable[[Path], Iterator[Figure]]]] = {
    "first-use": first_use,
    "warm": warm,
    "logging": logging,
    "search": search,
    "submitting": submitting,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--scale", type=float, default=1.0, help="share of the time that annotators answer for")
    arguments = parser.parse_args()
    workloads = WORKLOADS | {"submitting": partial(submitting, scale=arguments.scale)}
    figures: list[Figure] = []
    for name in arguments.only:
        with tempfile.TemporaryDirectory() as folder:
            figures += workloads[name](Path(folder))
    print_table("The embedded Argilla", HEADER, [figure.row() for figure in of_repetitions(figures)])


if __name__ == "__main__":
    main()
