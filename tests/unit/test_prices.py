"""Prices of models that a recipe leaves out: from the table, by endpoint and name."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from preflect.adapters.prices import is_local, listed_price, newest_price
from preflect.errors import RecipeError
from preflect.recipes.locate import Source
from preflect.recipes.prices import with_prices
from preflect.schemas import InputSpec, OpenAIModel, PpmStudent, Price, Recipe, SimModel
from preflect.schemas.recipe import Limits
from preflect.schemas.stages import Respond

AT = datetime(2026, 11, 26, 9, tzinfo=UTC)
OPENAI = "https://api.openai.com/v1"
OWN = Price(input=1.0, output=2.0)


def recipe_of(models: dict[str, OpenAIModel | SimModel], budget_usd: float | None = None) -> Recipe:
    return Recipe(
        name="r",
        input=InputSpec(path="x.jsonl"),
        models={**models, "student": PpmStudent(), "idle": OpenAIModel(model="nobody-knows", base_url=OPENAI)},
        stages=(Respond(models=tuple(models)),),
        limits=Limits(budget_usd=budget_usd),
    )


def priced(models: dict[str, Any], *, simulated: tuple[str, ...] = (), budget_usd: float | None = None) -> Any:
    source = Source("recipe.yaml", {}, lines={("models", "odd"): 4})
    recipe, notes = with_prices(recipe_of(models, budget_usd), source, simulated, AT)
    return [getattr(recipe.models[name], "price", None) for name in models], notes


def test_the_table_knows_a_model_by_its_endpoint_and_its_name_dated_or_not() -> None:
    price = listed_price(OPENAI, "gpt-4.1-mini", AT)
    assert price is not None
    assert (price.input, price.cached_input, price.output, price.batch_discount) == (0.4, 0.1, 1.6, 0.5)
    assert price == listed_price(OPENAI, "gpt-4.1-mini-2025-04-14", AT)
    assert price.as_of
    assert price.as_of.startswith("genai-prices ")


@pytest.mark.parametrize(
    ("base_url", "model"),
    [
        ("https://api.anthropic.com/v1/", "claude-sonnet-4-5"),
        ("https://generativelanguage.googleapis.com/v1beta/openai/", "gemini-2.5-flash"),
        ("https://api.deepseek.com/v1", "deepseek-chat"),
        ("https://api.mistral.ai/v1", "mistral-small-latest"),
        ("https://api.together.xyz/v1", "meta-llama/Llama-3.3-70B-Instruct-Turbo"),
        ("https://openrouter.ai/api/v1", "openai/gpt-4o-mini"),
        ("https://api.groq.com/openai/v1", "llama-3.3-70b-versatile"),
    ],
)
def test_the_common_endpoints_are_in_the_table(base_url: str, model: str) -> None:
    price = listed_price(base_url, model, AT)
    assert price
    assert 0 < price.input <= price.output


@pytest.mark.parametrize(
    ("base_url", "model"),
    [
        ("http://127.0.0.1:8000/v1", "gpt-4o"),  # a server that likes to call its model so
        ("https://gpt.example.org/v1", "gpt-4o"),
        (OPENAI, "a-model-of-tomorrow"),
        (OPENAI, "text-embedding-3-small"),  # writes nothing
        ("https://api.perplexity.ai", "sonar"),  # priced by request as well
    ],
)
def test_what_the_table_does_not_say_in_full_is_not_guessed(base_url: str, model: str) -> None:
    assert listed_price(base_url, model, AT) is None


def test_a_price_that_changes_with_the_hour_is_that_of_the_dearest_one() -> None:
    early, late = (listed_price("https://api.deepseek.com", "deepseek-chat", AT.replace(hour=h)) for h in (2, 20))
    assert early
    assert early == late


def test_the_table_is_as_new_as_its_newest_price() -> None:
    newest = newest_price(AT.date())
    assert date(2026, 10, 1) < newest <= AT.date()


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("http://localhost:8000/v1", True),
        ("http://127.0.0.1/v1", True),
        ("http://[::1]:8000/v1", True),
        ("http://10.1.2.3:8000/v1", True),
        ("http://vllm:8000/v1", True),
        ("http://vllm.models.svc.cluster.local/v1", True),
        ("http://gpu-box.lan:8000/v1", True),
        (OPENAI, False),
        ("https://8.8.8.8/v1", False),
        ("https://localhost.example.com/v1", False),
    ],
)
def test_servers_of_a_private_network_send_no_bills(address: str, *, local: bool) -> None:
    assert is_local(address) == local


def test_a_price_that_is_left_out_is_the_table_s_and_one_that_is_given_stays() -> None:
    models = {"a": OpenAIModel(model="gpt-4.1", base_url=OPENAI), "b": OpenAIModel(model="gpt-4.1", price=OWN)}
    (listed, own), notes = priced(models, budget_usd=5)
    assert (listed.input, listed.output, own, notes) == (2.0, 8.0, OWN, ())


def test_local_and_simulated_models_cost_nothing_unless_a_price_is_given() -> None:
    local = OpenAIModel(model="gpt-4.1", base_url="http://127.0.0.1:8000/v1")
    away = OpenAIModel(model="gpt-4.1", base_url="https://sim.example.org/v1")
    models = {"local": local, "away": away, "sim": SimModel(), "own": local.evolve(price=OWN)}
    assert priced(models, simulated=("away",), budget_usd=5) == ([None, None, None, OWN], ())


def test_a_budget_that_has_nothing_to_stop_is_pointed_out() -> None:
    local = OpenAIModel(model="gpt-4.1", base_url="http://127.0.0.1:8000/v1")
    prices, [note] = priced({"local": local, "sim": SimModel()}, budget_usd=5)
    assert prices == [None, None]
    assert "model 'local' at http://127.0.0.1:8000/v1 counts as free" in note


def test_a_model_whose_price_nobody_knows_is_pointed_out() -> None:
    prices, notes = priced({"odd": OpenAIModel(model="gpt-99", base_url=OPENAI)})
    assert prices == [None]
    assert notes == (
        (
            "recipe.yaml:4: no price is known for model 'odd' (gpt-99 at https://api.openai.com/v1), so its calls "
            "count as $0; set models.odd.price={input: …, output: …} in dollars per million tokens, 0 where it costs "
            "nothing"
        ),
    )


def test_a_budget_that_could_not_be_kept_is_refused() -> None:
    odd = OpenAIModel(model="gpt-99", base_url=OPENAI)
    with pytest.raises(RecipeError, match=r"^recipe\.yaml:4: no price is known .* \$0, and limits\.budget_usd could"):
        priced({"odd": odd}, budget_usd=5)
    assert priced({"odd": odd.evolve(price=Price())}, budget_usd=5) == ([Price()], ())


def test_the_table_is_not_fetched_and_not_read_by_those_who_give_their_prices(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = "import sys; from preflect.recipes import prices; sys.exit('genai_prices' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0
