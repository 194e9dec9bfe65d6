"""A recipe's faults in words: what is wrong, what was got, what would be right."""

from __future__ import annotations

import json
from typing import Any, Final, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from preflect.recipes.anatomy import Spot, find, tags_at
from preflect.recipes.locate import KeyPath, Source
from preflect.recipes.nearest import did_you_mean, listed

_WANTED: Final = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a mapping of keys",
    "model_type": "a mapping of keys",
    "too_short": "a list of at least {min_length}",
    "greater_than": "greater than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "less than {lt:g}",
    "less_than_equal": "at most {le:g}",
    "string_pattern_mismatch": "text that matches {pattern}",
    "literal_error": "{expected}",
}
_SHOWN_CHARS: Final = 60


def explain(error: ValidationError, source: Source) -> str:
    """One line for each fault, `file:line: …`, in the order of the file."""
    found = [(find(e["loc"]), e) for e in error.errors(include_url=False)]
    said = [(_where(spot, e), _say(spot, e, source)) for spot, e in found if _tells(spot, e)]
    said.sort(key=lambda fault: source.line(fault[0]))
    return "\n".join(f"{source.place(path)}: {text}" for path, text in said)


def _where(spot: Spot, error: ErrorDetails) -> KeyPath:
    """The path whose line the message names: for a wrong tag, the tag's own."""
    if error["type"] == "union_tag_invalid":
        return (*spot.path, _tag_key(error))
    return spot.path


def _tag_key(error: ErrorDetails) -> str:
    return str(error.get("ctx", {})["discriminator"]).strip("'")


def _tells(spot: Spot, error: ErrorDetails) -> bool:
    """Whether the fault is more than the echo of another one."""
    if spot.branch == "plain":
        # `columns: {id: 5}` fails both as text and as a mapping; the line about text covers both.
        return not isinstance(error["input"], dict)
    if error["type"] == "model_type" and spot.branch == "mapping":
        return False
    # A list whose entries are wrong counts as empty after validation.
    return error["type"] != "too_short" or not cast("list[Any]", error["input"])


def _say(spot: Spot, error: ErrorDetails, source: Source) -> str:
    match error["type"]:
        case "extra_forbidden":
            return _unknown_key(spot, spot.path, source)
        case "literal_error" if error["loc"][-1] == "[key]":
            return _unknown_key(spot, spot.path, source)
        case "missing":
            return f"{_holder(spot.path, source)} lacks '{spot.path[-1]}'; add `{spot.path[-1]}: …`"
        case "union_tag_invalid" | "union_tag_not_found":
            return _unknown_tag(error, spot.path)
        case "value_error":
            return f"{_holder((*spot.path, ''), source)}: {error['msg'].removeprefix('Value error, ')}"
        case kind:
            wanted = _WANTED.get(kind, "").format(**error.get("ctx", {})) or error["msg"]
            return f"{_subject(spot.path, source)} must be {wanted}, got {_got(error, wanted)}"


def _unknown_key(spot: Spot, path: KeyPath, source: Source) -> str:
    known = spot.known_keys()
    hint = did_you_mean(path[-1], known) or f"; the keys there are {listed(known)}"
    return f"unknown key '{path[-1]}' in {_holder(path, source)}{hint}"


def _unknown_tag(error: ErrorDetails, path: KeyPath) -> str:
    """A stage, model or grader of no known sort."""
    tag, known = _tag_key(error), tags_at(error["loc"])
    if error["type"] == "union_tag_not_found":
        return f"'{'.'.join(path)}' lacks '{tag}'; add `{tag}: …`, one of {listed(known)}"
    word = str(error.get("ctx", {})["tag"])
    return f"unknown {tag} '{word}'; known are {listed(known)}{did_you_mean(word, known)}"


def _holder(path: KeyPath, source: Source) -> str:
    """What holds the last key of `path`, in the reader's words."""
    return _noun(path[:-1], source) or (f"'{'.'.join(path[:-1])}'" if path[:-1] else "the recipe")


def _noun(path: KeyPath, source: Source) -> str | None:
    match path:
        case ("stages", number):
            entries = cast("list[dict[str, Any]]", source.values["stages"])
            return f"stage '{entries[int(number)].get('stage')}'"
        case ("models", name):
            return f"model '{name}'"
        case _:
            return None


def _subject(path: KeyPath, source: Source) -> str:
    for depth in range(2, len(path)):
        if noun := _noun(path[:depth], source):
            return f"'{'.'.join(path[depth:])}' of {noun}"
    return f"'{'.'.join(path)}'"


def _got(error: ErrorDetails, wanted: str) -> str:
    value: Any = error["input"]
    shown = json.dumps(value, ensure_ascii=False)
    if len(shown) > _SHOWN_CHARS:
        shown = f"{shown[:_SHOWN_CHARS]}…"
    match error["type"], value:
        case _, None:
            return f"{shown}; leave the key out for the default"
        case "literal_error", str():
            return shown + did_you_mean(value, wanted.split("'")[1::2])
        case "string_type", bool() | int() | float():
            return f"{shown}; put it in quotes"
        case "tuple_type", str():
            return f"{shown}; write [{value}]"
        case _:
            return shown
