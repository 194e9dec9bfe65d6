"""What reviews come to: how far people agree with each other, with the judge and with graders, and how each works."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import pairwise
from statistics import median
from typing import Final, Literal

from preflect.review.accuracy import Opinions, accuracy_as_reviewed, better_of, judge_accuracy
from preflect.review.answered import Answered
from preflect.review.form import PROBLEMS
from preflect.review.opinions import BOTH_BAD, TIE
from preflect.schemas import Estimate, QuestionFigures, Review, ReviewerFigures, ReviewReport
from preflect.scoring.intervals import estimated, share
from preflect.scoring.raters import cohens_kappa, krippendorffs_alpha

_BREAK_S: Final = 600.0
_LEVELS: Final[Mapping[str, Literal["nominal", "ordinal"]]] = {
    "better": "nominal",
    "correct": "nominal",
    "rating": "ordinal",
    "problems": "nominal",
}

Values = dict[str, str | int]
"""What each reviewer said of one thing."""


def report_of(
    answered: Answered,
    *,
    judge: Opinions,
    grader: Opinions,
    lengths: Mapping[str, int],
    name: str,
    simulated: bool,
    seed: int,
) -> ReviewReport:
    """All the figures, each with its interval.

    Args: judge and grader are what they say of each reviewed sample; lengths are of the responses, in characters.
    """
    decisions = {sample_id: answered.decision(sample_id) for sample_id in answered.reviewed}
    kappa_of = partial(_kappa, seed=seed)
    people = {s: better_of(answered, answered.tasks["review", s]) for s in answered.reviewed if not answered.is_gold(s)}
    reviewers = sorted({answer.reviewer for s in answered.reviewed for answer in answered.answers(s)})
    return ReviewReport(
        name=name,
        simulated=simulated,
        kind=answered.options.kind,
        pushed=answered.size(),
        reviewed=len(decisions),
        decided=answered.decided(),
        conflicts=sum(decision is None and bool(answered.votes(s)) for s, decision in decisions.items()),
        ties=sum(decision is not None and decision.value == TIE for decision in decisions.values()),
        parts=dict(
            sorted(Counter(task.part for (desk, _), task in answered.tasks.items() if desk == "review").items())
        ),
        questions=tuple(_questions(answered, seed)),
        reviewers=tuple(_reviewer(answered, who, judge, lengths, seed) for who in reviewers),
        judge_accuracy=judge_accuracy(answered, judge),
        judge_accuracy_reviewed=accuracy_as_reviewed(answered, judge),
        human_judge=kappa_of(_side_by_side(answered, people, judge)),
        human_grader=kappa_of(_side_by_side(answered, people, grader)),
        judge_grader=kappa_of(_side_by_side(answered, judge, grader)),
    )


def _questions(answered: Answered, seed: int) -> Iterator[QuestionFigures]:
    for question, level in _LEVELS.items():
        samples = [units for sample_id in answered.reviewed if (units := _units(answered, sample_id, question))]
        units = [unit for units in samples for unit in units]
        if not units:
            continue
        reviewers = sorted({who for unit in units for who in unit})
        yield QuestionFigures(
            question=question,
            # One answer about problems says of each whether it is there.
            answers=sum(map(len, units)) // (len(PROBLEMS) if question == "problems" else 1),
            alpha=estimated(
                [[[*unit.values()] for unit in units] for units in samples],
                partial(krippendorffs_alpha, level=level),
                seed=seed,
            ),
            kappa=estimated([*_couples(samples, reviewers)], cohens_kappa, seed=seed),
        )


def _couples(
    samples: Sequence[Sequence[Values]], reviewers: Sequence[str]
) -> Iterator[list[tuple[str | int, str | int]]]:
    """By sample, what two people say of what both have rated; nothing where others answered as well."""
    if len(reviewers) != 2:  # noqa: PLR2004
        return
    one, other = reviewers
    for units in samples:
        if couples := [(unit[one], unit[other]) for unit in units if {one, other} <= unit.keys()]:
            yield couples


def _units(answered: Answered, sample_id: str, question: str) -> list[Values]:
    """Of each thing rated what each reviewer said; of problems, whether each one is there, by response and problem."""
    reviews = [review for review in answered.reviews(sample_id) if not review.expert]
    if question == "problems":
        return _problems(answered.tasks["review", sample_id].response_ids, reviews)
    units: dict[tuple[str, ...], Values] = defaultdict(dict)
    for review in reviews:
        if review.question == question and isinstance(review.value, str | int):
            about = review.response_ids if question == "rating" else ()
            # By place: an id is another word in every sample.
            value = _place(answered, sample_id, review.value) if question == "better" else review.value
            units[about][review.reviewer] = value
    return [*units.values()]


def _problems(response_ids: Sequence[str], reviews: Sequence[Review]) -> list[Values]:
    """Who ticks no problem says that there is none; where nobody ticks any, nothing is known of the question."""
    ticked = {(r.reviewer, r.response_ids[0]): r.value for r in reviews if r.question == "problems"}
    reviewers = sorted({review.reviewer for review in reviews})
    if not ticked:
        return []
    return [
        {who: int(isinstance(found := ticked.get((who, response_id)), list) and problem in found) for who in reviewers}
        for response_id in response_ids
        for problem in PROBLEMS
    ]


def _reviewer(answered: Answered, who: str, judge: Opinions, lengths: Mapping[str, int], seed: int) -> ReviewerFigures:
    said = {s: v.value for s in answered.reviewed for v in answered.votes(s) if v.reviewer == who}
    preferred = {s: value for s, value in said.items() if value in answered.tasks["review", s].response_ids}
    shown = {s: answered.tasks["review", s].response_ids for s in preferred}
    longer = [
        lengths[value] == max(lengths[i] for i in shown[s])
        for s, value in preferred.items()
        if len({lengths[i] for i in shown[s]}) > 1
    ]
    return ReviewerFigures(
        reviewer=who,
        answers=sum(answer.reviewer == who for s in answered.reviewed for answer in answered.answers(s)),
        gold=share(answered.on_gold.get(who, ())),
        with_others=_kappa(_side_by_side(answered, said, _others(answered, who)), seed=seed),
        with_judge=_kappa(_side_by_side(answered, said, judge), seed=seed),
        first=share([value == shown[s][0] for s, value in preferred.items()]),
        longer=share(longer),
        seconds=_seconds(
            sorted(a.submitted_at for s in answered.reviewed for a in answered.answers(s) if a.reviewer == who)
        ),
    )


def _others(answered: Answered, who: str) -> dict[str, str | None]:
    """By sample, what most of the others say."""
    found: dict[str, str | None] = {}
    for sample_id in answered.reviewed:
        votes = Counter(vote.value for vote in answered.votes(sample_id) if vote.reviewer != who)
        most = [value for value, times in votes.items() if times == max(votes.values())]
        found[sample_id] = most[0] if len(most) == 1 else None
    return found


def _kappa(couples: Sequence[tuple[str, str]], *, seed: int) -> Estimate:
    """Of what two say of the same samples."""
    return estimated([[couple] for couple in couples], cohens_kappa, seed=seed)


def _side_by_side(
    answered: Answered, one: Mapping[str, str | None], other: Mapping[str, str | None]
) -> list[tuple[str, str]]:
    """What two say of the same samples, by place and not by id: `first`, `second`, `tie`; both bad is a tie."""
    return [
        (_as_said(answered, sample_id, mine), _as_said(answered, sample_id, theirs))
        for sample_id, mine in one.items()
        if mine is not None and (theirs := other.get(sample_id)) is not None
    ]


def _as_said(answered: Answered, sample_id: str, value: str) -> str:
    return _place(answered, sample_id, TIE if value == BOTH_BAD else value)


def _place(answered: Answered, sample_id: str, value: str | int) -> str:
    shown = answered.tasks["review", sample_id].response_ids
    return ("first", "second")[shown.index(value)] if value in shown else str(value)


def _seconds(times: Sequence[str]) -> float | None:
    """Median time between two answers, pauses left out; None where the tool does not say when."""
    known = [datetime.fromisoformat(time) for time in times if time]
    gaps = [(after - before).total_seconds() for before, after in pairwise(known)]
    return median(short) if (short := [gap for gap in gaps if gap <= _BREAK_S]) else None
