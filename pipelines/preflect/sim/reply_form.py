"""Replies with named parts, as JSON or in tags, and now and then spoilt."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, cast

import orjson

from preflect.sim.wording import UNKNOWN_MARK

_TAG: Final = re.compile(r"^\s*</?\w+>\n?", re.MULTILINE)


def as_json(parts: Mapping[str, Any]) -> str:
    """The parts as one JSON object."""
    return orjson.dumps(parts).decode()


def in_tags(parts: Mapping[str, Any]) -> str:
    """The parts each between tags of their names; items of a list between `item` tags."""
    return "\n".join(f"<{name}>\n{_inner(value)}\n</{name}>" for name, value in parts.items())


def _inner(value: Any) -> str:
    if isinstance(value, dict):
        return in_tags(cast("dict[str, Any]", value))
    if isinstance(value, list):
        return "\n".join(f"<item>\n{item}\n</item>" for item in cast("list[Any]", value))
    return str(value)


def spoilt(text: str, *, tagged: bool) -> str:
    """A reply as nobody can read it: JSON that breaks off, or tagged text without its tags."""
    return _TAG.sub("", text) if tagged else text[: max(1, len(text) * 3 // 5)].rstrip("}")


def parts_for(schema: Mapping[str, Any]) -> Any:
    """The simplest value that a JSON schema of objects, arrays, strings and numbers accepts."""
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            properties = cast("dict[str, Mapping[str, Any]]", schema.get("properties", {}))
            return {name: parts_for(part) for name, part in properties.items()}
        case "array":
            return [parts_for(schema.get("items", {})) for _ in range(schema.get("minItems", 1))]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return False
        case _:
            return f"{UNKNOWN_MARK} This request is none that the simulator knows."
