"""What both selections do with the student's scores and with the pair they settle on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import gt, lt
from typing import Literal

from preflect.ports import Student
from preflect.schemas import Instruction, Response, Sample, Selection, StudentScore
from preflect.scoring import ScoreMetric, score_pairs
from preflect.scoring.records import Direction
from preflect.scoring.voting import Answer


async def is_rewrite_better(
    student: Student,
    pairs: Sequence[tuple[Instruction, Response]],
    direction: Direction,
    metric: ScoreMetric,
    *,
    before: str,
    known: Iterable[StudentScore],
) -> Answer:
    """Whether the second pair has the higher score forward, the lower one in reverse; `before` is what the first is."""
    old, new = await score_pairs(student, pairs, direction, metric, known=known)
    was, now = of_metric(old, metric), of_metric(new, metric)
    better = gt if direction == "forward" else lt
    # Without both numbers there is nothing to compare, and what was there before is the safe choice.
    yes = was.value is not None and now.value is not None and better(now.value, was.value)
    return Answer(yes, f"{metric} of rewrite {shown(now)}, of {before} {shown(was)}", (*old, *new))


def of_metric(scores: Iterable[StudentScore], metric: ScoreMetric) -> StudentScore:
    """The score of this metric. Raises: KeyError."""
    by_metric: dict[str, StudentScore] = {score.metric: score for score in scores}
    return by_metric[metric]


def shown(score: StudentScore) -> str:
    """The value for a person to read, or why there is none."""
    return f"{score.value:.4f}" if score.value is not None else score.reason or "unscorable"


def selected(
    sample: Sample,
    stage: Literal["select_instruction", "select_response"],
    instruction: Instruction,
    response: Response,
    *,
    won: bool,
    reason: str,
) -> Sample:
    """The sample with this pair as the one that goes on."""
    selection = Selection(
        stage=stage, instruction_id=instruction.id, response_id=response.id, rewrite_won=won, reason=reason
    )
    return sample.evolve(selections=(*sample.selections, selection))
