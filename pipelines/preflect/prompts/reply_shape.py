"""Fits what a model wrote to the schema it was asked for, and says what is wrong with it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

import jsonschema_rs
import orjson

from preflect.prompts.placeholders import is_placeholder

if TYPE_CHECKING:
    from jsonschema import ValidationError

_NUMBER: Final = re.compile(
    r"[\s*\"'`]*(?:(?:score|rating)[\s*:=]*)?(-?\d+(?:\.\d+)?)"
    r"[\s*]*(?:(?:/|out of)\s*\d+)?[\s*]*(?:[.:,(\u2013-][\sA-Za-z,.)]*)?",
    re.IGNORECASE,
)


class _Validator(Protocol):
    """What is used of jsonschema's validator, whose own annotations are partial."""

    def iter_errors(self, instance: object) -> Iterator[ValidationError]: ...


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a reply, in words for the model that wrote it."""

    words: str
    placeholder: bool = False


def fit(value: Any, schema: Mapping[str, Any]) -> Any:
    """`value` with its keys and types made those of `schema` where the meaning is plain; all else is left as it is."""
    match schema.get("type"):
        case "object" if isinstance(value, dict):
            return _fit_object(cast("dict[str, Any]", value), schema)
        case "array" if isinstance(value, list):
            return [fit(item, schema["items"]) for item in cast("list[Any]", value)]
        case "integer" | "number":
            return _as_number(value)
        case "string":
            return _as_text(value)
        case _:
            return value


def find_faults(parts: Any, schema: Mapping[str, Any]) -> list[Fault]:
    """What keeps `parts` from being a reply: what the schema refuses, empty texts and placeholders."""
    refused = [] if _accepts(orjson.dumps(schema), parts) else _refused(parts, schema)
    unfilled: list[Fault] = []
    _find_unfilled(parts, schema, (), unfilled)
    return [*refused, *unfilled]


def _accepts(schema: bytes, parts: Any) -> bool:
    """Whether the schema has nothing against it: two microseconds for what jsonschema takes most of a millisecond."""
    try:
        return _compiled(schema).is_valid(parts)
    except ValueError:  # it holds what no JSON has; jsonschema has the words for it
        return False


@lru_cache(maxsize=128)
def _compiled(schema: bytes) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(schema.decode())


def _refused(parts: Any, schema: Mapping[str, Any]) -> list[Fault]:
    from jsonschema import Draft202012Validator  # noqa: PLC0415  # a tenth of a second, which good replies don't cost

    validator = cast("_Validator", Draft202012Validator(schema))
    errors = sorted(validator.iter_errors(parts), key=lambda error: [str(step) for step in error.absolute_path])
    return list(dict.fromkeys(Fault(words) for error in errors for words in _in_words(error)))


def _fit_object(value: dict[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    wanted: Mapping[str, Any] = schema["properties"]
    given = value if value.keys() == wanted.keys() else _renamed(value, wanted)
    return {name: fit(given[name], part) for name, part in wanted.items() if given.get(name) is not None}


def _renamed(value: dict[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    given = {_fold(key): part for key, part in value.items() if part is not None}
    return {name: given.get(_fold(name)) for name in wanted}


@lru_cache(maxsize=1024)
def _fold(key: str) -> str:
    return re.sub(r"[\s_-]+", "_", key.strip().casefold())


def _as_number(value: Any) -> Any:
    if isinstance(value, str) and (match := _NUMBER.fullmatch(value)):
        value = float(match[1])
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _as_text(value: Any) -> Any:
    if isinstance(value, str):
        return _as_unicode(value).strip()
    if isinstance(value, dict) and len(cast("dict[str, Any]", value)) == 1:
        return _as_text(next(iter(cast("dict[str, Any]", value).values())))
    if isinstance(value, list) and all(isinstance(item, str) for item in cast("list[Any]", value)):
        return "\n".join(cast("list[str]", value)).strip()
    # An answer that is itself a number or a JSON document, written without quotes.
    return value if value is None else json.dumps(value, ensure_ascii=False, default=str)


def _as_unicode(text: str) -> str:
    # Half of a \ud83d\ude00 escape is no character, and no file could hold it.
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _in_words(error: ValidationError) -> Iterator[str]:
    place = tuple(str(step) for step in error.absolute_path)
    if error.validator == "required":
        present = cast("dict[str, Any]", error.instance)
        missing = [name for name in cast("list[str]", error.validator_value) if name not in present]
        yield from (f"{_named(*place, name)} is missing" for name in missing)
    else:
        yield f"{_named(*place)}: {error.message}" if place else error.message


def _find_unfilled(value: Any, schema: Mapping[str, Any], place: tuple[str, ...], found: list[Fault]) -> None:
    if isinstance(value, str):
        if not value:
            found.append(Fault(f"{_named(*place)} is empty"))
        elif is_placeholder(value) or value.strip("() ") == schema.get("description"):
            found.append(Fault(f"{_named(*place)} is a placeholder, {value[:60]!r}", placeholder=True))
    elif isinstance(value, dict):
        wanted: Mapping[str, Any] = schema["properties"]
        for name, part in cast("dict[str, Any]", value).items():
            _find_unfilled(part, wanted[name], (*place, name), found)


def _named(*place: str) -> str:
    return f"`{'.'.join(place)}`"
