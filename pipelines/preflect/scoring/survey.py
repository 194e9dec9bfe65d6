"""A share of all samples, estimated from a queue that was chosen for its doubtful ones.

Of the reviewed samples as they are, a judge looks worse than it is: they were picked because it might be wrong. So each
stratum of the queue stands for as many samples as it was chosen from: what was picked stands for itself, the random
part for everything that was left. The estimate is the ratio of the weighted counts (Horvitz and Thompson 1952; Hájek
1971):

    sum_h (N_h / n_h) · right_h  /  sum_h (N_h / n_h) · counted_h

with N_h the samples of the stratum, n_h those of them that people reviewed, counted_h those that can be right or wrong
at all (a tie can't), right_h those that are right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from preflect.schemas import Estimate
from preflect.scoring.intervals import weighted_share

FEWEST: Final = 5
"""Reviewed samples that may stand for others."""


@dataclass(frozen=True, slots=True)
class Stratum:
    """Samples that stand for so many."""

    size: int
    reviewed: Sequence[bool | None]
    """Of each reviewed one whether it is right; None where that is no question."""


def estimated_share(strata: Sequence[Stratum]) -> Estimate:
    """The share, with its interval: each reviewed sample weighs as many as it stands for, as if drawn from many more.

    Returns: no value where a stratum stands for more samples than were reviewed of it and fewer than `FEWEST` were: so
    little says next to nothing of the rest.
    """
    n = sum(len(stratum.reviewed) for stratum in strata)
    blind = any(len(stratum.reviewed) < min(stratum.size, FEWEST) for stratum in strata)
    counted = [
        (stratum.size / len(stratum.reviewed), is_right)
        for stratum in strata
        for is_right in stratum.reviewed
        if is_right is not None
    ]
    return Estimate(value=None, n=n) if blind or not counted else weighted_share(counted, n=n)
