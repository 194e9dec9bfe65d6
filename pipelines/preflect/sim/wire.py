"""The shapes of OpenAI's HTTP interface: what requests must be, what replies and errors are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import orjson

from preflect.sim.simulator import Reply, tokens

_TOKENS_PER_MESSAGE: Final = 4
_MOST_CHOICES: Final = 128
_ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool"})


class BadRequestError(Exception):
    """The request cannot be answered; `param` names the field at fault."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param

    def as_json(self) -> bytes:
        """The body of a reply with status 400."""
        return error_body(str(self), param=self.param)


def error_body(message: str, *, param: str | None = None, code: str | None = None) -> bytes:
    """An error as OpenAI's clients read it."""
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return orjson.dumps({"error": error})


def read_request(raw: bytes) -> dict[str, Any]:
    """The body of a chat request, its form checked. Raises: BadRequestError."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadRequestError(f"the body is no JSON: {error}") from error
    if not isinstance(body, dict):
        raise BadRequestError("the body must be a JSON object with `model` and `messages`")
    request = cast("dict[str, Any]", body)
    if request.get("stream"):
        raise BadRequestError("the simulated endpoint does not stream; leave `stream` out or set it to false", "stream")
    _check_messages(request.get("messages"))
    for name in ("n", "max_tokens", "max_completion_tokens"):
        _check_count(name, request.get(name))
    if int(request.get("n") or 1) > _MOST_CHOICES:
        raise BadRequestError(f"`n` is {request['n']}; at most {_MOST_CHOICES} choices can be asked for", "n")
    return request


def _check_messages(messages: Any) -> None:
    if not isinstance(messages, list) or not messages:
        raise BadRequestError("`messages` must be a list of at least one message", "messages")
    for place, message in enumerate(cast("list[Any]", messages)):
        role = cast("dict[str, Any]", message).get("role") if isinstance(message, dict) else None
        if role not in _ROLES:
            raise BadRequestError(
                f"message {place} has the role {role!r}; want one of {', '.join(sorted(_ROLES))}", f"messages[{place}]"
            )


def _check_count(name: str, value: Any) -> None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise BadRequestError(f"`{name}` is {value!r}; want a whole number from 1 up", name)


def completion(request: Mapping[str, Any], reply: Reply, number: int) -> bytes:
    """The reply to the request with this running number."""
    read = prompt_tokens(request)
    written = sum(tokens(choice.text) for choice in reply.choices)
    return orjson.dumps(
        {
            "id": f"chatcmpl-sim-{number}",
            "object": "chat.completion",
            # No clock: the same request gets the same bytes, but for its running number.
            "created": 0,
            "model": request.get("model", "sim"),
            "system_fingerprint": "preflect-sim",
            "choices": [
                {
                    "index": place,
                    "message": {"role": "assistant", "content": choice.text, "refusal": None},
                    "finish_reason": choice.finish_reason,
                    "logprobs": None,
                }
                for place, choice in enumerate(reply.choices)
            ],
            "usage": {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written},
        }
    )


def prompt_tokens(request: Mapping[str, Any]) -> int:
    """How many tokens the simulator counts the messages as."""
    return sum(_TOKENS_PER_MESSAGE + _content_tokens(message.get("content")) for message in request["messages"])


def _content_tokens(content: Any) -> int:
    if isinstance(content, list):
        parts = cast("list[Mapping[str, Any]]", content)
        return sum(tokens(str(part.get("text", ""))) for part in parts)
    return tokens(content) if isinstance(content, str) else 0


def model_list(names: tuple[str, ...]) -> bytes:
    """The models that the endpoint names; it answers to any other name as well."""
    models = [{"id": name, "object": "model", "created": 0, "owned_by": "preflect"} for name in names]
    return orjson.dumps({"object": "list", "data": models})
