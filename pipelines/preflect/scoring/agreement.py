"""How far two students agree about the same rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """One score of the same rows by two students."""

    rows: int
    """Those that both have a score for."""
    spearman: float | None
    """Correlation of the ranks, from -1 to 1; None where there are none: under two rows, or all of one value."""
    disagree: float | None
    """Share of rows that one has below 1 and the other not."""


def agreement(first: Sequence[float], second: Sequence[float]) -> Agreement:
    """Compare the values of the same rows, in the same order; NaN stands for no score."""
    couples = [(a, b) for a, b in zip(first, second, strict=True) if not (math.isnan(a) or math.isnan(b))]
    return Agreement(
        rows=len(couples),
        spearman=_spearman(couples),
        disagree=sum((a < 1) != (b < 1) for a, b in couples) / len(couples) if couples else None,
    )


def _spearman(couples: Sequence[tuple[float, float]]) -> float | None:
    if any(len(set(values)) == 1 for values in zip(*couples, strict=True)) or not couples:
        return None
    from scipy import stats  # noqa: PLC0415  # heavy

    return float(cast("Any", stats).spearmanr(*zip(*couples, strict=True)).statistic)
