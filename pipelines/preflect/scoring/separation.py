"""How well a student tells pairs that belong together from pairs that do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

CONFIDENCE: Final = 0.95
FALSE_SHARE: Final = 0.05
"""Of the shuffled pairs, so many at most lie below the suggested threshold."""
_RESAMPLES: Final = 999
_DRAWN: Final = 200_000
"""Rows that are resampled at once, 25 MB; how many doesn't change the figures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Separation:
    """One score on the same rows with their own response (matched) and with another row's (shuffled)."""

    pairs: int
    auc: float
    """Chance that a matched pair scores lower than a shuffled one, ties counted half; 0.5 is blind."""
    auc_low: float
    auc_high: float
    """Between these lies the chance in 95 % of such samples."""
    below_one_matched: float
    below_one_shuffled: float
    """Shares below 1; a student whose 1 means something has few of the shuffled there."""
    threshold: float
    """Below it lie at most 5 % of the shuffled pairs."""
    below_threshold_matched: float
    """And this share of the matched ones."""


def separation(matched: Sequence[float], shuffled: Sequence[float], *, seed: int = 0) -> Separation:
    """Compare the values of the same rows, in the same order.

    The area under the ROC curve is Mann and Whitney's U over all couples; its interval comes from a bootstrap of rows,
    since both values of a row share its instruction. Raises: ValueError: no values, or not as many of each.
    """
    if not matched or len(matched) != len(shuffled):
        raise ValueError(f"{len(matched)} matched and {len(shuffled)} shuffled values; as many of each are wanted")
    auc = float(_auc(matched, shuffled))
    low, high = _interval(matched, shuffled, auc, seed)
    threshold = sorted(shuffled)[int(FALSE_SHARE * len(shuffled))]
    return Separation(
        pairs=len(matched),
        auc=auc,
        auc_low=low,
        auc_high=high,
        below_one_matched=_share_below(matched, 1),
        below_one_shuffled=_share_below(shuffled, 1),
        threshold=threshold,
        below_threshold_matched=_share_below(matched, threshold),
    )


def _auc(matched: Any, shuffled: Any, axis: int = -1) -> Any:
    import numpy as np  # noqa: PLC0415  # heavy, as is scipy, and only calibration counts with them
    from scipy import stats  # noqa: PLC0415

    matched, shuffled = np.asarray(matched), np.asarray(shuffled)
    # U counts the couples in which the first is higher, ties half; `asymptotic` because no p-value is wanted.
    u = cast("Any", stats).mannwhitneyu(shuffled, matched, axis=axis, method="asymptotic").statistic
    return u / (matched.shape[axis] * shuffled.shape[axis])


def _interval(matched: Sequence[float], shuffled: Sequence[float], auc: float, seed: int) -> tuple[float, float]:
    tail = (1 - CONFIDENCE) / 2
    # No resample of a clean separation shows a mistake; then it is as with n heads of n tosses (Clopper, Pearson).
    if auc in (0, 1):
        unseen = 1 - tail ** (1 / len(matched))
        return (1 - unseen, 1.0) if auc else (0.0, unseen)
    import numpy as np  # noqa: PLC0415
    from scipy import stats  # noqa: PLC0415

    found = (
        cast("Any", stats)
        .bootstrap(
            (np.asarray(matched), np.asarray(shuffled)),
            _auc,
            paired=True,
            vectorized=True,
            confidence_level=CONFIDENCE,
            n_resamples=_RESAMPLES,
            batch=max(1, _DRAWN // len(matched)),
            method="percentile",
            rng=seed,
        )
        .confidence_interval
    )
    return float(found.low), float(found.high)


def _share_below(values: Sequence[float], bound: float) -> float:
    return sum(value < bound for value in values) / len(values)
