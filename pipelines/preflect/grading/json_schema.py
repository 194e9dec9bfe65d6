"""JSON schemas that touch no network and stop in time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, cast

from jsonschema import Draft202012Validator, ValidationError, validators
from jsonschema.exceptions import SchemaError
from jsonschema.protocols import Validator
from pydantic import JsonValue
from referencing import Registry
from referencing.exceptions import Unresolvable

from preflect.grading.pattern import PatternError, compile_pattern, find
from preflect.grading.result import shorten


class SchemaProblemError(Exception):
    """The schema itself can't be used; the message says why."""


def accepts(schema: Mapping[str, JsonValue], document: JsonValue) -> str | None:
    """What is wrong with the document, None if it fits the schema. Raises: SchemaProblemError, RecursionError."""
    try:
        error = next(iter(_validator(json.dumps(schema, sort_keys=True)).iter_errors(document)), None)
    except PatternError as problem:
        raise SchemaProblemError(f"schema: {problem}") from problem
    except Unresolvable as problem:
        raise SchemaProblemError(f"schema: reference {problem.ref!r} does not lead anywhere in it") from problem
    return None if error is None else f"{error.json_path}: {shorten(error.message)}"


def schema_problem(schema: Mapping[str, JsonValue]) -> str | None:
    """What is wrong with a schema, patterns included; None if nothing is."""
    try:
        _validator(json.dumps(schema, sort_keys=True))
        for pattern in _patterns(dict(schema)):
            compile_pattern(pattern)
    except (SchemaProblemError, PatternError) as problem:
        return str(problem)
    return None


def _patterns(node: JsonValue) -> Iterator[str]:
    if isinstance(node, dict):
        pattern, by_pattern = node.get("pattern"), node.get("patternProperties")
        yield from [pattern] if isinstance(pattern, str) else []
        yield from by_pattern if isinstance(by_pattern, dict) else []
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _patterns(child)


@lru_cache(maxsize=256)
def _validator(schema_text: str) -> Validator:
    schema: dict[str, Any] = json.loads(schema_text)
    dialect = schema.get("$schema", "")
    if not isinstance(dialect, str):
        raise SchemaProblemError(f"schema: $schema must be a string, not {shorten(repr(dialect))}")
    cls = validators.validator_for(schema, default=Draft202012Validator)
    try:
        cls.check_schema(schema)
    except SchemaError as error:
        raise SchemaProblemError(f"schema: {error.json_path}: {shorten(error.message)}") from error
    # An empty registry: the library's own default would fetch remote references.
    timed = cast("type[Validator]", validators.extend(cls, _TIMED))  # pyright: ignore[reportUnknownMemberType]
    return timed(schema, registry=Registry[Any]())


def _pattern(_: Validator, pattern: str, document: object, __: object) -> Iterator[ValidationError]:
    if isinstance(document, str) and not find(pattern, document):
        yield ValidationError(f"{shorten(document)!r} does not match {pattern!r}")


def _pattern_properties(
    validator: Any, schemas: dict[str, Any], document: object, _: object
) -> Iterator[ValidationError]:
    for key, value in _members(document).items():
        for pattern, schema in schemas.items():
            if find(pattern, key):
                yield from validator.descend(value, schema, path=key, schema_path=pattern)


def _additional_properties(validator: Any, schema: object, document: object, parent: Any) -> Iterator[ValidationError]:
    patterns: list[str] = list(parent.get("patternProperties", ()))
    known = parent.get("properties", ())
    for key, value in _members(document).items():
        if key in known or any(find(pattern, key) for pattern in patterns):
            continue
        if schema is False:
            yield ValidationError(f"additional property {shorten(key)!r} is not allowed")
        elif isinstance(schema, dict):
            yield from validator.descend(value, schema, path=key)


def _members(document: object) -> dict[str, Any]:
    return cast("dict[str, Any]", document) if isinstance(document, dict) else {}


_TIMED: Final = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
}
