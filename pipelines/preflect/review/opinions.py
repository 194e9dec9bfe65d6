"""What judge and grader make of two responses: what people's decisions are set against."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from typing import Final, Literal

from preflect.schemas import Sample

Couple = tuple[str, str]
TIE: Final = "tie"
BOTH_BAD: Final = "both_bad"


def judge_says(sample: Sample, couple: Couple) -> str | None:
    """The id of the response that the judge prefers, `tie`, or None where it was not asked.

    Its verdicts go before its ratings, as when pairs are chosen; comparisons count where neither is there.
    """
    said = _by_verdicts(sample, couple, "judge")
    if said is None and (margin := judge_margin(sample, couple)) is not None:
        said = _of_difference(couple, margin)
    if said is None and (flips := comparisons_of(sample, couple)):
        said = _of_difference(couple, sum(sum(votes) for votes in flips.values()))
    return said


def grader_says(sample: Sample, couple: Couple) -> str | None:
    """The id of the response that a grader puts above the other, `tie`, or None where it did not grade both."""
    grades = sample.grade_scores
    if said := _by_verdicts(sample, couple, "grader"):
        return said
    if not {*couple} <= grades.keys():
        return None
    return _of_difference(couple, grades[couple[0]] - grades[couple[1]])


def known_better(sample: Sample, couple: Couple) -> str | None:
    """The response that a grader passed in full where it found fault with the other: the answer of a gold sample."""
    grades = sample.grade_scores
    right = [response_id for response_id in couple if grades.get(response_id, 0.0) >= 1.0]
    return right[0] if len(right) == 1 and {*couple} <= grades.keys() else None


def judge_margins(sample: Sample, couple: Couple) -> dict[str, float]:
    """By judge, how many points it rates the first above the second, on average over what it rated of both."""
    scores: dict[str, dict[str, dict[str, list[int]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for rating in sample.ratings:
        scores[rating.judge][rating.aspect][rating.response_id].append(rating.score)
    margins: dict[str, float] = {}
    for judge, aspects in scores.items():
        differences = [_mean(r[couple[0]]) - _mean(r[couple[1]]) for r in aspects.values() if {*couple} <= r.keys()]
        if differences:
            margins[judge] = float(sum(differences, Fraction(0)) / len(differences))
    return margins


def judge_margin(sample: Sample, couple: Couple) -> float | None:
    """The mean of `judge_margins`; None where no judge rated both."""
    margins = judge_margins(sample, couple).values()
    return sum(margins) / len(margins) if margins else None


def comparisons_of(sample: Sample, couple: Couple) -> dict[str, list[int]]:
    """By judge, each of its comparisons of the two, in either order: 1 for the first of the couple, -1 or 0."""
    votes: dict[str, list[int]] = defaultdict(list)
    for said in sample.comparisons:
        if {said.first_id, said.second_id} == {*couple}:
            sign = {"first": 1, "second": -1, "tie": 0}[said.preferred]
            votes[said.judge].append(sign if said.first_id == couple[0] else -sign)
    return dict(votes)


def _by_verdicts(sample: Sample, couple: Couple, source: Literal["judge", "grader"]) -> str | None:
    found = [v for v in sample.verdicts if v.source == source and {v.better_id, v.worse_id} == {*couple}]
    if not found:
        return None
    votes = [0 if verdict.tie else 1 if verdict.better_id == couple[0] else -1 for verdict in found]
    return _of_difference(couple, sum(votes))


def _of_difference(couple: Couple, difference: float) -> str:
    # Shares such as 2/3 - 1/3 are floats: what differs by less than this is equal.
    if abs(difference) < 1e-9:  # noqa: PLR2004
        return TIE
    return couple[0] if difference > 0 else couple[1]


def _mean(scores: list[int]) -> Fraction:
    return Fraction(sum(scores), len(scores))
