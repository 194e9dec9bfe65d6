"""The price of each model that is paid for: the recipe's own, or the price table's."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime

from preflect.adapters.prices import is_local, listed_price
from preflect.errors import RecipeError
from preflect.recipes.locate import Source
from preflect.schemas import ChatModelSpec, OpenAIModel, Recipe


def with_prices(
    recipe: Recipe, source: Source, simulated: Collection[str], at: datetime
) -> tuple[Recipe, tuple[str, ...]]:
    """The recipe with the table's price for every model that is paid for and brings none of its own.

    So the recipe as run says what was counted, and a resumed run goes on counting by the same prices.

    Args: simulated names the models whose endpoint says that it is simulated.
    Returns: with the recipe, a note for each model whose price nobody knows.
    Raises: RecipeError for such a model where there's a budget: it could not be kept.
    """
    listed = {name: _priced(model, at) for name, model in _without_price(recipe, simulated)}
    beyond = "" if recipe.limits.budget_usd is None else ", and limits.budget_usd could not stop them"
    unknown = tuple(
        f"{source.place(('models', name))}: no price is known for model '{name}' ({model.model} at {model.base_url}), "
        f"so its calls count as $0{beyond}; set models.{name}.price={{input: …, output: …}} in dollars per million "
        "tokens, 0 where it costs nothing"
        for name, model in listed.items()
        if model.price is None
    )
    if unknown and beyond:
        raise RecipeError("\n".join(unknown))
    models = recipe.models | listed
    paid = any(isinstance(model, ChatModelSpec) and model.price for model in models.values())
    free = (
        f"{source.place(('models', name))}: model '{name}' at {model.base_url} counts as free, since that is a local "
        f"address, and limits.budget_usd has nothing to stop; if it passes calls on to a provider, set "
        f"models.{name}.price"
        for name, model in _unpriced(recipe, simulated)
        if beyond and not paid
    )
    return recipe.evolve(models=models), (*unknown, *free)


def _without_price(recipe: Recipe, simulated: Collection[str]) -> Iterator[tuple[str, OpenAIModel]]:
    return (named for named in _unpriced(recipe, simulated) if not is_local(named[1].base_url))


def _unpriced(recipe: Recipe, simulated: Collection[str]) -> Iterator[tuple[str, OpenAIModel]]:
    used = {name for stage in recipe.stages for name in stage.model_names} - {*simulated}
    for name, model in recipe.models.items():
        if name in used and isinstance(model, OpenAIModel) and model.price is None:
            yield name, model


def _priced(model: OpenAIModel, at: datetime) -> OpenAIModel:
    return model.evolve(price=listed_price(model.base_url, model.model, at))
