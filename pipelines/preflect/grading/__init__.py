"""Graders of one answer: right, wrong, or the reason why it can't be told."""

from preflect.grading.grade import MAX_ANSWER_CHARS, grade
from preflect.grading.refusal import is_refusal
from preflect.grading.result import GradeResult
from preflect.grading.self_test import self_test
from preflect.grading.text import is_blank, same_text
from preflect.grading.validate import validate_grader

__all__ = [
    "MAX_ANSWER_CHARS",
    "GradeResult",
    "grade",
    "is_blank",
    "is_refusal",
    "same_text",
    "self_test",
    "validate_grader",
]
