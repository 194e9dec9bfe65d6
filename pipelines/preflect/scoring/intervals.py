"""How sure a figure is: bootstrap intervals (Efron 1979), percentiles of the figure over resampled units."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from preflect.schemas import Estimate

U = TypeVar("U")

RESAMPLES: Final = 1000
COVERAGE: Final = 0.95


def estimated(units: Sequence[U], figure: Callable[[list[U]], float | None], *, seed: int) -> Estimate:
    """The figure of the units, with its interval."""
    return in_strata([units], lambda strata: figure(strata[0]), seed=seed)


def in_strata(strata: Sequence[Sequence[U]], figure: Callable[[list[list[U]]], float | None], *, seed: int) -> Estimate:
    """The same for units of several sorts, each of which is resampled by itself.

    Resamples in which the figure is not defined are left out.
    """
    n = sum(map(len, strata))
    value = figure([[*units] for units in strata]) if n else None
    if value is None:
        return Estimate(value=None, n=n)
    import numpy as np  # noqa: PLC0415

    rng = np.random.default_rng(seed)
    found: list[float] = []
    for _ in range(RESAMPLES):
        drawn: list[list[U]] = [
            [units[i] for i in rng.integers(0, len(units), len(units))] if units else [] for units in strata
        ]
        if (one := figure(drawn)) is not None:
            found.append(one)
    tail = (1 - COVERAGE) / 2
    low, high = (float(np.quantile(found, share)) for share in (tail, 1 - tail)) if found else (value, value)
    # Rounded, for another numpy or processor may differ in the last digits.
    return Estimate(value=round(value, 6), low=round(low, 6), high=round(high, 6), n=n)


def share_of(units: Sequence[bool]) -> float | None:
    """How many are true, of all; None of none."""
    return sum(units) / len(units) if units else None
