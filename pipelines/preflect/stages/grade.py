"""Verifiable graders score each response whose instruction has one."""

from __future__ import annotations

from dataclasses import dataclass

from preflect import schemas
from preflect.grading import grade
from preflect.schemas import Response, Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """Grade every response that isn't graded yet; an instruction without a grader leaves its responses as they are."""

    name: str = "grade"

    async def run(self, sample: Sample) -> Sample:
        """The sample with a Grade more for each response that a grader could be asked about; never a rejection."""
        graded = {known.response_id for known in sample.grades}
        new = [_grade(sample, response) for response in sample.responses if response.id not in graded]
        return sample.evolve(grades=(*sample.grades, *(result for result in new if result is not None)))


def _grade(sample: Sample, response: Response) -> schemas.Grade | None:
    instruction = sample.checked(sample.instruction_of(response.instruction_id))
    if instruction is None or instruction.grader is None:
        return None
    result = grade(instruction.grader, response.text, instruction.reference_answer)
    return schemas.Grade(
        response_id=response.id, grader=instruction.grader.type, score=result.score, reason=result.reason
    )
