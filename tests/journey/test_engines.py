"""Both engines give the same bytes, and so does a run whose files were lost on the way."""

from __future__ import annotations

import json
import random
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from preflect.engine import run
from preflect.engine.progress import Snapshot
from preflect.engine.run_folder import RunFolder
from preflect.engine.running import Watch
from preflect.recipes import load

from .conftest import Run, WriteRecipe, contents

GROWN: dict[str, Any] = {
    "input": {"path": "preflect://seeds/instructions.jsonl", "limit": 10},
    "stages": [
        {"stage": "self_instruct", "model": "teacher", "count": 8},
        {"stage": "respond", "model": "teacher"},
        {"stage": "dedup", "max_similarity": 0.45},
        {"stage": "reflect_response", "model": "teacher"},
        {"stage": "judge_aspects", "model": "judge"},
        {"stage": "pair", "strategy": "rewrite_vs_draft"},
    ],
}
"""Three phases: a whole-set stage alone, one behind a stream, and a stream."""


def check_counts(run: Path) -> None:
    """Rows in and made are rows out and rejected, stage by stage and against the files."""
    folder = RunFolder(run)
    manifest = folder.manifest()
    rows = manifest.input_rows - manifest.input_rejected
    for count in manifest.stages:
        assert count.rows_in == rows
        assert count.rows_in + count.made == count.rows_out + count.rejected
        assert sum(count.reasons.values()) == count.rejected
        rows = count.rows_out
    assert sum(1 for _ in folder.samples()) == rows
    assert sum(1 for _ in folder.rejections()) == sum(count.rejected for count in manifest.stages)


@pytest.mark.parametrize("changes", [{}, GROWN], ids=["small", "grown"])
def test_both_engines_and_a_second_run_give_the_same_bytes(
    changes: dict[str, Any], tmp_path: Path, preflect: Run, write_recipe: WriteRecipe
) -> None:
    recipe = write_recipe(**changes)
    for name, engine in (("first", "local"), ("second", "local"), ("third", "distilabel")):
        done = preflect("run", recipe, "--run", name, "--engine", engine, "--quiet")
        assert done.returncode == 0, done.stderr
        check_counts(tmp_path / name)
    files = contents(tmp_path / "first")
    assert {Path(name).parts[0] for name in files} == {"samples", "phases", "export", "rejections.parquet"}
    assert contents(tmp_path / "second") == files
    assert contents(tmp_path / "third") == files
    stages = [RunFolder(tmp_path / name).manifest().stages for name in ("first", "third")]
    assert [c.evolve(seconds=0.0) for c in stages[0]] == [c.evolve(seconds=0.0) for c in stages[1]]


def forget(run: Path, rng: random.Random) -> None:
    """Back to a run that stopped in its first phase, with part of what it wrote since."""
    folder = RunFolder(run)
    folder.write_manifest(folder.manifest().evolve(status="stopped", phases_done=0))
    parts = sorted([*run.glob("phases/**/*.parquet"), *run.glob("samples/*")])
    for part in rng.sample(parts, rng.randrange(1, len(parts) + 1)):
        part.unlink()
    for dataset in run.glob("export/*"):
        if dataset.is_dir() and rng.random() < 0.5:
            shutil.rmtree(dataset)


def test_files_lost_from_a_stopped_run_are_made_again_without_a_call(
    tmp_path: Path, preflect: Run, write_recipe: WriteRecipe
) -> None:
    whole = tmp_path / "whole"
    done = preflect("run", write_recipe(**GROWN), "--run", whole, "--quiet")
    assert done.returncode == 0, done.stderr
    files, calls = contents(whole), RunFolder(whole).manifest().calls
    for seed in range(3):
        run = tmp_path / f"lost-{seed}"
        shutil.copytree(whole, run)
        forget(run, random.Random(seed))
        assert contents(run) != files
        resumed = preflect("resume", run, "--quiet")
        assert resumed.returncode == 0, resumed.stderr
        assert contents(run) == files
        assert RunFolder(run).manifest().calls == calls
        check_counts(run)


def test_blocks_go_over_distilabel_and_it_writes_none_of_them_down(tmp_path: Path, write_recipe: WriteRecipe) -> None:
    rows = [{"instruction": f"Name {number} harbours.", "reference_answer": "none"} for number in range(600)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    written_down: set[str] = set()

    def look(_: Snapshot) -> None:
        with suppress(FileNotFoundError):  # it is gone at the end
            written_down.update(path.name for path in (tmp_path / "distilabel" / ".live").rglob("batch_*.json"))

    for engine in ("local", "distilabel"):
        recipe = write_recipe(
            engine=engine,
            input={"path": str(tmp_path / "rows.jsonl")},
            models={"teacher": {"kind": "sim", "max_tokens": 60, "concurrency": 100}},
            stages=[{"stage": "respond", "model": "teacher"}, {"stage": "grade"}, {"stage": "dedup"}],
            limits={"max_rejected": 1.0},
        )
        run(load(recipe), tmp_path / engine, Watch(publish=look))
        check_counts(tmp_path / engine)
    assert contents(tmp_path / "local") == contents(tmp_path / "distilabel")
    assert not written_down
