"""Why a sample is worth a person's time: each signal is one function, and one line in the table.

A signal gives a number that grows with the doubt, or None where it has nothing to say. Numbers of different signals are
never compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from math import log
from typing import Final, TypeAlias

from preflect.review.opinions import TIE, Couple, comparisons_of, grader_says, judge_margin, judge_margins, judge_says
from preflect.schemas import Sample
from preflect.schemas.stages import Signal

SignalOf: TypeAlias = Callable[[Sample, tuple[str, ...]], float | None]


def _of_two(signal: Callable[[Sample, Couple], float | None]) -> SignalOf:
    """The signal where two responses are shown; of one, or of a reference answer, it has nothing to say."""

    @wraps(signal)
    def of_shown(sample: Sample, ids: tuple[str, ...]) -> float | None:
        return signal(sample, (ids[0], ids[1])) if len(ids) == 2 else None  # noqa: PLR2004

    return of_shown


@_of_two
def small_margin(sample: Sample, couple: Couple) -> float | None:
    """How close the judge's ratings of the two are: minus the difference in points."""
    margin = judge_margin(sample, couple)
    return None if margin is None else -abs(margin)


@_of_two
def judge_vs_grader(sample: Sample, couple: Couple) -> float | None:
    """By how many points the judge prefers the response that a grader finds worse."""
    said = {judge_says(sample, couple), grader_says(sample, couple)}
    if len(said) == 1 or said & {None, TIE}:
        return None
    return abs(judge_margin(sample, couple) or 0.0)


@_of_two
def judges_disagree(sample: Sample, couple: Couple) -> float | None:
    """Range of the judges' differences in points, where one prefers the first and another the second."""
    margins = judge_margins(sample, couple).values()
    return max(margins) - min(margins) if margins and min(margins) < 0 < max(margins) else None


@_of_two
def order_flip(sample: Sample, couple: Couple) -> float | None:
    """Judges who prefer the one response in one order and the other in the other."""
    votes = comparisons_of(sample, couple).values()
    return sum({1, -1} <= {*one} for one in votes) or None


def ifd_extreme(sample: Sample, ids: tuple[str, ...]) -> float | None:
    """How far a student's IFD of one of them is from 1, at which the instruction makes no difference: |ln IFD|."""
    found = [s.value for s in sample.scores if s.metric == "ifd_ppl" and s.response_id in ids and s.value]
    return max((abs(log(value)) for value in found), default=None)


SIGNALS: Final[Mapping[Signal, SignalOf]] = {
    "small_margin": small_margin,
    "judge_vs_grader": judge_vs_grader,
    "judges_disagree": judges_disagree,
    "order_flip": order_flip,
    "ifd_extreme": ifd_extreme,
}
