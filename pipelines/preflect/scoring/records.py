"""From a student's likelihoods to the records that a sample carries."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final, Literal

from preflect.errors import UnscorableError
from preflect.ports import NllPair, ScoreQuery, Student
from preflect.schemas import Instruction, Response, StudentScore
from preflect.scoring.ifd import ifd_loss, ifd_ppl, r_ifd_ppl
from preflect.scoring.templates import conversation_text

Direction = Literal["forward", "reverse"]
ScoreMetric = Literal["ifd_ppl", "ifd_loss", "r_ifd_ppl"]

_METRICS: Final[Mapping[Direction, Mapping[ScoreMetric, Callable[[NllPair], float]]]] = {
    "forward": {"ifd_ppl": ifd_ppl, "ifd_loss": ifd_loss},
    "reverse": {"r_ifd_ppl": r_ifd_ppl},
}


def query_for(instruction: Instruction, response: Response, direction: Direction) -> ScoreQuery:
    """The question to a student about one pair; only the answer's own text counts, not the thinking before it."""
    return ScoreQuery(
        direction=direction,
        instruction=conversation_text(instruction.messages),
        input=instruction.input,
        response=response.text,
        messages=instruction.prompt if len(instruction.messages) > 1 else None,
    )


async def score_pair(
    student: Student,
    instruction: Instruction,
    response: Response,
    direction: Direction,
    *,
    known: Iterable[StudentScore] = (),
    threshold: float | None = None,
) -> tuple[StudentScore, ...]:
    """Every metric that one answer of the student gives: `ifd_ppl` and `ifd_loss` forward, `r_ifd_ppl` reversed.

    Where `known` has them all, made by this very student about this pair, the student is not asked again. Where one is
    so near to `threshold` that the student's noise could carry it across, they are computed exactly.
    """
    pair = _ScoredPair(student, instruction, response)
    found = {score.metric: score for score in known if pair.has_made(score)}
    metrics = _METRICS[direction]
    usual = tuple(found[m] for m in metrics) if metrics.keys() <= found.keys() else await pair.ask(direction)
    if threshold is not None and any(too_close(score.value, threshold, student) for score in usual):
        return await pair.ask(direction, exact=True)
    return usual


async def score_pairs(
    student: Student,
    pairs: Sequence[tuple[Instruction, Response]],
    direction: Direction,
    metric: ScoreMetric,
    *,
    known: Iterable[StudentScore] = (),
) -> list[tuple[StudentScore, ...]]:
    """The scores of pairs that are compared by `metric`: exact where the student's noise could swap two of them."""
    usual = await asyncio.gather(*(score_pair(student, *pair, direction, known=known) for pair in pairs))
    values = [next(score.value for score in scores if score.metric == metric) for scores in usual]
    if any(too_close(one, other, student) for one, other in combinations(values, 2)):
        return await asyncio.gather(*(_ScoredPair(student, *pair).ask(direction, exact=True) for pair in pairs))
    return usual


def too_close(value: float | None, other: float | None, student: Student) -> bool:
    """Whether the student's noise leaves open which of the two is higher."""
    return value is not None and other is not None and abs(value - other) < student.noise


@dataclass(frozen=True, slots=True)
class _ScoredPair:
    student: Student
    instruction: Instruction
    response: Response

    async def ask(self, direction: Direction, *, exact: bool = False) -> tuple[StudentScore, ...]:
        query = query_for(self.instruction, self.response, direction)
        nll = await self.student.score(replace(query, exact=exact))
        return tuple(self.record(metric, formula, nll) for metric, formula in _METRICS[direction].items())

    def has_made(self, score: StudentScore) -> bool:
        made_by = (self.student.name, self.student.revision, self.student.template)
        about = (self.instruction.id, self.response.id)
        return made_by == (score.student, score.revision, score.template) and about == (
            score.instruction_id,
            score.response_id,
        )

    def record(self, metric: ScoreMetric, formula: Callable[[NllPair], float], nll: NllPair) -> StudentScore:
        value, reason = _value_or_reason(formula, nll)
        return StudentScore(
            student=self.student.name,
            revision=self.student.revision,
            template=self.student.template,
            metric=metric,
            instruction_id=self.instruction.id,
            response_id=self.response.id,
            value=value,
            reason=reason,
            conditioned_tokens=nll.conditioned_tokens,
            unconditioned_tokens=nll.unconditioned_tokens,
        )


def _value_or_reason(formula: Callable[[NllPair], float], nll: NllPair) -> tuple[float | None, str | None]:
    try:
        return formula(nll), None
    except UnscorableError as error:
        return None, error.reason
