# ruff: noqa: RUF001 - typographic characters are what is looked for here
"""Constraints on what stands where in an answer."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import Field

from preflect.grading.constraints.base import Verifier
from preflect.grading.text import comparable, fold, same_text

_PLACEHOLDER: Final = re.compile(r"\[[^\[\]\n]{0,199}[^\[\]\s][^\[\]\n]{0,199}\](?!\()")
_COMMAS: Final = frozenset(",，،、﹐︐")
_QUOTES: Final = '"“”„‟«»'
_SIX_STARS: Final = re.compile(r"(?<!\*)\*{6}(?!\*)")

Phrase = Annotated[str, Field(pattern=r"\S")]


class Postscript(Verifier):
    """A line that starts with the marker (`P.S.`, `P.P.S`) and goes on."""

    postscript_marker: Phrase

    def met(self, answer: str) -> bool:
        marker = r"\s?".join(re.escape(char) for char in "".join(self.postscript_marker.split()).rstrip("."))
        return re.search(rf"^[\s*_]*{marker}(?!\w)[\s.:*_]*\w", answer, re.IGNORECASE | re.MULTILINE) is not None


class NumberOfPlaceholders(Verifier):
    """At least so many placeholders in square brackets, such as `[address]`; a Markdown link is none."""

    num_placeholders: int = Field(ge=1)

    def met(self, answer: str) -> bool:
        return len(_PLACEHOLDER.findall(answer)) >= self.num_placeholders


class EndPhrase(Verifier):
    """The last words are the phrase, in any case; quotes and emphasis around it don't matter."""

    end_phrase: Phrase

    def met(self, answer: str) -> bool:
        around = f" *_{_QUOTES}"
        return comparable(fold(answer)).rstrip(around).endswith(comparable(fold(self.end_phrase)).strip(around))


class Quotation(Verifier):
    """The whole answer stands in double quotes."""

    def met(self, answer: str) -> bool:
        text = answer.strip()
        return text[0] in _QUOTES and text[-1] in _QUOTES and bool(text.strip(_QUOTES).strip())


class NoComma(Verifier):
    """No comma of any script."""

    def met(self, answer: str) -> bool:
        return _COMMAS.isdisjoint(answer)


class RepeatPrompt(Verifier):
    """The answer repeats the prompt word for word, then says something of its own."""

    prompt_to_repeat: Phrase

    def met(self, answer: str) -> bool:
        text, prompt = comparable(fold(answer)), comparable(fold(self.prompt_to_repeat))
        return text.startswith(prompt) and any(char.isalnum() for char in text[len(prompt) :])


class TwoResponses(Verifier):
    """Two different responses with `******` between them."""

    def met(self, answer: str) -> bool:
        parts = [part.strip() for part in _SIX_STARS.split(answer.strip())]
        return len(parts) == 2 and all(parts) and not same_text(*parts)  # noqa: PLR2004 - two, as the name says
