"""The price table: what the `genai-prices` package says, from the copy that it brings along; nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from preflect.schemas import Price

if TYPE_CHECKING:
    from genai_prices.types import ModelPrice

_BATCH: Final = {"processing": "batch"}
_LOCAL_NAMES: Final = (".local", ".localhost", ".internal", ".lan", ".home.arpa")
_HOURS: Final = 24


def listed_price(base_url: str, model: str, at: datetime) -> Price | None:
    """What the table says that this model costs at this endpoint, in the dearest of the next hours.

    Some prices change with the time of day. A price that rises with the length of the prompt is that of its shortest
    prompts: the next step is at 100,000 tokens or more.

    Returns: None where the table has no price for it, or one that tokens alone don't decide.
    """
    from genai_prices import __version__  # noqa: PLC0415  a third of a second, which not every recipe needs

    hours = [at + timedelta(hours=hour) for hour in range(_HOURS)]
    found = [price for hour in hours if (price := _price_at(base_url, model, hour))]
    if not found:
        return None
    dearest = max(found, key=lambda price: (price.output, price.input))
    return dearest.evolve(as_of=f"genai-prices {__version__} of {newest_price(at.date())}")


def _price_at(base_url: str, model: str, at: datetime) -> Price | None:
    from genai_prices import Usage, calc_price  # noqa: PLC0415

    try:
        standard, batch = (
            calc_price(
                Usage(), model, provider_api_url=base_url, genai_request_timestamp=at, price_context=context
            ).model_price
            for context in (None, _BATCH)
        )
    except LookupError:
        return None
    given, written = _rate(standard, "input_mtok"), _rate(standard, "output_mtok")
    if given is None or written is None or _rate(standard, "requests_kcount"):
        return None
    return Price(
        input=given,
        output=written,
        cached_input=_rate(standard, "cache_read_mtok"),
        cache_write=_rate(standard, "cache_write_mtok"),
        batch_discount=_discount(standard, batch),
    )


def _rate(prices: ModelPrice, unit: str) -> float | None:
    rate = getattr(prices, unit)
    return None if rate is None else float(getattr(rate, "base", rate))


def _discount(standard: ModelPrice, batch: ModelPrice) -> float:
    """The smaller of the discounts on input and on output."""
    rates = ((_rate(standard, unit), _rate(batch, unit)) for unit in ("input_mtok", "output_mtok"))
    return max(0.0, min((1 - less / full for full, less in rates if full and less is not None), default=0.0))


def newest_price(today: date) -> date:
    """The day of the table's newest price that holds today: the table says nowhere else how new it is."""
    return max(day for day in _days() if day <= today)


def _days() -> Iterator[date]:
    from genai_prices.data import providers  # noqa: PLC0415
    from genai_prices.types import StartDateConstraint  # noqa: PLC0415

    for model in (model for provider in providers for model in provider.models):
        dated = model.prices if isinstance(model.prices, list) else []
        for price in (*dated, *(model.price_variants or ())):
            if isinstance(price.constraint, StartDateConstraint):
                yield price.constraint.start_date


def is_local(base_url: str) -> bool:
    """Whether an address is one of this machine or of a private network, whose servers send no bills."""
    host = (urlsplit(base_url).hostname or "").rstrip(".")
    try:
        return not ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith(_LOCAL_NAMES)
