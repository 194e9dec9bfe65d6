"""Values as JSON has them: what kind one is, and its name in a message."""

from __future__ import annotations

from typing import Final, TypeGuard

_KINDS: Final[dict[type, str]] = {
    type(None): "null",
    bool: "true or false",
    str: "text",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
}


def is_object(value: object) -> TypeGuard[dict[str, object]]:
    """True for an object; its keys are text, as in all JSON."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[object]]:
    """True for a list."""
    return isinstance(value, list)


def deeper_than(limit: int, value: object) -> bool:
    """Whether lists and objects are nested in each other more than `limit` times."""
    children = value.values() if is_object(value) else value if is_list(value) else ()
    return any(limit == 0 or deeper_than(limit - 1, child) for child in children)


def kind_of(value: object) -> str:
    """What the value is, in words."""
    return _KINDS.get(type(value), f"of type {type(value).__name__}")


def shortened(text: str, limit: int = 80) -> str:
    """The text in quotes, on one line; of a long one the end, where an answer usually stands."""
    return repr(text if len(text) <= limit else f"…{text[-limit:]}")
