"""Grades an answer by a pattern."""

from __future__ import annotations

from preflect.grading.pattern import PatternError, find
from preflect.grading.result import PASSED, GradeResult, failed, not_run
from preflect.schemas import RegexGrader


def grade_regex(spec: RegexGrader, answer: str) -> GradeResult:
    """Search the answer, or match all of it but the white space around it; text is taken as it is, without folding."""
    try:
        found = find(spec.pattern, answer.strip(), full_match=spec.full_match, ignore_case=spec.ignore_case)
    except PatternError as error:
        return not_run(str(error))
    return PASSED if found else failed("the pattern is not matched" if spec.full_match else "the pattern is not found")
