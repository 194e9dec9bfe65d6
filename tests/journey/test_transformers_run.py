"""A transformers student through a whole run: both engines, a kill, and what its scores decide."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.contracts.conftest import save_tiny_lm

from preflect.engine.run_folder import RunFolder
from preflect.schemas import Sample

from .conftest import Run, Simulator, WriteRecipe, command

ROWS = 8


@pytest.fixture
def recipe(write_recipe: WriteRecipe, simulator: Simulator, tmp_path: Path) -> Path:
    (folder := tmp_path / "tiny").mkdir()
    save_tiny_lm("llama", folder)
    teacher = {"kind": "openai", "model": "sim", "base_url": simulator.base_url, "concurrency": 4}
    tiny = {"kind": "transformers", "model": str(folder), "template": "alpaca", "device": "cpu"}
    return write_recipe(
        input={"path": "preflect://seeds/instructions.jsonl", "limit": ROWS},
        models={"teacher": teacher, "lexical": {"kind": "ppm"}, "tiny": {**tiny, "max_length": 512}},
        stages=[
            {"stage": "respond", "model": "teacher"},
            {"stage": "reflect_instruction", "model": "teacher"},
            {"stage": "select_instruction", "model": "tiny"},
            {"stage": "reflect_response", "model": "teacher"},
            {"stage": "select_response", "students": ["tiny", "lexical"]},
        ],
    )


def all_samples(run: Path) -> list[Sample]:
    """Those that came through and the rejected ones."""
    folder = RunFolder(run)
    return sorted([*folder.samples(), *(s for _, s in folder.rejections() if s)], key=lambda sample: sample.index)


def decisions(run: Path) -> list[Any]:
    """What was decided about each sample, and the scores to what float32 leaves of them beside other texts."""
    return [
        (
            sample.id,
            [(one.stage, one.instruction_id, one.response_id, one.rewrite_won) for one in sample.selections],
            sample.opinions,
            [(s.student, s.metric, s.response_id, s.value and pytest.approx(s.value, abs=1e-4)) for s in sample.scores],
        )
        for sample in all_samples(run)
    ]


# Each of its processes imports torch.
@pytest.mark.timeout(600)
def test_both_engines_and_a_killed_run_decide_alike_by_the_scores_they_record(
    recipe: Path, tmp_path: Path, preflect: Run, simulator: Simulator
) -> None:
    for engine in ("local", "distilabel"):
        done = preflect("run", recipe, "--run", engine, "--engine", engine, "--quiet")
        assert done.returncode == 0, done.stderr
    killed = command("run", recipe, "--run", tmp_path / "killed", "--quiet")
    with subprocess.Popen(killed, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        simulator.wait_for(simulator.requests() + 2 * ROWS)
        process.kill()
    assert RunFolder(tmp_path / "killed").manifest().status == "running"
    assert preflect("resume", "killed", "--quiet").returncode == 0
    whole = decisions(tmp_path / "local")
    assert len(whole) == ROWS
    assert decisions(tmp_path / "distilabel") == whole
    assert decisions(tmp_path / "killed") == whole
    for sample in all_samples(tmp_path / "local"):
        _holds_the_rule(sample)


def _holds_the_rule(sample: Sample) -> None:
    """The selection after the reflection on the response, from the scores alone."""
    tiny = {
        (s.metric, s.response_id): s.value
        for s in sample.scores
        if s.student != "ppm" and s.instruction_id == sample.instruction.id and s.value is not None
    }
    chosen = next(one for one in sample.selections if one.stage == "select_response")
    if chosen.rewrite_won:
        before = sample.response_of(chosen.response_id).parents[0]
        assert tiny["r_ifd_ppl", chosen.response_id] < tiny["r_ifd_ppl", before]
    admitted = tiny["ifd_ppl", chosen.response_id] < 1 and tiny["r_ifd_ppl", chosen.response_id] < 1
    assert {o.yes for o in sample.opinions if (o.question, o.model) == ("admission", "tiny")} == {admitted}
