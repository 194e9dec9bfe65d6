"""What is wrong with a grader, before anything is graded by it; imports late what `grade` does."""

from __future__ import annotations

from preflect.grading.choice import read_choices
from preflect.grading.documents import JsonTextError, read_json
from preflect.grading.number import reference_number
from preflect.grading.result import shorten
from preflect.schemas import (
    ChoiceGrader,
    ConstraintsGrader,
    GraderSpec,
    JsonSchemaGrader,
    NumberGrader,
    RegexGrader,
    StringGrader,
)


def validate_grader(spec: GraderSpec) -> str | None:
    """What is wrong with the grader itself, None if nothing is; the instruction's own reference isn't looked at."""
    match spec:
        case StringGrader():
            return "reference is blank" if spec.reference is not None and not spec.reference.strip() else None
        case ChoiceGrader():
            return _choice_problem(spec)
        case NumberGrader():
            return _number_problem(spec)
        case RegexGrader():
            return _pattern_problem(spec)
        case JsonSchemaGrader():
            return _json_problem(spec)
        case ConstraintsGrader():
            return _constraints_problem(spec)


def _choice_problem(spec: ChoiceGrader) -> str | None:
    choices = read_choices(spec.choices)
    names = choices.texts or choices.labels
    if "" in names:
        return "a choice is blank"
    if len(set(names)) < len(names):
        return f"two choices are the same: {list(spec.choices)}"
    if spec.reference is not None and choices.index_of(spec.reference) is None:
        return f"reference {shorten(spec.reference)!r} is none of the choices {list(spec.choices)}"
    return None


def _number_problem(spec: NumberGrader) -> str | None:
    if spec.reference is not None and reference_number(spec.reference) is None:
        return f"reference {shorten(spec.reference)!r} is not one number"
    return None


def _pattern_problem(spec: RegexGrader) -> str | None:
    from preflect.grading.pattern import PatternError, compile_pattern  # noqa: PLC0415  # `regex`

    try:
        compile_pattern(spec.pattern, ignore_case=spec.ignore_case)
    except PatternError as error:
        return str(error)
    return None


def _json_problem(spec: JsonSchemaGrader) -> str | None:
    from preflect.grading.json_schema import schema_problem  # noqa: PLC0415  # `jsonschema`

    problem = schema_problem(spec.json_schema)
    try:
        if problem is None and spec.reference is not None:
            read_json(spec.reference)
    except JsonTextError as error:
        return f"reference is not JSON: {error}"
    return problem


def _constraints_problem(spec: ConstraintsGrader) -> str | None:
    from preflect.grading.constraints.table import ConstraintError, verifier_of  # noqa: PLC0415  # `regex`

    try:
        for constraint in spec.constraints:
            verifier_of(constraint)
    except ConstraintError as error:
        return str(error)
    return None
