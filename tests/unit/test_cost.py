"""What a call costs, worked by hand and by law."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflect.schemas import OpenAIModel, PpmStudent, Price, SimModel
from preflect.scoring.cost import Usage, batched, cost_usd, most_usd, price_sources

PRICE = Price(input=2.0, output=8.0, cached_input=0.5)
RATES = st.integers(0, 10_000).map(lambda n: n / 1000)
COUNTS = st.integers(0, 100_000)


@st.composite
def prices(draw: st.DrawFn) -> Price:
    optional = st.none() | RATES
    return Price(
        input=draw(RATES), output=draw(RATES), cached_input=draw(optional), cache_write=draw(optional),
        batch_discount=draw(st.sampled_from([0.0, 0.25, 0.5])),
    )  # fmt: skip


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    plain, cached, written = draw(COUNTS), draw(COUNTS), draw(COUNTS)
    return Usage(
        prompt_tokens=plain + cached + written, completion_tokens=draw(COUNTS), cached_tokens=cached,
        cache_write_tokens=written,
    )  # fmt: skip


def test_cached_input_is_cheaper_than_the_rest_of_the_prompt() -> None:
    usage = Usage(prompt_tokens=1000, completion_tokens=200, cached_tokens=600, reasoning_tokens=150)
    # 400 x 2.00 + 600 x 0.50 + 200 x 8.00 millionths; the thoughts are among the 200.
    assert cost_usd(PRICE, usage) == pytest.approx(0.0027)


def test_what_goes_into_the_cache_may_cost_more() -> None:
    usage = Usage(prompt_tokens=1000, completion_tokens=0, cache_write_tokens=800)
    # 200 x 2.00 + 800 x 2.50 millionths
    assert cost_usd(PRICE.evolve(cache_write=2.5), usage) == pytest.approx(0.0024)


def test_what_the_endpoint_says_it_charged_is_what_was_paid() -> None:
    assert cost_usd(PRICE, Usage(prompt_tokens=1000, completion_tokens=200, charged_usd=0.0123)) == 0.0123


def test_without_a_price_a_call_costs_nothing() -> None:
    assert cost_usd(None, Usage(prompt_tokens=1000, completion_tokens=200)) == 0.0
    assert most_usd(None, 1000, 200) == 0.0


def test_a_batch_halves_input_and_output_and_leaves_cached_input_where_it_is_cheaper() -> None:
    assert batched(PRICE.evolve(batch_discount=0.5)) == Price(
        input=1.0, output=4.0, cached_input=0.5, batch_discount=0.0
    )
    assert batched(Price(input=2.0, cached_input=1.5, batch_discount=0.5)).cached_input == 1.0


@given(price=prices(), usage=usages())
def test_no_reply_costs_more_than_what_was_set_aside_for_it(price: Price, usage: Usage) -> None:
    assert cost_usd(price, usage) <= most_usd(price, usage.prompt_tokens, usage.completion_tokens) + 1e-12


@given(price=prices(), usage=usages())
def test_a_batch_never_costs_more(price: Price, usage: Usage) -> None:
    cheap = batched(price)
    assert (cheap.input, cheap.output) <= (price.input, price.output)
    assert cost_usd(cheap, usage) <= cost_usd(price, usage) + 1e-12


def test_models_are_listed_by_where_their_prices_are_from() -> None:
    models = {
        "teacher": OpenAIModel(model="a", price=Price(input=1.0, as_of="a table of 2026-01-01")),
        "judge": OpenAIModel(model="b", price=Price(output=1.0, as_of="a table of 2026-01-01")),
        "own": OpenAIModel(model="c", price=Price(output=2.0)),
        "free": OpenAIModel(model="d", price=Price()),
        "sim": SimModel(),
        "student": PpmStudent(),
    }
    assert price_sources(models) == "teacher, judge: a table of 2026-01-01; own: the recipe"
