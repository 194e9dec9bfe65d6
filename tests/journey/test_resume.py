"""Runs that are killed or stopped, and go on."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from preflect.engine.run_folder import RunFolder

from .conftest import Run, Simulator, WriteRecipe, command, contents
from .endpoint import Endpoint, Reply, said, serving

CONCURRENCY = 8


def recipe_at(simulator: Simulator, write_recipe: WriteRecipe, engine: str) -> Path:
    teacher = {"kind": "openai", "model": "sim", "base_url": simulator.base_url, "concurrency": CONCURRENCY}
    return write_recipe(
        engine=engine,
        input={"path": "preflect://seeds/instructions.jsonl", "limit": 60},
        models={"teacher": teacher, "judge": teacher, "student": {"kind": "ppm"}},
    )


def start(recipe: Path, run: Path, stderr: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command("run", recipe, "--run", run, "--quiet"), stdout=subprocess.DEVNULL, stderr=stderr)


@pytest.mark.parametrize("engine", ["local", "distilabel"])
def test_a_killed_run_goes_on_and_pays_again_only_what_was_in_flight(
    engine: str, tmp_path: Path, preflect: Run, simulator: Simulator, write_recipe: WriteRecipe
) -> None:
    recipe = recipe_at(simulator, write_recipe, engine)
    assert preflect("run", recipe, "--run", tmp_path / "whole", "--quiet").returncode == 0
    once = simulator.requests()
    rng = random.Random(5)
    run = tmp_path / "killed"
    kills = 3
    process = start(recipe, run)
    for _ in range(kills):
        simulator.wait_for(simulator.requests() + rng.randrange(20, 60))
        process.kill()
        process.wait()
        process = subprocess.Popen(command("resume", run, "--quiet"), stdout=subprocess.DEVNULL)
    assert process.wait(timeout=120) == 0
    twice = simulator.requests() - once
    calls = sum(count.calls for count in RunFolder(run).manifest().calls)
    assert calls == sum(count.calls for count in RunFolder(tmp_path / "whole").manifest().calls)
    # Two models of `concurrency` calls each may be in flight at a kill, and as many replies on their way to the disk.
    assert once <= twice <= once + kills * 2 * 2 * CONCURRENCY
    assert contents(run) == contents(tmp_path / "whole")


@pytest.mark.parametrize("engine", ["local", "distilabel"])
def test_ctrl_c_keeps_everything_says_how_to_go_on_and_resume_pays_nothing_twice(
    engine: str, tmp_path: Path, preflect: Run, simulator: Simulator, write_recipe: WriteRecipe
) -> None:
    recipe = recipe_at(simulator, write_recipe, engine)
    run = tmp_path / "stopped"
    with start(recipe, run, stderr=subprocess.PIPE) as process:
        simulator.wait_for(40)
        os.kill(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 3, errors
    assert f"preflect resume {run}".encode() in errors
    assert RunFolder(run).manifest().status == "stopped"
    done = preflect("resume", run, "--json")
    assert done.returncode == 0, done.stderr
    calls = json.loads(done.stdout)["manifest"]["calls"]
    assert simulator.requests() == sum(count["calls"] for count in calls)


def test_a_finished_run_is_not_run_again(tmp_path: Path, preflect: Run, write_recipe: WriteRecipe) -> None:
    recipe = write_recipe()
    assert preflect("run", recipe, "--run", tmp_path / "run", "--limit", "3").returncode == 0
    before = contents(tmp_path / "run")
    again = preflect("run", recipe, "--run", tmp_path / "run")
    assert again.returncode == 2
    assert "already holds a run; go on with `preflect resume" in again.stderr
    assert preflect("resume", tmp_path / "run").returncode == 0
    assert contents(tmp_path / "run") == before


def test_an_input_that_changed_since_is_refused(
    tmp_path: Path, preflect: Run, simulator: Simulator, write_recipe: WriteRecipe
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"instruction": f"Name {i} birds."}) + "\n" for i in range(400)))
    teacher = {"kind": "openai", "model": "sim", "base_url": simulator.base_url, "concurrency": 2}
    recipe = write_recipe(
        input={"path": str(rows)}, models={"teacher": teacher}, stages=[{"stage": "respond", "model": "teacher"}]
    )
    with start(recipe, tmp_path / "run") as process:
        simulator.wait_for(5)
        process.kill()
    rows.write_text(json.dumps({"instruction": "Name one bird."}) + "\n")
    resumed = preflect("resume", tmp_path / "run")
    assert resumed.returncode == 2
    assert "has changed since the run began" in resumed.stderr


def test_a_run_at_work_is_not_entered_by_another_process(
    tmp_path: Path, preflect: Run, simulator: Simulator, write_recipe: WriteRecipe
) -> None:
    recipe = recipe_at(simulator, write_recipe, "local")
    with start(recipe, tmp_path / "run") as process:
        simulator.wait_for(5)
        os.kill(process.pid, signal.SIGSTOP)
        refused = preflect("resume", tmp_path / "run")
        os.kill(process.pid, signal.SIGCONT)
        process.communicate(timeout=60)
    assert refused.returncode == 2
    assert f"process {process.pid} is at work on this run" in refused.stderr


def test_a_budget_is_kept_by_the_endpoints_count_over_sittings_that_are_killed(
    tmp_path: Path, write_recipe: WriteRecipe
) -> None:
    def answer(_: str) -> Reply:
        return said("A robin.", after_s=0.1 + 0.05 * (len(endpoint.asked) % 4))

    run, kills = tmp_path / "run", 2
    with serving(Endpoint(answer)) as endpoint:
        model = {"kind": "openai", "model": "m", "base_url": endpoint.base_url, "price": {"output": 1000}}
        recipe = write_recipe(
            input={"path": "preflect://seeds/instructions.jsonl", "limit": 80},
            models={"teacher": {**model, "concurrency": 4, "max_tokens": 40}},
            stages=[{"stage": "respond", "model": "teacher"}],
            limits={"budget_usd": 1.0},
        )
        process = start(recipe, run)
        for _ in range(kills):
            asked = len(endpoint.asked)
            while len(endpoint.asked) < asked + 10:
                time.sleep(0.02)
            process.kill()
            process.wait()
            process = subprocess.Popen(command("resume", run, "--quiet"), stderr=subprocess.DEVNULL)
        assert process.wait(timeout=60) == 3
    billed_usd = 0.02 * len(endpoint.asked)
    manifest = RunFolder(run).manifest()
    assert billed_usd <= manifest.cost_usd <= 1.0
    # The budget is used up but for one call of at most 0.04 USD; at each kill four of them were in flight, and twice as
    # many where all four had just been answered and nobody had read it.
    assert manifest.cost_usd > 0.96
    assert 0 < manifest.lost_usd < kills * 8 * 0.04 * 1.25
