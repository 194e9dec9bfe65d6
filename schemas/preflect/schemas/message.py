"""Conversations in the roles and fields of chat APIs."""

from __future__ import annotations

from typing import Literal

from preflect.schemas.base import Schema

Role = Literal["system", "user", "assistant", "tool"]


class ToolCall(Schema):
    """One call of a tool that an assistant message asks for."""

    id: str
    name: str
    arguments: str
    """The arguments as the JSON text that the model wrote."""


class Message(Schema):
    """One turn of a conversation."""

    role: Role
    content: str
    name: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    """For role `tool`: the id of the call that this message answers."""


Conversation = tuple[Message, ...]
"""The turns in order; a prompt ends with a `user` or `tool` message."""
