"""Whole runs whose models ask in batches, through kills, stops and resumes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from preflect.engine import RunResult, Watch, resume, run
from preflect.engine.run_folder import RunFolder
from preflect.errors import InputError, InterruptedRunError
from preflect.recipes import load
from preflect.recipes.plan import plan_to_resume
from preflect.sim.options import SimOptions
from preflect.sim.simulator import Simulator
from preflect.sim.wire import completion

from .batch_provider import BatchProvider, Json, Said, providing

Write = Callable[..., Path]


@pytest.fixture
def provider() -> Generator[BatchProvider]:
    with providing(BatchProvider(simulated(), looks=1)) as provider:
        yield provider


def simulated() -> Callable[[Json], Said]:
    """Answers that depend on the request alone."""
    simulator = Simulator(SimOptions())
    return lambda body: (200, json.loads(completion(body, simulator.reply(body), 0)))


@pytest.fixture
def recipe(provider: BatchProvider, tmp_path: Path) -> Write:
    """A recipe of three stages that follow each other, each a teacher's; options are the teacher's."""

    def write(engine: str = "local", **options: Any) -> Path:
        teacher = {
            "kind": "openai",
            "model": "sim",
            "base_url": provider.base_url,
            "price": {"input": 1.0, "output": 2.0},
            "mode": "batch",
            "batch": {"gather_s": 0.5, "poll_s": 0.1},
        }
        stages = [{"stage": stage, "model": "teacher"} for stage in ("reflect_instruction", "reflect_response")]
        values = {
            "name": "batches",
            "engine": engine,
            "input": {"path": "preflect://seeds/instructions.jsonl", "limit": 40},
            "models": {"teacher": teacher | options},
            "stages": [{"stage": "respond", "model": "teacher", "samples": 2}, *stages],
            "limits": {"open_samples": 4},
        }
        path = tmp_path / f"{engine}.yaml"
        path.write_text(json.dumps(values, indent=1))
        return path

    return write


def go_on(path: Path) -> RunResult:
    folder = RunFolder(path)
    return resume(plan_to_resume(folder), folder)


def start(*words: str | Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "preflect.cli", *map(str, words), "--quiet"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def samples(result: RunResult) -> dict[str, str]:
    """Hash of each file that must be the same whenever the same work was done."""
    path = result.folder.path
    files = [*path.glob("samples/*"), *path.glob("phases/**/*.parquet"), *path.glob("export/**/*.parquet")]
    return {str(file.relative_to(path)): sha256(file.read_bytes()).hexdigest() for file in files}


def cost(result: RunResult) -> float:
    return sum(count.cost_usd for count in result.manifest.calls)


def test_batches_make_the_same_samples_as_single_calls_at_half_the_price(
    tmp_path: Path, recipe: Write, provider: BatchProvider
) -> None:
    single = run(load(recipe(mode="chat")), tmp_path / "single")
    batches = run(load(recipe()), tmp_path / "batches")
    assert samples(batches) == samples(single)
    assert cost(batches) == pytest.approx(cost(single) / 2)
    # Though four samples at once are enough otherwise, a batch holds all that a stage asks.
    assert provider.sizes()[0] == 80
    assert not [*batches.folder.batches_path.iterdir()]


def test_both_engines_carry_batches_and_make_the_same_samples(
    tmp_path: Path, recipe: Write, provider: BatchProvider
) -> None:
    results = [run(load(recipe(engine)), tmp_path / engine) for engine in ("local", "distilabel")]
    assert samples(results[0]) == samples(results[1])


def test_a_run_killed_where_it_hurts_pays_for_no_request_twice(
    tmp_path: Path, recipe: Write, provider: BatchProvider
) -> None:
    whole = run(load(recipe()), tmp_path / "whole")
    provider.paid.clear()
    process = start("run", recipe(), "--run", tmp_path / "killed")
    # The endpoint has made the batch, and nobody has heard of it; it is at work; its replies are half read.
    for what in ("POST /v1/batches", "GET /v1/batches/ID", "GET /v1/files/ID/content"):
        reached = held_after(provider, what)
        provider.wait_for(lambda reached=reached: bool(reached))
        process.kill()
        process.communicate()
        provider.after = None
        process = start("resume", tmp_path / "killed")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    killed = RunResult(RunFolder(tmp_path / "killed"), RunFolder(tmp_path / "killed").manifest())
    assert set(provider.paid.values()) == {1}
    assert samples(killed) == samples(whole)
    assert cost(killed) == pytest.approx(cost(whole))


def held_after(provider: BatchProvider, what: str) -> list[str]:
    """Such requests do their work from now on and stay without an answer; the list tells when one has come."""
    reached: list[str] = []

    async def hold(now: str) -> None:
        if now == what:
            reached.append(now)
            await asyncio.sleep(60)

    provider.after = hold
    return reached


@pytest.mark.parametrize("engine", ["local", "distilabel"])
def test_ctrl_c_does_not_wait_for_a_batch_and_a_resume_picks_it_up(
    engine: str, tmp_path: Path, recipe: Write, provider: BatchProvider
) -> None:
    provider.looks = -1
    with start("run", recipe(engine), "--run", tmp_path / "run") as process:
        provider.wait_for(lambda: "GET /v1/batches/ID" in provider.seen)
        os.kill(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 3, errors
    assert f"preflect resume {tmp_path / 'run'}" in errors
    assert "left at work at the endpoint, to be picked up then: 1 batch (80 requests)" in errors
    provider.looks = 1
    assert go_on(tmp_path / "run").manifest.status == "done"
    assert set(provider.paid.values()) == {1}


def test_a_model_stays_in_its_mode_while_a_batch_of_it_is_at_the_endpoint(
    tmp_path: Path, recipe: Write, provider: BatchProvider
) -> None:
    provider.looks = -1
    at_work = Watch(stop_requested=lambda: "GET /v1/batches/ID" in provider.seen)
    with pytest.raises(InterruptedRunError):
        run(load(recipe()), tmp_path / "run", at_work)
    folder = RunFolder(tmp_path / "run")
    folder.recipe_path.write_text(folder.recipe_path.read_text().replace("mode: batch", "mode: chat"))
    with pytest.raises(InputError, match="batch batch_0 of model 'teacher' is still at its endpoint"):
        go_on(tmp_path / "run")
    for note in folder.batches_path.iterdir():
        note.unlink()
    assert go_on(tmp_path / "run").manifest.status == "done"
