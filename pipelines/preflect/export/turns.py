"""Conversations as they stand in training files, and what may be wrong with them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

from preflect.grading import is_blank, same_text

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
"""Characters that no text is written with; a model that makes them is broken."""

_ROLES: Final = {"system", "user", "assistant", "tool"}
_ROLE_OF_TEXT: Final = {
    "prompt": "user",
    "completion": "assistant",
    "text": "assistant",
    "chosen": "assistant",
    "rejected": "assistant",
}


class RowProblemError(Exception):
    """Something is wrong with a row."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Turn(NamedTuple):
    """One message."""

    role: str
    content: str
    calls: str = ""
    """Its tool calls as JSON text."""


def read_turns(row: Mapping[str, Any], name: str) -> list[Turn]:
    """The turns of a column; bare text is one turn. Raises: RowProblemError."""
    value: object = row.get(name)
    if value is None:
        raise RowProblemError("missing_column", f"there is no {name}")
    if isinstance(value, str) and name in _ROLE_OF_TEXT:
        return [Turn(_ROLE_OF_TEXT[name], value)]
    if not isinstance(value, list):
        raise RowProblemError("not_messages", f"{name} is {type(value).__name__}, not messages")
    turns = [_read_turn(message, name) for message in cast("list[object]", value)]
    if not turns:
        raise RowProblemError(f"empty_{name}", f"{name} has no turn")
    return turns


def _read_turn(message: object, name: str) -> Turn:
    if not isinstance(message, dict):
        raise RowProblemError("not_messages", f"{name} holds {type(message).__name__}, not a message")
    fields = cast("dict[str, Any]", message)
    role, content, calls = fields.get("role"), fields.get("content"), fields.get("tool_calls")
    if not isinstance(role, str) or role not in _ROLES:
        raise RowProblemError("unknown_role", f"{name}: role {role!r}")
    if content is not None and not isinstance(content, str):
        raise RowProblemError("content_not_text", f"{name}: content is {type(content).__name__}")
    return Turn(role, content or "", json.dumps(calls, sort_keys=True, default=str) if calls else "")


def check_conversation(turns: Sequence[Turn], name: str) -> None:
    """Raises: RowProblemError where a turn is blank (unless it calls tools) or out of order."""
    for turn in turns:
        if is_blank(turn.content) and not turn.calls:
            raise RowProblemError("empty_content", f"{name}: a turn of the {turn.role} is blank")
        if control := _CONTROL.search(turn.content):
            code = f"U+{ord(control[0]):04X}"
            raise RowProblemError("control_character", f"{name}: a turn of the {turn.role} holds {code}")
    check_order(turns, name)


def check_order(turns: Sequence[Turn], name: str) -> None:
    """Raises: RowProblemError for a late system turn, or one role twice in a row (tools may answer together)."""
    for place, turn in enumerate(turns):
        if turn.role == "system" and place:
            raise RowProblemError("system_not_first", f"{name}: turn {place + 1} is the system's")
        if place and turn.role == turns[place - 1].role != "tool":
            raise RowProblemError("repeated_role", f"{name}: turns {place} and {place + 1} are both the {turn.role}'s")


def last_role(turns: Sequence[Turn]) -> str:
    """Whose turn the last one is; blank where there is none."""
    return turns[-1].role if turns else ""


def same_turns(first: Sequence[Turn], second: Sequence[Turn]) -> bool:
    """Whether two completions differ in white space and case at most."""
    if len(first) != len(second):
        return False
    pairs = zip(first, second, strict=True)
    return all((a.role, a.calls) == (b.role, b.calls) and same_text(a.content, b.content) for a, b in pairs)
