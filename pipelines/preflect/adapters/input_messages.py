"""Conversations as chat datasets write them, checked for what a chat endpoint would refuse."""

from __future__ import annotations

from typing import Final

import orjson
from pydantic import TypeAdapter, ValidationError

from preflect.adapters.input_columns import UnusableValueError
from preflect.adapters.json_values import is_list, is_object, kind_of
from preflect.grading import is_blank
from preflect.schemas import Conversation, Message, Role

_CONVERSATION: Final[TypeAdapter[Conversation]] = TypeAdapter(Conversation)
_FIELDS: Final = frozenset(Message.model_fields)
_NEXT: Final[dict[Role | None, tuple[Role, ...]]] = {
    None: ("system", "user"),
    "system": ("user",),
    "user": ("assistant",),
    "assistant": ("user", "tool"),
    "tool": ("tool", "assistant"),
}


def conversation(value: object) -> tuple[Conversation, str | None]:
    """The prompt, which ends with the user's turn, and the text of the assistant's turn behind it, if any.

    Fields of a message that chat APIs do not know (a dataset's own remarks) are left out; tool calls may stand in
    OpenAI's nested form, and content in parts of text, which are joined.

    Raises: UnusableValueError: no list of messages, roles out of order, an empty turn, or a last turn that is not the
    user's.
    """
    messages = _messages(value)
    _check_order(messages)
    if messages[-1].role != "assistant":
        return _prompt(messages), None
    if is_blank(messages[-1].content):
        raise _bad("the last message calls tools; a response must be text")
    return _prompt(messages[:-1]), messages[-1].content


def first_error(error: ValidationError) -> str:
    """Where and what the first of pydantic's complaints is."""
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]


def _messages(value: object) -> Conversation:
    if not is_list(value) or not value:
        got = "an empty list" if value == [] else kind_of(value)
        raise _bad(f"messages must be a list of {{role, content}}, not {got}")
    try:
        return _CONVERSATION.validate_json(orjson.dumps([_turn(turn) for turn in value]))
    except ValidationError as error:
        raise _bad(f"messages.{first_error(error)}") from error


def _turn(turn: object) -> object:
    if not is_object(turn):
        return turn
    kept = {name: value for name, value in turn.items() if name in _FIELDS and value is not None}
    if is_list(parts := kept.get("content")):
        kept["content"] = "".join(map(_text_of_part, parts))
    calls = kept.get("tool_calls")
    if is_list(calls):
        # Beside a call, chat APIs leave the content null.
        return {"content": "", **kept, "tool_calls": [_tool_call(call) for call in calls]}
    return kept


def _text_of_part(part: object) -> str:
    text = part.get("text") if is_object(part) and part.get("type") == "text" else None
    if not isinstance(text, str):
        kind = f"a part of type {part.get('type')!r}" if is_object(part) else kind_of(part)
        raise _bad(f"a message's content holds {kind}; preflect takes parts {{type: text, text: …}} alone")
    return text


def _tool_call(call: object) -> object:
    if not is_object(call):
        return call
    function = call.get("function")
    return {"id": call.get("id"), **function} if is_object(function) else call


def _check_order(messages: Conversation) -> None:
    previous: Message | None = None
    for place, message in enumerate(messages):
        allowed = _allowed_after(previous)
        if message.role not in allowed:
            after = f"after {previous.role!r}" if previous else "at the start"
            raise _bad(
                f"messages.{place} has role {message.role!r} {after}; {' or '.join(map(repr, allowed))} would be right"
            )
        if is_blank(message.content) and not message.tool_calls and message.role != "tool":
            raise _bad(f"messages.{place} ({message.role}) is empty; give it text")
        previous = message


def _allowed_after(previous: Message | None) -> tuple[Role, ...]:
    if previous is not None and previous.role == "assistant":
        return ("tool",) if previous.tool_calls else ("user",)
    return _NEXT[previous.role if previous else None]


def _prompt(messages: Conversation) -> Conversation:
    if not messages or messages[-1].role != "user":
        last = messages[-1].role if messages else "assistant"
        remedy = "add the assistant's answer to the tool's result, or leave the calls out" if last == "tool" else ""
        raise _bad(f"the prompt ends with role {last!r}; its last message must be the user's{remedy and f': {remedy}'}")
    return messages


def _bad(remedy: str) -> UnusableValueError:
    return UnusableValueError("bad_messages", remedy)
