"""Why a sample is worth a person's time: each signal is one function, and one line in the table.

A signal gives a number that grows with the doubt, or None where it has nothing to say. Numbers of different signals are
never compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import log
from typing import Final, TypeAlias

from preflect.review.opinions import TIE, comparisons_of, grader_says, judge_margin, judge_margins, judge_says
from preflect.schemas import Sample
from preflect.schemas.stages import Signal

SignalOf: TypeAlias = Callable[[Sample, tuple[str, ...]], float | None]


def small_margin(sample: Sample, ids: tuple[str, ...]) -> float | None:
    """How close the judge's ratings of the two are: minus the difference in points."""
    margin = judge_margin(sample, (ids[0], ids[1])) if len(ids) == 2 else None  # noqa: PLR2004
    return None if margin is None else -abs(margin)


def judge_vs_grader(sample: Sample, ids: tuple[str, ...]) -> float | None:
    """By how many points the judge prefers the response that a grader finds worse."""
    if len(ids) != 2:  # noqa: PLR2004
        return None
    couple = (ids[0], ids[1])
    said = {judge_says(sample, couple), grader_says(sample, couple)}
    if len(said) == 1 or said & {None, TIE}:
        return None
    return abs(judge_margin(sample, couple) or 0.0)


def judges_disagree(sample: Sample, ids: tuple[str, ...]) -> float | None:
    """Range of the judges' differences in points, where one prefers the first and another the second."""
    if len(ids) != 2:  # noqa: PLR2004
        return None
    margins = judge_margins(sample, (ids[0], ids[1])).values()
    return max(margins) - min(margins) if margins and min(margins) < 0 < max(margins) else None


def order_flip(sample: Sample, ids: tuple[str, ...]) -> float | None:
    """Judges who prefer the one response in one order and the other in the other."""
    if len(ids) != 2:  # noqa: PLR2004
        return None
    votes = comparisons_of(sample, (ids[0], ids[1])).values()
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
