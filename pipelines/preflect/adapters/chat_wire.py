"""The chat-completions wire format: request bodies, their identity, and replies."""

from __future__ import annotations

import json
import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Annotated, Any, Final

import orjson
from pydantic import BaseModel, Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from preflect.ports import ChatRequest
from preflect.prompts import format_directions
from preflect.schemas import Message, Sampling, content_id
from preflect.scoring.cost import Usage


class BadBodyError(ValueError):
    """The endpoint answered 200 with a body that is no completion.

    `usage` is what it counted all the same, None where that can't be read.
    """

    def __init__(self, message: str, usage: Usage | None = None) -> None:
        super().__init__(message)
        self.usage = usage


@dataclass(frozen=True, slots=True)
class Completion:
    """One choice of a chat completion."""

    text: str
    thinking: str | None
    finish_reason: str
    model: str
    usage: Usage | None
    """None where the endpoint does not count."""


class _Part(BaseModel):
    text: str = ""


class _Message(BaseModel):
    content: str | list[_Part] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "".join(part.text for part in self.content)
        return self.content or self.refusal or ""


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


def _or_none(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """What can't be read counts as not said: no reason to lose a reply that is paid for."""
    try:
        return validate(value)
    except ValidationError:
        return None


_Lenient: Final = WrapValidator(_or_none)
_Tokens = Annotated[int, Field(ge=0, lt=2**40)]
_Count = Annotated[_Tokens | None, _Lenient]


class _Details(BaseModel):
    cached_tokens: _Count = None
    cache_write_tokens: _Count = None
    reasoning_tokens: _Count = None


_UNTOLD: Final = _Details()


class _Usage(BaseModel):
    prompt_tokens: _Tokens
    completion_tokens: _Tokens
    total_tokens: _Count = None
    prompt_tokens_details: Annotated[_Details | None, _Lenient] = None
    completion_tokens_details: Annotated[_Details | None, _Lenient] = None
    prompt_cache_hit_tokens: _Count = None
    """DeepSeek's word for cached tokens."""
    cost: Annotated[Annotated[float, Field(ge=0, allow_inf_nan=False)] | None, _Lenient] = None
    """What OpenRouter charged, in dollars."""

    def counted(self) -> Usage:
        """Parts are never more than their whole; xAI and Gemini count thoughts in the total alone, and bill them."""
        read, wrote = self.prompt_tokens_details or _UNTOLD, self.completion_tokens_details or _UNTOLD
        cached = min(read.cached_tokens or self.prompt_cache_hit_tokens or 0, self.prompt_tokens)
        written = min(read.cache_write_tokens or 0, self.prompt_tokens - cached)
        completion = max(self.completion_tokens, (self.total_tokens or 0) - self.prompt_tokens)
        return Usage(
            prompt_tokens=self.prompt_tokens,
            completion_tokens=completion,
            cached_tokens=cached,
            cache_write_tokens=written,
            reasoning_tokens=min(wrote.reasoning_tokens or 0, completion),
            charged_usd=self.cost,
        )


class _Body(BaseModel):
    """What is read of a reply; everything else in it is passed over."""

    choices: list[_Choice] = Field(min_length=1)
    model: str | None = None
    usage: Annotated[_Usage | None, _Lenient] = None


STYLES: Final = ("json_schema", "json_object", "tags")
"""How a reply in parts can be asked for, the surest way first; the last one needs nothing of the endpoint."""
_THINKING: Final = re.compile(r"\A\s*(?:<think>(.*?)|((?:(?!<think>).)*?))</think>\s*", re.DOTALL)
_ONLY_THINKING: Final = re.compile(r"\A\s*<think>(.*)\Z", re.DOTALL)
_CUT: Final = frozenset({"max_tokens", "model_length"})
"""What some endpoints say for `length`."""
_BROKEN_OFF: Final = frozenset({"abort", "error", "insufficient_system_resource"})
"""How endpoints say that it was their own fault that a reply has no end."""


def call_key(name: str, served_model: str, structured: str, request: ChatRequest, sampling: Sampling) -> str:
    """Identity of a call: model, words, sampling, format and which sample it is; no address and no secret.

    The model counts by its name in the recipe as well: local servers like to call every model the same.

    So an endpoint may move between two sittings without a call being paid again.
    """
    return content_id(
        {
            "model": [name, served_model],
            "structured": structured if request.json_schema else None,
            "messages": [message.model_dump(mode="json", exclude_defaults=True) for message in request.messages],
            "sampling": sampling.model_dump(mode="json"),
            "schema_name": request.schema_name,
            "json_schema": request.json_schema,
            "index": request.index,
        }
    )


def request_body(
    served_model: str, structured: str, request: ChatRequest, sampling: Sampling, refused: AbstractSet[str]
) -> dict[str, Any]:
    """The body of `POST /chat/completions`; options in `refused` are put otherwise or left out."""
    style = reply_style(structured, request, refused)
    body: dict[str, Any] = {"model": served_model, "messages": _messages(request, style)}
    body |= sampling.model_dump(exclude_none=True, exclude=set(refused))
    if "max_tokens" in refused:
        body["max_completion_tokens"] = sampling.max_tokens
    if style == "json_schema":
        described = {"name": request.schema_name, "schema": request.json_schema, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": described}
    elif style == "json_object":
        body["response_format"] = {"type": "json_object"}
    return body


def reply_style(structured: str, request: ChatRequest, refused: AbstractSet[str]) -> str:
    """How the parts of the reply are asked for: as the recipe says, or the next way down that is not refused."""
    if request.json_schema is None:
        return "text"
    return next(style for style in STYLES[STYLES.index(structured) :] if style not in refused)


def _messages(request: ChatRequest, style: str) -> list[dict[str, Any]]:
    messages = [_wire_message(message) for message in request.messages]
    if style in ("tags", "json_object") and request.json_schema is not None:
        directions = format_directions(request.json_schema, style)
        if messages[0]["role"] == "system":
            messages[0]["content"] += "\n\n" + directions
        else:
            messages.insert(0, {"role": "system", "content": directions})
    return messages


def _wire_message(message: Message) -> dict[str, Any]:
    wire: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.name:
        wire["name"] = message.name
    if message.tool_call_id:
        wire["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        wire["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    return wire


def read_completion(content: bytes) -> Completion:
    """The first choice of a reply. Raises: BadBodyError when it isn't a chat completion, or one without its end."""
    try:
        body = _read(content)
    except ValueError as error:  # pydantic's own errors are ValueErrors too
        raise BadBodyError(f"the reply is no chat completion: {content[:200]!r}", _usage_in(content)) from error
    choice = body.choices[0]
    thinking, text = _split_thinking(choice.message.text, choice.message.reasoning_content or choice.message.reasoning)
    return Completion(
        text=text,
        thinking=thinking,
        finish_reason=_finish_reason(choice),
        model=body.model or "",
        usage=body.usage.counted() if body.usage else None,
    )


def _finish_reason(choice: _Choice) -> str:
    said = (choice.finish_reason or "stop").lower()
    if said in _BROKEN_OFF:
        raise BadBodyError(f"the endpoint broke its reply off, for the reason {said!r}")
    if choice.message.refusal and not choice.message.content:
        return "refusal"
    return "length" if said in _CUT else said


def _read(content: bytes) -> _Body:
    try:
        return _Body.model_validate_json(content)
    except ValidationError:
        return _Body.model_validate(read_json(content))


def _usage_in(content: bytes) -> Usage | None:
    """What a body that is no completion says of its tokens."""
    try:
        return _Usage.model_validate(orjson.loads(content)["usage"]).counted()
    except (ValueError, LookupError, TypeError):
        return None


def read_json(content: bytes) -> Any:
    """A JSON value as endpoints write it. Raises: ValueError."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        # A lone surrogate (half an emoji, cut by a token limit) is legal JSON, and no text that a file could hold.
        return json.loads(json.dumps(json.loads(content), ensure_ascii=False).encode("utf-8", "replace"))


def _split_thinking(text: str, apart: str | None) -> tuple[str | None, str]:
    """Reasoning models put their thoughts in a field of their own, or before `</think>` at the start of the text.

    Where the chat template opens the tag, the reply only closes it; where the model never came to an end of thinking,
    there is no answer. And servers take a whole reply for thoughts where a format kept the model from thinking.
    """
    # Looked for first, since the pattern reads a whole text that has none.
    if "</think>" in text and (found := _THINKING.match(text)):
        return (found[1] or found[2] or "").strip(), text[found.end() :]
    if found := _ONLY_THINKING.match(text):
        return found[1].strip(), ""
    if apart and not text.strip() and _is_json(apart):
        return None, apart
    return apart, text


def _is_json(text: str) -> bool:
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False
