"""Whatever a simulated model had a part in says so, however the model was reached."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import polars as pl
import pytest

from preflect.engine.run_folder import RunFolder

from .conftest import Run, Simulator, WriteRecipe, command

STAGES = [
    {"stage": "self_instruct", "model": "teacher", "count": 6, "keep_seeds": False},
    {"stage": "respond", "model": "teacher"},
]


def check_marked(run: Path) -> None:
    folder = RunFolder(run)
    samples = list(folder.samples())
    assert samples
    assert all(sample.simulated for sample in samples)
    assert folder.manifest().simulated
    assert pl.read_parquet(run / "export" / "sft" / "*.parquet")["simulated"].all()
    assert "simulated" in folder.report_path.read_text(encoding="utf-8").casefold()


@pytest.mark.parametrize("engine", ["local", "distilabel"])
def test_an_instruction_that_a_simulated_teacher_made_is_marked(
    engine: str, tmp_path: Path, preflect: Run, write_recipe: WriteRecipe
) -> None:
    done = preflect("run", write_recipe(engine=engine, stages=STAGES), "--run", "run", "--quiet")
    assert done.returncode == 0, done.stderr
    check_marked(tmp_path / "run")


def test_a_simulated_endpoint_that_the_recipe_calls_an_ordinary_one_is_known_for_what_it_is(
    tmp_path: Path, preflect: Run, simulator: Simulator, write_recipe: WriteRecipe
) -> None:
    teacher = {"kind": "openai", "model": "gpt-4.1-mini", "base_url": simulator.base_url, "concurrency": 2}
    recipe = write_recipe(models={"teacher": teacher}, stages=[{"stage": "respond", "model": "teacher"}])
    words = command("run", recipe, "--run", "run", "--quiet")
    with subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE) as process:
        simulator.wait_for(4)
        os.kill(process.pid, signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 3
    assert RunFolder(tmp_path / "run").manifest().simulated
    done = preflect("resume", "run")
    assert done.returncode == 0, done.stderr
    assert "small: done  (simulated)" in done.stdout
    check_marked(tmp_path / "run")
