"""What calls cost: tokens as the endpoint counted them, times the price of the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from preflect.schemas import ChatModelSpec, ModelSpec, Price

_PER: Final = 1_000_000
"""Prices are per so many tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What an endpoint counted for one call."""

    prompt_tokens: int
    completion_tokens: int
    """All that the model wrote, thoughts included."""
    cached_tokens: int = 0
    """Of the prompt's tokens, those that the endpoint had in its cache."""
    cache_write_tokens: int = 0
    """Of the prompt's tokens, those that the endpoint put into its cache."""
    reasoning_tokens: int = 0
    """Of the completion's tokens, those of thoughts that the text does not show."""
    charged_usd: float | None = None
    """What the endpoint says it charged; it outranks every price."""


def cost_usd(price: Price | None, usage: Usage) -> float:
    """The cost of a call in US dollars; without a price, nothing.

    ((prompt - cached - written) input + cached cached_input + written cache_write + completion output) / 10^6
    """
    if usage.charged_usd is not None:
        return usage.charged_usd
    if price is None:
        return 0.0
    plain = usage.prompt_tokens - usage.cached_tokens - usage.cache_write_tokens
    millionths = (
        plain * price.input
        + usage.cached_tokens * (price.input if price.cached_input is None else price.cached_input)
        + usage.cache_write_tokens * (price.input if price.cache_write is None else price.cache_write)
        + usage.completion_tokens * price.output
    )
    return millionths / _PER


def most_usd(price: Price | None, request_bytes: int, max_tokens: int) -> float:
    """The most that a request of this size can cost: no token is shorter than a byte."""
    if price is None:
        return 0.0
    dearest = max(price.input, price.cached_input or 0.0, price.cache_write or 0.0)
    return (request_bytes * dearest + max_tokens * price.output) / _PER


def batched(price: Price) -> Price:
    """The price of a call through the batch API.

    The discount is that on input and output; cached input costs no less than outside a batch, where no table says so.
    """
    share = 1 - price.batch_discount
    cached = None if price.cached_input is None else min(price.cached_input, price.input * share)
    return price.evolve(input=price.input * share, output=price.output * share, cached_input=cached, batch_discount=0.0)


def price_sources(models: Mapping[str, ModelSpec]) -> str:
    """Where the models' prices are from: `teacher, judge: genai-prices 0.2.3 of 2026-11-09; other: the recipe`."""
    sources: dict[str, list[str]] = {}
    for name, model in models.items():
        if isinstance(model, ChatModelSpec) and (price := model.price) and (price.input or price.output):
            sources.setdefault(price.as_of or "the recipe", []).append(name)
    return "; ".join(f"{', '.join(names)}: {source}" for source, names in sources.items())
