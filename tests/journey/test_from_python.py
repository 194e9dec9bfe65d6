"""Preflect as a library, as the README has it."""

from __future__ import annotations

from pathlib import Path

from preflect.engine import run
from preflect.recipes import load

from .conftest import WriteRecipe


def test_a_recipe_is_loaded_and_run(tmp_path: Path, write_recipe: WriteRecipe) -> None:
    result = run(load(write_recipe(), ["input.limit=4"]), tmp_path / "run")
    assert result.manifest.status == "done"
    assert result.folder.report_path.exists()


def test_a_plan_names_the_version_of_every_prompt_that_may_be_asked(write_recipe: WriteRecipe) -> None:
    plan = load(write_recipe(), ["input.limit=4"])
    assert sorted(plan.prompts) == ["judge_aspects", "reflect_instruction", "reflect_response", "repair"]
    assert all(version.startswith(f"{name}@") for name, version in plan.prompts.items())
    assert load(write_recipe(stages=[{"stage": "respond", "model": "teacher"}])).prompts == {}
