"""TRL's columns: how rows stand in Parquet, with explicit features for `datasets`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from preflect.export.parquet import Shape
from preflect.schemas import Conversation, DpoRow, Message, RftRow, Row, SftRow

RESERVED: Final = frozenset(
    {
        "image", "images", "input_ids", "labels", "prompt_ids", "chosen_ids", "prompts", "completions",
        "completion_ids", "trainer_state", "log_extra", "log_metric", "environments",
    }
)  # fmt: skip
"""Column names that TRL's trainers give a meaning of their own."""

_TURN: Final[dict[str, Shape]] = {"role": "string", "content": "string"}
_TOOL_CALL: Final[Shape] = {"id": "string", "type": "string", "function": {"name": "string", "arguments": "string"}}
# Only where a conversation uses tools: elsewhere these would reach the chat template as keys without a value.
_TOOL_TURN: Final[dict[str, Shape]] = {**_TURN, "name": "string", "tool_calls": [_TOOL_CALL], "tool_call_id": "string"}


def shapes_of(kind: str, *, with_tools: bool) -> dict[str, Shape]:
    """The columns of a kind of row."""
    turns: Shape = [_TOOL_TURN if with_tools else _TURN]
    own: dict[str, dict[str, Shape]] = {
        "sft": {"messages": turns},
        "dpo": {"prompt": turns, "chosen": turns, "rejected": turns, "margin": "float64", "basis": "string"},
        "rft": {"prompt": turns, "reference_answer": "string", "grader": "string", "metadata": "string"},
    }
    return {**own[kind], "sample_id": "string", "source": "string", "simulated": "bool"}


def columns_of(row: Row) -> dict[str, Any]:
    """A row as the columns of its kind, with plain values; what has no fixed shape is JSON text."""
    origin = {"sample_id": row.sample_id, "source": row.source, "simulated": row.simulated}
    match row:
        case SftRow():
            return {"messages": _turns(row.messages), **origin}
        case DpoRow():
            sides = {"prompt": _turns(row.prompt), "chosen": _turns(row.chosen), "rejected": _turns(row.rejected)}
            return {**sides, "margin": row.margin, "basis": row.basis, **origin}
        case RftRow():
            return {
                "prompt": _turns(row.prompt),
                "reference_answer": row.reference_answer,
                "grader": row.grader.model_dump_json(),
                "metadata": json.dumps(row.metadata, ensure_ascii=False, sort_keys=True),
                **origin,
            }
        case _:
            raise TypeError(f"no TRL columns for {type(row).__name__}")


def uses_tools(columns: Mapping[str, Any]) -> bool:
    """Whether any turn of the row has more than a role and a content."""
    sides = (columns[name] for name in ("messages", "prompt", "chosen", "rejected") if name in columns)
    return any(len(turn) > len(_TURN) for turns in sides for turn in turns)


def _turns(conversation: Conversation) -> list[dict[str, Any]]:
    return [_turn(message) for message in conversation]


def _turn(message: Message) -> dict[str, Any]:
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in message.tool_calls
    ]
    extra = {"name": message.name, "tool_calls": calls, "tool_call_id": message.tool_call_id}
    return {"role": message.role, "content": message.content, **{key: value for key, value in extra.items() if value}}
