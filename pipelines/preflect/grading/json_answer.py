"""Grades an answer by the JSON document in it."""

from __future__ import annotations

import json

from pydantic import JsonValue

from preflect.grading.documents import JsonTextError, documents_in, read_json
from preflect.grading.json_schema import SchemaProblemError, accepts
from preflect.grading.result import PASSED, GradeResult, failed, not_run, shorten
from preflect.schemas import JsonSchemaGrader


def grade_json(spec: JsonSchemaGrader, answer: str, reference: str | None) -> GradeResult:
    """Pass iff exactly one JSON document of the answer fits the schema, and equals the reference where there is one.

    Fenced blocks go before prose. Numbers compare by value (1 is 1.0), `true` is not 1, the order of keys is free.
    """
    try:
        expected = None if reference is None else [read_json(reference)]
    except JsonTextError as error:
        return not_run(f"the reference is not JSON: {error}")
    try:
        return _grade_documents(spec, documents_in(answer), expected)
    except SchemaProblemError as error:
        return not_run(str(error))
    except RecursionError:
        return not_run("schema or document is nested too deeply")


def _grade_documents(
    spec: JsonSchemaGrader, documents: list[JsonValue], expected: list[JsonValue] | None
) -> GradeResult:
    if not documents:
        return failed("no JSON document in the answer")
    problems = [accepts(spec.json_schema, document) for document in documents]
    fitting = [document for document, problem in zip(documents, problems, strict=True) if problem is None]
    if not fitting:
        return failed(problems[-1] or "")
    if len(fitting) > 1:
        return failed("ambiguous")
    if expected is not None and not same_value(fitting[0], expected[0]):
        return failed(f"got {shorten(json.dumps(fitting[0], ensure_ascii=False))}, which is not the reference")
    return PASSED


def same_value(first: JsonValue, second: JsonValue) -> bool:
    """Equality of JSON values, in which `true` and 1 differ."""
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(same_value(first[key], second[key]) for key in first)
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(same_value, first, second))
    return isinstance(first, bool) == isinstance(second, bool) and first == second
