"""How often the judge is right by what people decided, estimated for all samples."""

from __future__ import annotations

from collections.abc import Mapping

from preflect.review.answered import Answered
from preflect.review.opinions import BOTH_BAD, TIE
from preflect.review.queue import GOLD, RANDOM
from preflect.schemas import Estimate, ReviewRound, ReviewTask
from preflect.scoring.intervals import share
from preflect.scoring.survey import FEWEST, Stratum, estimated_share

Opinions = Mapping[str, str | None]
"""By sample id, the response that somebody prefers, `tie`, or None."""


def judge_accuracy(answered: Answered, judge: Opinions) -> Estimate:
    """The share of pairs in their right order, corrected for the choice of the queue; a judge's tie is wrong.

    The random part of the last round of which enough is reviewed stands for every sample that was in no queue by then;
    all else that was chosen by then stands for itself.
    """
    return estimated_share(_strata(answered, judge))


def accuracy_as_reviewed(answered: Answered, judge: Opinions) -> Estimate:
    """The same share among the reviewed samples as they are."""
    judged = [right(answered, answered.tasks["review", s], judge) for s in answered.reviewed]
    return share([found for found in judged if found is not None])


def _strata(answered: Answered, judge: Opinions) -> list[Stratum]:
    rounds = [r for r in answered.queue.rounds if r.desk == "review"]
    if not rounds or answered.options.kind != "preference":
        return []
    last = max(range(len(rounds)), key=lambda n: (*_says_enough(answered, rounds[n]), n))
    by_lot, picked = _parts(rounds[last])
    chosen = [*(task for r in rounds[:last] for task in r.tasks), *picked]
    sizes = ((len(chosen), chosen), (rounds[last].population - len(picked), by_lot))
    return [
        Stratum(size, [right(answered, task, judge) for task in tasks if settled(answered, task)])
        for size, tasks in sizes
        if size
    ]


def _says_enough(answered: Answered, asked: ReviewRound) -> tuple[bool, bool]:
    """Whether enough of a round's random part is settled to stand for what was left, and whether any of it is.

    A round that people have only begun must not take the place of one before it that says enough.
    """
    by_lot, picked = _parts(asked)
    count = sum(settled(answered, task) for task in by_lot)
    return 0 < count >= min(FEWEST, asked.population - len(picked)), count > 0


def _parts(asked: ReviewRound) -> tuple[list[ReviewTask], list[ReviewTask]]:
    """What was drawn by lot, and what was picked."""
    by_lot = [task for task in asked.tasks if task.part == RANDOM]
    return by_lot, [task for task in asked.tasks if task.part != RANDOM]


def settled(answered: Answered, task: ReviewTask) -> bool:
    """Whether people decided about the sample; of a gold one its grader has, once it was looked at."""
    if task.part == GOLD:
        return bool(answered.answers(task.sample_id))
    return answered.decision(task.sample_id) is not None


def right(answered: Answered, task: ReviewTask, judge: Opinions) -> bool | None:
    """Whether the judge prefers the better response; None where neither is better, or the judge was not asked."""
    better, said = better_of(answered, task), judge.get(task.sample_id)
    return None if better in {None, TIE, BOTH_BAD} or said is None else said == better


def better_of(answered: Answered, task: ReviewTask) -> str | None:
    """What people decided, or of a gold sample what its grader knows."""
    if task.part == GOLD:
        return task.gold_id if answered.answers(task.sample_id) else None
    decision = answered.decision(task.sample_id)
    return None if decision is None else decision.value
