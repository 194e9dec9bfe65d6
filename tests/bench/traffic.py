"""Model traffic: every figure that is promised of it, in one table, against plain aiohttp and others in the same run.

    python tests/bench/traffic.py --mock 'PYTHON path/to/mock_openai.py'

The mock is any OpenAI-compatible server that takes `--port N` and is set by `POST /reset`: `seed`, `lat` (`fixed`,
`lognorm`, `zero`), `median`, `p99`; `rpm`, and `capacity` with `over_429`, above which it answers 429. On `GET /stats`
it counts requests (`n`), replies (`ok`), 429s (`s429`), tokens (`tok_in`, `tok_out`), different prompts answered
(`uniq_prompts`) and requests in flight (`avg_inflight`, `max_inflight`), with `t_first` (monotonic) and `span`, the
seconds from the first request to the last reply.

All of it takes some twenty minutes; `--only` and `--scale` take less, but a small share of a workload says little.

Other pipelines take part where `make bench-peers` installed them. What a journal of a million calls costs is measured
by `journal.py`, memory by `memory.py`.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from contenders import Bench
from faults import faults, kills
from figures import HEADER, Figure, of_repetitions
from harness import mock_endpoint, print_table
from limits import budget, capacity, rate_told, rate_untold
from speed import chained, fixed, long_tail, wide, zero_latency

Workload = Callable[[Bench], Iterable[Figure]]

WORKLOADS: Final[dict[str, Workload]] = {
    "fixed": fixed,
    "long-tail": long_tail,
    "chained": chained,
    "zero-latency": zero_latency,
    "wide": wide,
    "rate-told": rate_told,
    "rate-untold": rate_untold,
    "capacity": capacity,
    "faults": faults,
    "kills": kills,
    "budget": budget,
}


def measured(bench: Bench, names: Iterable[str], repeat: int) -> Iterator[Figure]:
    """Every workload so often, with other latencies each time; one that fails is a figure that says so."""
    for name in names:
        for turn in range(repeat):
            print(f"{name}, {turn + 1} of {repeat}", file=sys.stderr, flush=True)
            try:
                yield from WORKLOADS[name](replace(bench, seed=turn + 1))
            except RuntimeError as error:
                yield Figure(name, "", f"failed: {error}")


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mock", required=True, help="command that starts the mock server")
    parser.add_argument("--only", nargs="+", choices=WORKLOADS, default=[*WORKLOADS], metavar="WORKLOAD")
    parser.add_argument("--repeat", type=int, default=1, help="figures are medians, promises the worst of all")
    parser.add_argument("--scale", type=float, default=1.0, help="share of each workload's full size")
    parser.add_argument("--peers", type=Path, default=Path("build/bench-peers"), help="the peers' environments")
    arguments = parser.parse_args()
    with mock_endpoint(shlex.split(arguments.mock)) as endpoint:
        bench = Bench(endpoint, arguments.peers, arguments.scale)
        figures = of_repetitions(measured(bench, arguments.only, arguments.repeat))
    print_table(f"medians of {arguments.repeat}", HEADER, [figure.row() for figure in figures])


if __name__ == "__main__":
    main()
