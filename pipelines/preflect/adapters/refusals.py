"""What an endpoint says when it refuses a request, and which options can be put otherwise for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, TypeAdapter, ValidationError

from preflect.traffic.lane import HttpReply

_FORMAT: Final = re.compile(
    r"\b(?:response_format|json_schema|json_object|guided_json|structured outputs?)\b", re.IGNORECASE
)
_NOT_TAKEN: Final = re.compile(
    r"unsupported|not supported|unknown|unrecogni[sz]ed|unexpected|extra|not permitted", re.IGNORECASE
)
_SEED: Final = re.compile(r"\bseed\b", re.IGNORECASE)


_MOST_QUOTED: Final = 300
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


class _Said(BaseModel):
    """OpenAI's error object, or the flat form that other servers use."""

    message: str = ""
    detail: str = ""
    code: str | int | None = None
    param: str | None = None


class _Wrapped(BaseModel):
    error: _Said | str


_FORMS: Final = TypeAdapter[_Wrapped | _Said](_Wrapped | _Said)


def read_refusal(reply: HttpReply) -> Refusal:
    """What the endpoint says, in OpenAI's form, in those of other servers, or in any text."""
    text = reply.body[:_MOST_QUOTED].decode("utf-8", "replace").strip() or "no message"
    try:
        form = _FORMS.validate_json(reply.body)
    except ValidationError:
        return Refusal(reply.status, text)
    said = form.error if isinstance(form, _Wrapped) else form
    if isinstance(said, str):
        return Refusal(reply.status, said)
    return Refusal(reply.status, said.message or said.detail or text, str(said.code or ""), said.param or "")


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
