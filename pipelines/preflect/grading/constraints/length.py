"""Constraints on how long an answer is."""

from __future__ import annotations

import re
from typing import Final, Literal, Self

from pydantic import Field, model_validator

from preflect.grading.constraints.base import Relation, Verifier, compare
from preflect.grading.text import paragraphs, sentences, words

_DIVIDER: Final = re.compile(r"(?:^|(?<=\s))\*\*\*(?=\s|$)")


class NumberOfWords(Verifier):
    """How many words; `don't` and `well-known` are one each."""

    num_words: int = Field(ge=0)
    relation: Relation

    def met(self, answer: str) -> bool:
        return compare(len(words(answer)), self.relation, self.num_words)


class NumberOfSentences(Verifier):
    """How many sentences."""

    num_sentences: int = Field(ge=0)
    relation: Relation

    def met(self, answer: str) -> bool:
        return compare(len(sentences(answer)), self.relation, self.num_sentences)


class NumberOfParagraphs(Verifier):
    """Exactly so many paragraphs, none empty, between dividers (`***`, IFEval's way) or blank lines."""

    num_paragraphs: int = Field(ge=1)
    divider: Literal["***", "blank_line"] = "***"

    def met(self, answer: str) -> bool:
        if self.divider == "blank_line":
            return len(paragraphs(answer)) == self.num_paragraphs
        parts = [part.strip() for part in _DIVIDER.split(answer.strip())]
        return len(parts) == self.num_paragraphs and all(parts)


class NthParagraphFirstWord(Verifier):
    """Exactly so many paragraphs between blank lines, of which the nth starts with a word, in any case."""

    num_paragraphs: int = Field(ge=1)
    nth_paragraph: int = Field(ge=1)
    first_word: str = Field(pattern=r"\w")

    @model_validator(mode="after")
    def _nth_exists(self) -> Self:
        if self.nth_paragraph > self.num_paragraphs:
            raise ValueError(f"nth_paragraph {self.nth_paragraph} is beyond num_paragraphs {self.num_paragraphs}")
        return self

    def met(self, answer: str) -> bool:
        found = paragraphs(answer)
        if len(found) != self.num_paragraphs:
            return False
        wanted = words(self.first_word.casefold())
        return words(found[self.nth_paragraph - 1].casefold())[: len(wanted)] == wanted
