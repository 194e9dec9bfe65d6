"""How sure a figure is: of a share exactly, of any other figure by bootstrap (Efron 1979)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Final, TypeVar

from preflect.schemas import Estimate

U = TypeVar("U")

RESAMPLES: Final = 1000
COVERAGE: Final = 0.95
_TAIL: Final = (1 - COVERAGE) / 2


def estimated(samples: Sequence[Sequence[U]], figure: Callable[[list[U]], float | None], *, seed: int) -> Estimate:
    """The figure of all the samples' units, with percentiles of it over resamples.

    Whole samples are resampled: two units of one sample say less than units of two. Resamples in which the figure is
    not defined are left out. Where all samples say the same, so do their resamples, and the interval has no width.
    """
    value = figure([*chain.from_iterable(samples)]) if samples else None
    if value is None:
        return Estimate(value=None, n=len(samples))
    import numpy as np  # noqa: PLC0415

    rng = np.random.default_rng(seed)
    found: list[float] = []
    for _ in range(RESAMPLES):
        drawn: list[Sequence[U]] = [samples[i] for i in rng.integers(0, len(samples), len(samples))]
        if (one := figure([*chain.from_iterable(drawn)])) is not None:
            found.append(one)
    low, high = (float(np.quantile(found, share)) for share in (_TAIL, 1 - _TAIL)) if found else (value, value)
    return _rounded(value, low, high, len(samples))


def share(units: Sequence[bool]) -> Estimate:
    """How many are true, of all; no value of none."""
    if not units:
        return Estimate(value=None, n=0)
    return weighted_share([(1.0, unit) for unit in units], n=len(units))


def weighted_share(units: Sequence[tuple[float, bool]], *, n: int) -> Estimate:
    """The weight of those that are true, of all the weight, with the interval of as many equal ones as say as much.

    That many are (sum w)² / sum w² (Kish 1965), and the interval is `interval_of_share` (Korn and Graubard 1998).
    """
    whole = sum(weight for weight, _ in units)
    value = sum(weight for weight, is_true in units if is_true) / whole
    low, high = interval_of_share(value, whole**2 / sum(weight**2 for weight, _ in units))
    return _rounded(value, low, high, n)


def interval_of_share(value: float, n: float) -> tuple[float, float]:
    """Clopper and Pearson's interval (1934), which holds the true share 95 times in 100 or more, however small n is.

    From 0 where none is true, and to 1 where all are; of n that are all true, from 0.025^(1/n).
    """
    from scipy.special import betaincinv  # noqa: PLC0415  # heavy

    true, false = value * n, (1 - value) * n
    low = float(betaincinv(true, false + 1, _TAIL)) if true else 0.0
    return low, float(betaincinv(true + 1, false, 1 - _TAIL)) if false else 1.0


def _rounded(value: float, low: float, high: float, n: int) -> Estimate:
    # Another numpy or processor may differ in the last digits.
    return Estimate(value=round(value, 6), low=round(low, 6), high=round(high, 6), n=n)
