"""Constraints on the words and letters of an answer; words and phrases count whole and in any case."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from preflect.grading.constraints.base import Relation, Verifier, compare
from preflect.grading.text import count_phrase, fold

Phrase = Annotated[str, Field(pattern=r"\S")]
Phrases = Annotated[tuple[Phrase, ...], Field(min_length=1)]


class Existence(Verifier):
    """Every keyword occurs."""

    keywords: Phrases

    def met(self, answer: str) -> bool:
        return all(count_phrase(keyword, answer) for keyword in self.keywords)


class ForbiddenWords(Verifier):
    """None of the words occurs."""

    forbidden_words: Phrases

    def met(self, answer: str) -> bool:
        return not any(count_phrase(word, answer) for word in self.forbidden_words)


class Frequency(Verifier):
    """How often a keyword occurs."""

    keyword: Phrase
    frequency: int = Field(ge=0)
    relation: Relation

    def met(self, answer: str) -> bool:
        return compare(count_phrase(self.keyword, answer), self.relation, self.frequency)


class LetterFrequency(Verifier):
    """How often a letter (or another character) occurs, in either case."""

    letter: str = Field(min_length=1, max_length=1)
    let_frequency: int = Field(ge=0)
    let_relation: Relation

    def met(self, answer: str) -> bool:
        count = fold(answer).casefold().count(self.letter.casefold())
        return compare(count, self.let_relation, self.let_frequency)
