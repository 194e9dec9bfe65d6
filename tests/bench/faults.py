"""Workloads that ask whether nothing is lost and nothing paid twice: faults on the way, and death at any moment."""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from contenders import FIXED, LATENCY_S, LOCAL, Bench
from figures import Figure, at_most, never_above
from harness import Endpoint, mock_endpoint, preflect, ran, write_recipe, write_rows

from preflect.engine.journal import open_journal
from preflect.engine.run_folder import RunFolder

CONCURRENCY: Final = 100
NO_FAULTS: Final = {"p_5xx": 0.0, "p_hang": 0.0, "p_cut": 0.0, "p_badjson": 0.0}
FAULTS: Final = {"p_5xx": 0.01, "p_hang": 0.005, "p_cut": 0.01, "p_badjson": 0.01}
TIMEOUT_S: Final = 5.0
KILLS: Final = 20
CHAIN: Final = [{"stage": name, "model": "teacher"} for name in ("respond", "reflect_response", "judge_aspects")]
POLL_S: Final = 0.05


def faults(bench: Bench) -> Iterator[Figure]:
    """2,000 samples x 3 stages while 1 % of requests fail, 0.5 % hang, 1 % are cut and 1 % are no JSON."""
    samples = bench.count(2_000)
    name = f"{samples:,} x 3 calls, 1 % 5xx, 0.5 % hangs, 1 % disconnects, 1 % bad JSON"
    with mock_endpoint([sys.executable, str(Path(__file__).with_name("fault_server.py"))]) as endpoint:
        clean = _chain(endpoint, samples, NO_FAULTS)
        faulty = _chain(endpoint, samples, FAULTS)
    yield Figure(name, LOCAL, "whole run / the same without faults", faulty.whole_s / clean.whole_s, at_most(1.3))
    yield Figure(name, LOCAL, "rows neither done nor rejected with a reason", faulty.rows.lost, never_above(0))
    yield Figure(name, LOCAL, "rows doubled", faulty.rows.doubled, never_above(0))
    yield Figure(name, LOCAL, "calls paid twice", faulty.sold_twice, never_above(0))
    yield Figure(name, LOCAL, "share of rows rejected", faulty.rows.rejected / samples)


@dataclass(frozen=True)
class Rows:
    """What became of the rows of a run."""

    lost: int
    doubled: int
    rejected: int


@dataclass(frozen=True)
class Chain:
    """A run of the chain against the fault server."""

    whole_s: float
    sold_twice: int
    rows: Rows


def _chain(endpoint: Endpoint, samples: int, rates: dict[str, float]) -> Chain:
    endpoint.reset(latency_s=LATENCY_S, seed=1, **rates)
    with tempfile.TemporaryDirectory() as name:
        run = Path(name) / "run"
        recipe = _recipe(Path(name), samples, CHAIN, endpoint, timeout_s=TIMEOUT_S)
        done = ran(preflect("run", recipe, "--run", run, "--quiet"))
        return Chain(done.whole_s, endpoint.stats()["sold_twice"], _rows(run, samples))


def _recipe(folder: Path, samples: int, stages: list[dict[str, str]], endpoint: Endpoint, **model: Any) -> Path:
    teacher = {"kind": "openai", "model": "mock", "base_url": endpoint.base_url, "concurrency": CONCURRENCY} | model
    return write_recipe(
        folder / "recipe.yaml",
        engine="local",
        input={"path": str(write_rows(folder / "rows.jsonl", samples))},
        models={"teacher": teacher},
        stages=stages,
        export={"kinds": ["sft"]},
    )


def _rows(run: Path, samples: int) -> Rows:
    folder = RunFolder(run)
    done = Counter(sample.id for sample in folder.samples())
    rejected = Counter(rejection.sample_id for rejection, _ in folder.rejections() if rejection.reason)
    ends = done + rejected
    return Rows(lost=samples - len(ends), doubled=ends.total() - len(ends), rejected=len(rejected))


def kills(bench: Bench) -> Iterator[Figure]:
    """5,000 calls, killed with SIGKILL at 20 random moments and resumed each time, against the mock's own count."""
    calls = bench.count(5_000)
    endpoint = bench.fresh(**FIXED)
    with tempfile.TemporaryDirectory() as name:
        run = Path(name) / "run"
        recipe = _recipe(Path(name), calls, CHAIN[:1], endpoint)
        in_flight = _kill_again_and_again(endpoint, recipe, run, calls)
        ran(preflect("resume", run, "--quiet"))
        rows = _rows(run, calls)
    asked_again = endpoint.stats()["n"] - calls
    title = f"{calls:,} calls, killed at {KILLS} random moments and resumed"
    yield Figure(title, LOCAL, "calls asked again", asked_again)
    yield Figure(title, LOCAL, "of them not in flight at a kill", asked_again - sum(in_flight), never_above(0))
    yield Figure(title, LOCAL, "most in flight at a kill / concurrency", max(in_flight) / CONCURRENCY)
    yield Figure(title, LOCAL, "rows lost", rows.lost, never_above(0))
    yield Figure(title, LOCAL, "rows doubled", rows.doubled, never_above(0))


def _kill_again_and_again(endpoint: Endpoint, recipe: Path, run: Path, calls: int) -> list[int]:
    """The calls in flight at each kill: those the sitting had asked and that are not durable."""
    rng = random.Random(calls)
    # The last one comes after the last reply, while the run writes what it made.
    moments = [*sorted(rng.sample(range(1, calls), KILLS - 1)), calls]
    command, asked, kept, in_flight = preflect("run", recipe, "--run", run, "--quiet"), 0, 0, list[int]()
    for moment in moments:
        _kill_at(command, endpoint, moment, delay_s=rng.uniform(0, LATENCY_S))
        asked_now, kept_now = endpoint.stats()["n"], _durable(run)
        in_flight.append((asked_now - asked) - (kept_now - kept))
        command, asked, kept = preflect("resume", run, "--quiet"), asked_now, kept_now
    return in_flight


def _kill_at(command: list[str], endpoint: Endpoint, answered: int, delay_s: float) -> None:
    """Start a sitting and kill it a little after so many different calls were answered in all."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and endpoint.stats()["uniq_prompts"] < answered:
            time.sleep(POLL_S)
        time.sleep(delay_s)
        process.kill()
    if process.returncode not in (0, -9):
        raise RuntimeError(f"{command} ended with exit code {process.returncode}")


def _durable(run: Path) -> int:
    with open_journal(RunFolder(run).journal_path) as journal:
        return sum(count.calls for count in journal.counts())
