"""Whether a grader tells right from wrong on the answer that is known to be right."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from pydantic import JsonValue

from preflect.grading.documents import JsonTextError, read_json
from preflect.grading.grade import grade, reference_of
from preflect.grading.number import reference_number
from preflect.grading.result import shorten
from preflect.grading.validate import validate_grader
from preflect.schemas import (
    ChoiceGrader,
    ConstraintsGrader,
    GraderSpec,
    JsonSchemaGrader,
    NumberGrader,
    RegexGrader,
    StringGrader,
)

_NONSENSE: Final = "\u2603"


def self_test(spec: GraderSpec, reference: str | None) -> list[str]:
    """What the grader gets wrong, if anything: the reference must pass, answers changed from it must fail, in time."""
    problem = validate_grader(spec)
    if problem is not None:
        return [problem]
    expected = reference_of(spec, reference)
    if expected is None and isinstance(spec, StringGrader | ChoiceGrader | NumberGrader):
        return ["no reference answer"]
    right = _right_answers(spec, expected)
    wrong = _wrong_answers(spec, expected)
    return [*_unpassed(spec, right, reference), *_passed(spec, wrong, reference), *_slow(spec, expected, reference)]


def _unpassed(spec: GraderSpec, answers: Iterator[str], reference: str | None) -> Iterator[str]:
    for answer in answers:
        result = grade(spec, answer, reference)
        if result.score != 1.0:
            yield f"refuses the right answer {shorten(answer)!r}: {result.reason}"


def _passed(spec: GraderSpec, answers: Iterator[str], reference: str | None) -> Iterator[str]:
    for answer in answers:
        result = grade(spec, answer, reference)
        if result.score is None:
            yield f"can't grade {shorten(answer)!r}: {result.reason}"
        elif result.score == 1.0:
            yield f"accepts the wrong answer {shorten(answer)!r}"


def _slow(spec: GraderSpec, expected: str | None, reference: str | None) -> Iterator[str]:
    if not isinstance(spec, RegexGrader | JsonSchemaGrader):
        return
    # Only a pattern can be slow: long runs of what nearly matches make a bad one backtrack without end.
    for text in (expected or "a", "a", "0", " ", "a "):
        result = grade(spec, text[:100] * 400 + "\x00", reference)
        if result.score is None:
            yield f"can't grade a long answer: {result.reason}"
            return


def _right_answers(spec: GraderSpec, expected: str | None) -> Iterator[str]:
    if expected is None:
        return
    if isinstance(spec, StringGrader) and spec.operation == "ne":
        yield f"not {expected}"
    else:
        yield expected


def _wrong_answers(spec: GraderSpec, expected: str | None) -> Iterator[str]:
    yield ""
    match spec:
        case StringGrader():
            yield from _wrong_strings(spec, expected or "")
        case ChoiceGrader():
            yield from _wrong_choices(spec, expected or "")
        case NumberGrader():
            yield from _wrong_numbers(expected or "")
        case JsonSchemaGrader():
            yield from _wrong_documents(expected)
        case RegexGrader():
            yield _NONSENSE
        case ConstraintsGrader():
            return


def _wrong_strings(spec: StringGrader, expected: str) -> Iterator[str]:
    if spec.operation == "ne":
        yield expected
        return
    # A part of the reference must not do: that would be the comparison with its arguments swapped.
    yield expected[: len(expected) // 2]
    yield _NONSENSE
    yield f"x{expected}x"


def _wrong_choices(spec: ChoiceGrader, expected: str) -> Iterator[str]:
    yield _NONSENSE
    yield " or ".join(spec.choices)
    for choice in spec.choices:
        if grade(spec.evolve(reference=choice), expected).score != 1.0:
            yield choice


def _wrong_numbers(expected: str) -> Iterator[str]:
    yield _NONSENSE
    number = reference_number(expected)
    value = number.value if number else Decimal(0)
    step = 2 * max(Decimal(1), abs(value))
    for wrong in (value + step, value - step):
        yield f"{wrong:f}" if abs(wrong.adjusted()) < 30 else f"{wrong:e}"  # noqa: PLR2004 - to stay readable


def _wrong_documents(expected: str | None) -> Iterator[str]:
    yield _NONSENSE
    try:
        document = None if expected is None else read_json(expected)
    except JsonTextError:
        return
    if document is not None:
        changed: list[JsonValue] = [[document], {"document": document}, not document]
        yield from (json.dumps(other) for other in changed)
