from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from ruamel.yaml import YAML

from preflect.adapters.reading import survey
from preflect.adapters.shipped import shipped, shipped_names
from preflect.recipes import check_order
from preflect.recipes.locate import Source
from preflect.recipes.prices import with_prices
from preflect.schemas import OpenAIModel, PpmStudent, Recipe, SimModel

NAMES = ("quickstart", "selective_reflection", "ultrafeedback")


def recipe_of(name: str) -> Recipe:
    values: Any = YAML(typ="safe", pure=True).load(shipped(f"recipes/{name}.yaml"))  # pyright: ignore[reportUnknownMemberType]
    return Recipe.model_validate_json(json.dumps(values))


def stages_of(recipe: Recipe) -> list[str]:
    return [stage.stage for stage in recipe.stages]


def test_all_shipped_recipes_are_checked_here() -> None:
    assert {Path(name).stem for name in shipped_names() if name.startswith("recipes/")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_recipe_is_valid_and_its_stages_can_follow_one_another(name: str) -> None:
    recipe = recipe_of(name)
    assert check_order(recipe, has_response=survey(recipe.input).has_response) == ()


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_recipe_uses_every_model_it_defines(name: str) -> None:
    recipe = recipe_of(name)
    assert {model for stage in recipe.stages for model in stage.model_names} == set(recipe.models)


@pytest.mark.parametrize("name", NAMES)
def test_a_newcomer_finds_every_top_level_key_and_stage_explained(name: str) -> None:
    lines = shipped(f"recipes/{name}.yaml").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ")
    keys = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    assert sum("#" in line for line in keys) > 0.5 * len(keys)
    assert all(len(line) <= 120 for line in lines)


def blocks_of_the_readme() -> list[dict[str, Any]]:
    """What stands in its YAML blocks; those after the first are parts of a recipe."""
    text = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
    found = re.findall(r"^```yaml\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [YAML(typ="safe", pure=True).load(block) for block in found]  # pyright: ignore[reportUnknownMemberType]


def test_every_recipe_of_the_readme_is_valid() -> None:
    whole, *parts = blocks_of_the_readme()
    assert len(parts) >= 4
    for part in ({}, *parts):
        recipe = Recipe.model_validate_json(
            json.dumps(whole | part | {"models": whole["models"] | part.get("models", {})})
        )
        assert check_order(recipe, has_response=False) == ()


def test_the_readme_names_the_port_on_which_each_local_server_listens() -> None:
    models = [part["models"]["teacher"] for part in blocks_of_the_readme()[1:] if "teacher" in part.get("models", {})]
    local = [OpenAIModel.model_validate(model) for model in models]
    assert {urlsplit(model.base_url).port for model in local} >= {8000, 30000, 11434, 8080}


def test_the_quickstart_needs_no_key_no_network_and_no_weights() -> None:
    recipe = recipe_of("quickstart")
    assert recipe.engine == "local"
    assert all(isinstance(model, SimModel | PpmStudent) for model in recipe.models.values())


def test_the_quickstart_shows_the_whole_chain() -> None:
    assert stages_of(recipe_of("quickstart")) == [
        "respond",
        "reflect_instruction",
        "select_instruction",
        "reflect_response",
        "select_response",
        "judge_aspects",
        "grade",
        "pair",
    ]


@pytest.mark.parametrize("name", ["selective_reflection", "ultrafeedback"])
def test_the_price_of_a_paid_model_is_known_and_a_budget_set_above_it(name: str) -> None:
    recipe, notes = with_prices(recipe_of(name), Source(name, {}), (), datetime.now(UTC))
    paid = [m for m in recipe.models.values() if isinstance(m, OpenAIModel) and m.api_key_env]
    assert paid
    assert all(model.price and model.price.input > 0 and model.price.output > 0 for model in paid)
    assert recipe.limits.budget_usd
    assert notes == ()
