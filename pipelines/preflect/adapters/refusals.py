"""What an endpoint says when it refuses a request, and which options can be put otherwise for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import orjson

from preflect.traffic.lane import HttpReply

_FORMAT: Final = re.compile(
    r"\b(?:response_format|json_schema|json_object|guided_json|structured outputs?)\b", re.IGNORECASE
)
_NOT_TAKEN: Final = re.compile(
    r"unsupported|not supported|unknown|unrecogni[sz]ed|unexpected|extra|not permitted", re.IGNORECASE
)
_SEED: Final = re.compile(r"\bseed\b", re.IGNORECASE)


_NOT_ACCEPTED: Final = frozenset({400, 422})


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reply that is no success, in the endpoint's words."""

    status: int
    message: str
    code: str = ""
    param: str = ""

    def __str__(self) -> str:
        return f"HTTP {self.status}: {self.message}"


def read_refusal(reply: HttpReply) -> Refusal:
    """OpenAI's `{"error": {…}}`, the flat and the bare forms that other servers use, or any text."""
    try:
        said: Any = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        return Refusal(reply.status, reply.body[:300].decode("utf-8", "replace").strip() or "no message")
    if isinstance(said, dict):
        said = said.get("error", said)
    if not isinstance(said, dict):
        return Refusal(reply.status, str(said))
    return Refusal(
        status=reply.status,
        message=str(said.get("message") or said.get("detail") or said),
        code=str(said.get("code") or ""),
        param=str(said.get("param") or ""),
    )


def refused_options(refusal: Refusal) -> frozenset[str]:
    """Names among `response_format`, `max_tokens` and `seed` that this answer (400 or 422) says it does not take."""
    if refusal.status not in _NOT_ACCEPTED:
        return frozenset()
    return frozenset(_refused(refusal.message, refusal.param))


def _refused(message: str, param: str) -> Iterator[str]:
    if param.startswith("response_format") or _FORMAT.search(message):
        yield "response_format"
    if "max_completion_tokens" in message:  # what newer endpoints ask for by name
        yield "max_tokens"
    if param == "seed" or (_SEED.search(message) and _NOT_TAKEN.search(message)):
        yield "seed"
