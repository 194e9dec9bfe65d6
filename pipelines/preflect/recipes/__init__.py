"""From a recipe file to a plan: reading, overrides, order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from preflect.recipes.order import check_order
from preflect.recipes.read import load_recipe, read_recipe

if TYPE_CHECKING:
    from preflect.engine.plan import Plan

__all__ = ["check_order", "load", "load_recipe", "read_recipe"]


def load(path: Path | str, overrides: Sequence[str] = (), *, skip_bad_rows: bool = False) -> Plan:
    """The plan of the recipe in `path`, all of it checked, for `preflect.engine.run.run`; no model is called.

    Args: overrides are `a.b.c=VALUE`; skip_bad_rows lets a run begin although rows of the input cannot be used.
    Raises: RecipeError, DataError or InputError with every fault found, its place and its remedy.
    """
    # All clients and stages hang on this import, a second's worth that reading a recipe does not need.
    from preflect.recipes.plan import load as load_plan  # noqa: PLC0415

    return load_plan(path, overrides, skip_bad_rows=skip_bad_rows)
