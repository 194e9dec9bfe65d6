"""From a recipe file to a plan: reading, overrides, order."""

from preflect.recipes.read import load_recipe, read_recipe
from preflect.recipes.order import check_order

__all__ = ["check_order", "load_recipe", "read_recipe"]
