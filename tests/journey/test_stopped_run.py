"""What can be done with a run that stopped: look at it, report it, go on with it; export it only when it's done."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from preflect.engine import run
from preflect.engine.run_folder import RunFolder
from preflect.errors import BudgetError
from preflect.recipes import load

from .conftest import Run

RECIPE = {
    "name": "half",
    "engine": "local",
    "input": {"path": "preflect://seeds/instructions.jsonl", "limit": 60},
    "models": {
        "teacher": {
            "kind": "sim",
            "concurrency": 4,
            "max_tokens": 200,
            "price": {"output": 1000},
            "rates": {"faults": {"refusal": 0.3}},
        }
    },
    "stages": [
        {"stage": "dedup"},
        {"stage": "respond", "model": "teacher"},
        {"stage": "reflect_response", "model": "teacher"},
    ],
    "limits": {"max_rejected": 1.0, "open_samples": 4, "budget_usd": 2.0},
}


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run that spent its budget in its second phase."""
    folder = tmp_path_factory.mktemp("half")
    (folder / "recipe.yaml").write_text(json.dumps(RECIPE), encoding="utf-8")
    with pytest.raises(BudgetError):
        run(load(folder / "recipe.yaml"), folder / "run")
    return RunFolder(folder / "run")


@pytest.fixture
def stopped(half: RunFolder, tmp_path: Path) -> RunFolder:
    """A copy of it, to do anything with."""
    return RunFolder(shutil.copytree(half.path, tmp_path / "data" / "runs" / "half"))


def test_resume_says_which_prompts_are_no_longer_what_they_were(preflect: Run, stopped: RunFolder) -> None:
    manifest = stopped.manifest()
    older = {"reflect_response": "reflect_response@000000000000"}
    stopped.write_manifest(
        manifest.evolve(prompts=manifest.prompts | older, versions=manifest.versions | {"preflect": "0.0.9"})
    )
    done = preflect("resume", "half", "--budget-usd", "100", "--quiet")
    assert done.returncode == 0, done.stderr
    notes = done.stderr.splitlines()
    assert notes[0].startswith("note: the run began with preflect 0.0.9, this is ")
    assert notes[1].startswith("note: prompt 'reflect_response' has changed since the run began (reflect_response@0000")
    assert len(notes) == 2


def test_a_recipe_edited_in_the_run_folder_is_refused_where_it_asks_for_other_work(
    preflect: Run, stopped: RunFolder
) -> None:
    text = stopped.recipe_path.read_text(encoding="utf-8")
    stopped.recipe_path.write_text(text.replace("max_similarity: 0.7", "max_similarity: 0.6"), encoding="utf-8")
    refused = preflect("resume", "half", "--budget-usd", "100")
    assert refused.returncode == 2
    assert "recipe.yaml has changed since the run began" in refused.stderr
    stopped.recipe_path.write_text(text.replace("concurrency: 4", "concurrency: 8"), encoding="utf-8")
    done = preflect("resume", "half", "--budget-usd", "100", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
