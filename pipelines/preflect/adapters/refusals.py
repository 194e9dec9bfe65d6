"""What an endpoint does not take of a request, and can be put otherwise: learnt from its own words and replies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, TypeAdapter, ValidationError

from preflect.adapters.chat_wire import Completion

_FORMAT: Final = re.compile(
    r"\bresponse[_ ](?:format|schema)|\bjson[_ ](?:schema|object)|\bguided_|\bstructured outputs?\b"
    r"|\bgrammar|\bjson_validate_failed\b",
    re.IGNORECASE,
)
_NOT_TAKEN: Final = re.compile(
    r"unsupported|not supported|unknown|unrecogni[sz]ed|unexpected|extra|not permitted", re.IGNORECASE
)
_SEED: Final = re.compile(r"\bseed\b", re.IGNORECASE)
_TOO_LARGE: Final = re.compile(r"too large|too long|exceed|at most|maximum", re.IGNORECASE)


_MOST_QUOTED: Final = 300
_ASKED_OF_IT: Final = frozenset({"json_schema", "json_object"})
"""Styles of reply that the endpoint itself must know."""
NOT_ACCEPTED: Final = frozenset({400, 422})


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reply that is no success, in the endpoint's words."""

    status: int
    message: str
    text: str
    """All that it says."""
    code: str = ""
    param: str = ""

    def __str__(self) -> str:
        return f"HTTP {self.status}: {self.message}"

    @property
    def is_of_a_filter(self) -> bool:
        """Whether the words of the request are what is refused; OpenRouter says so with a 403."""
        return self.code == "content_filter" or '"flagged_input"' in self.text


class _Said(BaseModel):
    """OpenAI's error object, or the flat form that other servers use."""

    message: str = ""
    detail: str = ""
    code: str | int | None = None
    param: str | None = None


class _Wrapped(BaseModel):
    error: _Said | str


_FORMS: Final = TypeAdapter[_Wrapped | _Said](_Wrapped | _Said)


def read_refusal(status: int, body: bytes) -> Refusal:
    """What the endpoint says, in OpenAI's form, in those of other servers, or in any text."""
    text = " ".join(body.decode("utf-8", "replace").split())
    try:
        form = _FORMS.validate_json(body)
    except ValidationError:
        return Refusal(status, text[:_MOST_QUOTED] or "no message", text)
    said = form.error if isinstance(form, _Wrapped) else form
    if isinstance(said, str):
        return Refusal(status, said, text)
    message = said.message or said.detail or text[:_MOST_QUOTED]
    return Refusal(status, message, text, str(said.code or ""), said.param or "")


def refused_options(refusal: Refusal, style: str) -> frozenset[str]:
    """What this answer (400 or 422) says the endpoint does not take.

    Args: style is how the reply's parts were asked for: a refusal seldom says which style it means.
    Returns: names among `max_tokens`, `seed` and the styles `json_schema` and `json_object`.
    """
    if refusal.status not in NOT_ACCEPTED:
        return frozenset()
    return frozenset(_refused(refusal, style))


def _refused(refusal: Refusal, style: str) -> Iterator[str]:
    said = refusal.text
    if style in _ASKED_OF_IT and (refusal.param.startswith("response_format") or _FORMAT.search(said)):
        yield style
    # What newer endpoints ask for by name; others name it where the number is too large.
    if "max_completion_tokens" in said and not _TOO_LARGE.search(said):
        yield "max_tokens"
    if refusal.param == "seed" or (_SEED.search(said) and _NOT_TAKEN.search(said)):
        yield "seed"


def ignored_options(style: str, completion: Completion) -> frozenset[str]:
    """The style of the reply that was asked for, where a finished reply is none: the endpoint passed it over.

    An endpoint that enforces JSON says nothing else; a fenced reply isn't enforced, but can be read.
    """
    said = completion.text.lstrip()
    finished = completion.finish_reason == "stop" and bool(said)
    if style in _ASKED_OF_IT and finished and not said.startswith(("{", "[", "```")):
        return frozenset({style})
    return frozenset()
