"""Workloads that ask whether limits are used to the full and never passed: the provider's, and the user's money."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from contenders import FIXED, LATENCY_S, LOCAL, Bench
from figures import Figure, at_least, below, never_above
from harness import preflect, ran, write_recipe, write_rows

RPM: Final = 3_000
CAPACITY: Final = 64
BUDGET_USD: Final = 1.0
PRICE: Final = {"input": 2.5, "output": 10.0}
"""US dollars per million tokens."""
STOPPED_EARLY: Final = 3


def rate_told(bench: Bench) -> Iterator[Figure]:
    """A provider that allows 3,000 requests a minute, which the recipe says."""
    return _rate(bench, "told in the recipe", rpm=RPM)


def rate_untold(bench: Bench) -> Iterator[Figure]:
    """The same provider, of which the recipe says nothing."""
    return _rate(bench, "not told")


def _rate(bench: Bench, told: str, **options: Any) -> Iterator[Figure]:
    calls = bench.count(4_000)
    endpoint = bench.fresh(**FIXED, rpm=RPM)
    _respond(bench, calls, concurrency=100, **options)
    stats = endpoint.stats()
    # The mock's bucket holds a second's worth at the start; the last reply comes one latency after its request.
    per_s = RPM / 60
    ideal_s = max(calls - per_s, 0) / per_s + LATENCY_S
    name = f"{calls:,} calls, provider allows {RPM:,}/min, {told}"
    yield Figure(name, LOCAL, "share of the allowed rate", ideal_s / stats["span"], at_least(0.97))
    yield Figure(name, LOCAL, "share answered 429", stats["s429"] / stats["n"], below(0.01))


def capacity(bench: Bench) -> Iterator[Figure]:
    """A server that serves 64 at once and answers 429 above it; the recipe would allow 512."""
    calls = bench.count(10_000)
    endpoint = bench.fresh(**FIXED, capacity=CAPACITY, over_429=1)
    _respond(bench, calls, concurrency=512)
    stats = endpoint.stats()
    name = f"{calls:,} calls, capacity {CAPACITY} and 429 above it, concurrency 512"
    yield Figure(name, LOCAL, "share of the capacity used", stats["avg_inflight"] / CAPACITY, at_least(0.95))
    yield Figure(name, LOCAL, "share answered 429", stats["s429"] / stats["n"], below(0.03))


def budget(bench: Bench) -> Iterator[Figure]:
    """1.00 USD for more calls than it pays for, 500 in flight: what is spent by the server's own count of tokens."""
    usd = BUDGET_USD * bench.scale
    endpoint = bench.fresh(**FIXED)
    # The longest reply allowed is little longer than the mock's, so that the reserves leave room for all 500.
    _respond(bench, bench.count(3_000), usd, concurrency=500, price=PRICE, max_tokens=128)
    stats = endpoint.stats()
    spent = (stats["tok_in"] * PRICE["input"] + stats["tok_out"] * PRICE["output"]) / 1_000_000
    name = f"a budget of {usd:.2f} USD, 500 in flight"
    yield Figure(name, LOCAL, "spent by the server's count, USD", spent, never_above(usd))
    yield Figure(name, LOCAL, "most in flight", stats["max_inflight"])


def _respond(bench: Bench, samples: int, budget_usd: float | None = None, **model: Any) -> None:
    """`preflect run` of one call a sample, in a process of its own; a budget is to stop it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recipe = write_recipe(
            folder / "recipe.yaml",
            engine="local",
            input={"path": str(write_rows(folder / "rows.jsonl", samples))},
            models={"teacher": {"kind": "openai", "model": "mock", "base_url": bench.endpoint.base_url} | model},
            stages=[{"stage": "respond", "model": "teacher"}],
            export={"kinds": ["sft"]},
            limits={"open_samples": 1_024} | ({"budget_usd": budget_usd} if budget_usd else {}),
        )
        command = preflect("run", recipe, "--run", folder / "run", "--quiet")
        ran(command, code=STOPPED_EARLY if budget_usd else 0)
