"""From a recipe file to a plan: reading, overrides, order."""

from preflect.recipes.order import check_order
from preflect.recipes.plan import load
from preflect.recipes.read import load_recipe, read_recipe

__all__ = ["check_order", "load", "load_recipe", "read_recipe"]
