"""One answer, one grader, one score.

A grader that brings a library with it is imported when it grades: most runs have no use for it.
"""

from __future__ import annotations

from typing import Final

from preflect.grading.choice import grade_choice
from preflect.grading.number import grade_number
from preflect.grading.result import GradeResult, not_run
from preflect.grading.string import grade_string
from preflect.schemas import (
    ChoiceGrader,
    ConstraintsGrader,
    GraderSpec,
    JsonSchemaGrader,
    NumberGrader,
    RegexGrader,
    StringGrader,
)

MAX_ANSWER_CHARS: Final = 1_000_000


def grade(spec: GraderSpec, answer: str, reference: str | None = None) -> GradeResult:
    """Grade any text, in bounded time and always alike; a grader that can't run answers None and why, never 0.

    Args: reference is the instruction's own reference answer, which the grader's own outranks.
    """
    if len(answer) > MAX_ANSWER_CHARS:
        return not_run(f"the answer has {len(answer)} characters; graders read {MAX_ANSWER_CHARS} at most")
    return _run(spec, answer, reference_of(spec, reference))


def _run(spec: GraderSpec, answer: str, expected: str | None) -> GradeResult:
    match spec:
        case StringGrader():
            return grade_string(spec, answer, expected)
        case ChoiceGrader():
            return grade_choice(spec, answer, expected)
        case NumberGrader():
            return grade_number(spec, answer, expected)
        case RegexGrader():
            from preflect.grading.regex import grade_regex  # noqa: PLC0415  # `regex`

            return grade_regex(spec, answer)
        case JsonSchemaGrader():
            from preflect.grading.json_answer import grade_json  # noqa: PLC0415  # `jsonschema`

            return grade_json(spec, answer, expected)
        case ConstraintsGrader():
            from preflect.grading.checklist import grade_constraints  # noqa: PLC0415  # `regex`

            return grade_constraints(spec, answer)


def reference_of(spec: GraderSpec, reference: str | None) -> str | None:
    """The reference that counts: the grader's own, else the instruction's."""
    match spec:
        case StringGrader() | ChoiceGrader() | NumberGrader() | JsonSchemaGrader():
            return spec.reference if spec.reference is not None else reference
        case RegexGrader() | ConstraintsGrader():
            return reference
