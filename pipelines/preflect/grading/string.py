"""Grades an answer as text."""

from __future__ import annotations

from preflect.grading.result import NO_REFERENCE, PASSED, GradeResult, failed, shorten
from preflect.grading.text import fold, phrase_pattern
from preflect.schemas import StringGrader


def grade_string(spec: StringGrader, answer: str, reference: str | None) -> GradeResult:
    """Compare after NFKC and white-space folding.

    `eq` and `ne` mind the case, as the same operations do in other graders' formats; `like` and `ilike` look for the
    reference as whole words, so that `5` is not found in `15`, nor `no` in `know`.
    """
    expected = fold(reference or "")
    if not expected:
        return NO_REFERENCE
    got = fold(answer)
    if spec.operation in {"like", "ilike"}:
        pattern = phrase_pattern(expected, ignore_case=spec.operation == "ilike")
        return PASSED if pattern.search(got) else failed(f"{shorten(expected)!r} does not occur")
    if spec.operation == "eq":
        return PASSED if got == expected else failed(f"expected {shorten(expected)!r}, got {shorten(got)!r}")
    return PASSED if got and got != expected else failed(f"must differ from {shorten(expected)!r}")
