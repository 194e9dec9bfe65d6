"""Grades an answer by the constraints it meets."""

from __future__ import annotations

from preflect.grading.constraints.table import ConstraintError, verifier_of
from preflect.grading.result import PASSED, GradeResult, failed, not_run
from preflect.schemas import ConstraintsGrader


def grade_constraints(spec: ConstraintsGrader, answer: str) -> GradeResult:
    """The share of the constraints met; the reason names the others. A blank answer meets none.

    One constraint that can't be verified leaves the whole answer ungraded: a share of the rest would be another scale.
    """
    try:
        verifiers = [verifier_of(constraint) for constraint in spec.constraints]
    except ConstraintError as error:
        return not_run(str(error))
    if not answer.strip():
        return failed("the answer is blank")
    missed = [
        constraint.id
        for constraint, verifier in zip(spec.constraints, verifiers, strict=True)
        if not verifier.met(answer)
    ]
    if not missed:
        return PASSED
    return GradeResult((len(verifiers) - len(missed)) / len(verifiers), f"missed: {', '.join(missed)}")
