"""Options that an endpoint refuses, and can be put otherwise: learnt from its own words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import openai

_FORMAT: Final = re.compile(
    r"\b(?:response_format|json_schema|json_object|guided_json|structured outputs?)\b", re.IGNORECASE
)
_NOT_TAKEN: Final = re.compile(
    r"unsupported|not supported|unknown|unrecogni[sz]ed|unexpected|extra|not permitted", re.IGNORECASE
)
_SEED: Final = re.compile(r"\bseed\b", re.IGNORECASE)


def refused_options(error: openai.APIStatusError) -> frozenset[str]:
    """Names among `response_format`, `max_tokens` and `seed` that this answer (400 or 422) says it does not take."""
    if not isinstance(error, openai.BadRequestError | openai.UnprocessableEntityError):
        return frozenset()
    return frozenset(_refused(error.message, str(error.param or "")))


def _refused(message: str, param: str) -> Iterator[str]:
    if param.startswith("response_format") or _FORMAT.search(message):
        yield "response_format"
    if "max_completion_tokens" in message:  # what newer endpoints ask for by name
        yield "max_tokens"
    if param == "seed" or (_SEED.search(message) and _NOT_TAKEN.search(message)):
        yield "seed"
