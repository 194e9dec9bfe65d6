"""How often the judge is right by what people decided, estimated for all samples."""

from __future__ import annotations

from collections.abc import Mapping

from preflect.review.answered import Answered
from preflect.review.opinions import BOTH_BAD, TIE
from preflect.review.queue import GOLD, RANDOM
from preflect.schemas import Estimate, ReviewTask
from preflect.scoring.intervals import estimated, share_of
from preflect.scoring.survey import Stratum, estimated_share

Opinions = Mapping[str, str | None]
"""By sample id, the response that somebody prefers, `tie`, or None."""


def judge_accuracy(answered: Answered, judge: Opinions, *, seed: int) -> Estimate:
    """The share of pairs in their right order, corrected for the choice of the queue; a judge's tie is wrong.

    The random part of the last round that has a reviewed one stands for every sample that was in no queue by then; all
    else that was chosen by then stands for itself.
    """
    return estimated_share(_strata(answered, judge), seed=seed)


def accuracy_as_reviewed(answered: Answered, judge: Opinions, *, seed: int) -> Estimate:
    """The same share among the reviewed samples as they are."""
    judged = [right(answered, answered.tasks["review", s], judge) for s in answered.reviewed]
    return estimated([found for found in judged if found is not None], share_of, seed=seed)


def _strata(answered: Answered, judge: Opinions) -> list[Stratum]:
    rounds = [r for r in answered.queue.rounds if r.desk == "review"]
    drawn = [n for n, r in enumerate(rounds) if any(t.part == RANDOM and settled(answered, t) for t in r.tasks)]
    last = drawn[-1] if drawn else len(rounds) - 1
    if last < 0 or answered.options.kind != "preference":
        return []
    by_lot = [task for task in rounds[last].tasks if task.part == RANDOM]
    picked = [task for task in rounds[last].tasks if task.part != RANDOM]
    chosen = [*(task for r in rounds[:last] for task in r.tasks), *picked]
    left = rounds[last].population - len(picked)
    sizes = ((len(chosen), chosen), (left, by_lot))
    return [
        Stratum(size, [right(answered, task, judge) for task in tasks if settled(answered, task)])
        for size, tasks in sizes
        if size
    ]


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
