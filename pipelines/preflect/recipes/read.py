"""Reading a recipe file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from preflect.errors import RecipeError
from preflect.recipes.document import read_source
from preflect.recipes.explain import explain
from preflect.recipes.locate import Source
from preflect.recipes.overrides import override
from preflect.schemas import Recipe


@dataclass(frozen=True, slots=True)
class LoadedRecipe:
    """A valid recipe, and where in the file each of its values stands."""

    recipe: Recipe
    source: Source


def read_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """The validated recipe in `path`, with `a.b.c=VALUE` overrides applied.

    Raises: RecipeError with one line `file:line: …` for every fault.
    """
    return load_recipe(path, overrides).recipe


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> LoadedRecipe:
    """As `read_recipe`, with the places that later checks (`check_order`) name.

    Raises: RecipeError with one line `file:line: …` for every fault.
    """
    source = override(read_source(_text(path), str(path)), overrides)
    try:
        recipe = Recipe.model_validate_json(json.dumps(source.values))
    except ValidationError as error:
        raise RecipeError(explain(error, source)) from error
    return LoadedRecipe(recipe, source)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise RecipeError(
            f"{path}: there is no such file; `preflect init {path}` writes a recipe to start from"
        ) from error
    except IsADirectoryError as error:
        raise RecipeError(f"{path}: this is a folder; name the recipe file in it") from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from error
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read: {error.strerror}") from error
