"""What both selections do with the student's scores and with the pair they settle on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from preflect.schemas import Instruction, Response, Sample, Selection, StudentScore
from preflect.scoring import ScoreMetric


def of_metric(scores: Iterable[StudentScore], metric: ScoreMetric) -> StudentScore:
    """The score of this metric. Raises: KeyError."""
    by_metric: dict[str, StudentScore] = {score.metric: score for score in scores}
    return by_metric[metric]


def shown(score: StudentScore) -> str:
    """The value for a person to read, or why there is none."""
    return f"{score.value:.4f}" if score.value is not None else score.reason or "unscorable"


def with_new_scores(sample: Sample, *scores: StudentScore) -> Sample:
    """The sample with these scores; one that was computed anew, exactly, takes the place of the one before."""
    by_what = {_what(score): score for score in (*sample.scores, *scores)}
    return sample.evolve(scores=tuple(by_what.values()))


def _what(score: StudentScore) -> tuple[str, ...]:
    made_by = (score.student, score.revision, score.template, score.metric)
    return (*made_by, score.instruction_id, score.response_id)


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
