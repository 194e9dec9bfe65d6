"""Workloads that ask how much is lost beside the latency of the model: in time, and in CPU."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from contenders import ALONE, DISTILABEL, ENGINES, FIXED, LATENCY_S, LOCAL, PEERS, PLAIN, THEIR_TASKS, Bench, Lap, Race
from figures import Figure, Reach, at_least, at_most

LONG_TAIL: Final = {"lat": "lognorm", "median": LATENCY_S, "p99": 5.0}
ZERO: Final = {"lat": "zero"}
ALL: Final = (PLAIN, *ENGINES, *PEERS)


def fixed(bench: Bench) -> Iterator[Figure]:
    """2,000 calls of 0.5 s, 100 at a time: the span from the first request to the last reply."""
    race = Race(bench.count(2_000), 1, 100, FIXED)
    name = f"{race.samples:,} calls, 0.5 s fixed, concurrency 100"
    laps = bench.laps(race, ALL)
    yield from _spans(name, laps, at_most(1.03))
    yield from _not_installed(name, laps)


def long_tail(bench: Bench) -> Iterator[Figure]:
    """The same with long-tailed latency, without the peers."""
    race = Race(bench.count(2_000), 1, 100, LONG_TAIL)
    name = f"{race.samples:,} calls, long tail, concurrency 100"
    return _spans(name, bench.laps(race, (PLAIN, *ENGINES)), None)


def _spans(name: str, laps: Mapping[str, Lap], reach: Reach | None) -> Iterator[Figure]:
    for who, lap in laps.items():
        yield Figure(name, who, "span, s", lap.span_s)
        if who != PLAIN:
            ratio = lap.span_s / laps[PLAIN].span_s
            yield Figure(name, who, "span / plain aiohttp's", ratio, reach if who in ENGINES else None)


def chained(bench: Bench) -> Iterator[Figure]:
    """1,000 samples through three calls each, one after another, long-tailed latency: the whole run."""
    race = Race(bench.count(1_000), 3, 100, LONG_TAIL)
    name = f"{race.samples:,} x 3 chained calls, long tail, concurrency 100"
    laps = bench.laps(race, ALL)
    plain = laps[PLAIN]
    for who, lap in laps.items():
        yield Figure(name, who, "whole run after imports, s", lap.own_s)
        if who != PLAIN:
            reach = at_most(1.05) if who == LOCAL else None
            yield Figure(name, who, "whole run after imports / plain aiohttp's", lap.own_s / plain.own_s, reach)
            yield Figure(name, who, "first request to end / plain aiohttp's", lap.work_s / plain.work_s)
            yield Figure(name, who, "whole process / plain aiohttp's", lap.whole_s / plain.whole_s)
    reaches: dict[str, Reach] = {peer: at_least(3.5 if peer == THEIR_TASKS else 1.0) for peer in PEERS}
    for who in PEERS:
        if who in laps:
            measure = "whole run after imports / preflect's, local"
            yield Figure(name, who, measure, laps[who].own_s / laps[LOCAL].own_s, reaches[who])
    yield from _not_installed(name, laps)


def zero_latency(bench: Bench) -> Iterator[Figure]:
    """20,000 calls that are answered at once: what a call costs by itself, the journal included."""
    race = Race(bench.count(20_000), 1, 64, ZERO)
    name = f"{race.samples:,} calls, zero latency, one process"
    laps = bench.laps(race, (PLAIN, ALONE, LOCAL))
    for who, lap in laps.items():
        promised = who == ALONE
        rate, cpu_ms = race.samples / lap.span_s, 1_000 * lap.own_cpu_s / race.samples
        yield Figure(name, who, "calls/s", rate, at_least(1_200) if promised else None)
        yield Figure(name, who, "CPU a call, ms", cpu_ms, at_most(0.8) if promised else None)


def wide(bench: Bench) -> Iterator[Figure]:
    """10,000 calls of 0.5 s, 1,000 at a time: the share of what that many places could do."""
    race = Race(bench.count(10_000), 1, 1_000, FIXED)
    name = f"{race.samples:,} calls, 0.5 s fixed, concurrency 1,000"
    # Scaled down, the last round of calls has empty places.
    ideal_s = LATENCY_S * -(-race.samples // race.concurrency)
    for who, lap in bench.laps(race, (PLAIN, LOCAL, DISTILABEL)).items():
        reach = at_least(0.85) if who in ENGINES else None
        yield Figure(name, who, "share of the ideal", ideal_s / lap.span_s, reach)


def _not_installed(name: str, laps: Mapping[str, Lap]) -> Iterable[Figure]:
    return [Figure(name, who, "not installed: make bench-peers") for who in PEERS if who not in laps]
