"""Grades an answer by its final number."""

from __future__ import annotations

from decimal import Decimal

from preflect.grading.marked import marked_parts
from preflect.grading.notation import plain_notation
from preflect.grading.quantity import ARITHMETIC, Quantity, last_quantity, quantities, spelled_number
from preflect.grading.result import NO_REFERENCE, PASSED, GradeResult, failed, not_run, shorten
from preflect.schemas import NumberGrader


def grade_number(spec: NumberGrader, answer: str, reference: str | None) -> GradeResult:
    r"""Compare the final number, units and currencies left aside.

    The final number stands behind `####`, in `\boxed{}` or behind "answer is"; else it's the last in the text. Two
    numbers joined by "or" are no answer. A percentage equals its share (50 % and 0.5), a scale word its product.
    """
    if reference is None or not reference.strip():
        return NO_REFERENCE
    expected = reference_number(reference)
    if expected is None:
        return not_run(f"the reference is not one number: {shorten(reference)!r}")
    final = final_numbers(answer)
    if not final:
        return failed("no number in the answer")
    if not all(_equal(one, final[0], spec.tolerance) for one in final):
        return failed("ambiguous")
    if _equal(final[0], expected, spec.tolerance):
        return PASSED
    return failed(f"expected {expected.text}, got {final[0].text}")


def reference_number(reference: str) -> Quantity | None:
    """The one number that a reference names, marked or alone; None where there are several or none."""
    text = plain_notation(reference)
    final = _marked_numbers(text) or quantities(text) or spelled_number(text)
    return final[0] if len(final) == 1 else None


def final_numbers(answer: str) -> list[Quantity]:
    """The final number of an answer: none, one, or the alternatives it leaves open ("5 or 6")."""
    text = plain_notation(answer)
    return _marked_numbers(text) or last_quantity(text) or spelled_number(text)


def _marked_numbers(text: str) -> list[Quantity]:
    for part in marked_parts(text):
        behind_equals = quantities(part.rpartition("=")[2])
        found = behind_equals or quantities(part) or spelled_number(part)
        if found:
            return _alternatives(found)
    return []


def _alternatives(found: list[Quantity]) -> list[Quantity]:
    """The first quantity and those that "or" joins to it."""
    count = 1
    while count < len(found) and found[count].after_or:
        count += 1
    return found[:count]


def _equal(got: Quantity, expected: Quantity, tolerance: float) -> bool:
    return any(_close(one, other, tolerance) for one, other in got.readings(expected))


def _close(got: Decimal, expected: Decimal, tolerance: float) -> bool:
    allowed = ARITHMETIC.multiply(Decimal(tolerance), max(Decimal(1), expected.copy_abs()))
    return ARITHMETIC.subtract(got, expected).copy_abs() <= allowed
