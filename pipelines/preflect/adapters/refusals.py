"""Options that an endpoint does not take, and that can be put otherwise: learnt from its own words and replies."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import openai
import orjson

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


def refused_options(error: openai.APIStatusError) -> frozenset[str]:
    """What this answer (400 or 422) says the endpoint does not take.

    Returns: names among `max_tokens`, `seed` and the style of the reply that was asked for, `json_schema` or
        `json_object`.
    """
    if not isinstance(error, openai.BadRequestError | openai.UnprocessableEntityError):
        return frozenset()
    # A refusal seldom says which style it means; the request does.
    style = _style_of(orjson.loads(error.request.content))
    return frozenset(_refused(words_of(error), str(error.param or ""), style))


def words_of(error: openai.APIStatusError) -> str:
    """What the endpoint said, for a line of text; the client's own message drops what isn't of OpenAI's shape."""
    said = " ".join(error.response.text.split())
    return f"HTTP {error.status_code}: {said or error.message}"


def _refused(message: str, param: str, style: str | None) -> Iterator[str]:
    if style and (param.startswith("response_format") or _FORMAT.search(message)):
        yield style
    # What newer endpoints ask for by name; others name it where the number is too large.
    if "max_completion_tokens" in message and not _TOO_LARGE.search(message):
        yield "max_tokens"
    if param == "seed" or (_SEED.search(message) and _NOT_TAKEN.search(message)):
        yield "seed"


def ignored_options(body: Mapping[str, Any], completion: Completion) -> frozenset[str]:
    """The style of the reply that was asked for, where a finished reply is none: the endpoint passed it over.

    An endpoint that enforces JSON says nothing else; a fenced reply isn't enforced, but can be read.
    """
    style = _style_of(body)
    said = completion.text.lstrip()
    if style and said and completion.finish_reason == "stop" and not said.startswith(("{", "[", "```")):
        return frozenset({style})
    return frozenset()


def _style_of(body: Mapping[str, Any]) -> str | None:
    return body["response_format"]["type"] if "response_format" in body else None
