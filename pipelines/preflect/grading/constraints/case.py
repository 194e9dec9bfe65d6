"""Constraints on upper and lower case."""

from __future__ import annotations

import unicodedata

from pydantic import Field

from preflect.grading.constraints.base import Relation, Verifier, compare
from preflect.grading.text import words


class AllCapitals(Verifier):
    """Latin letters, none of them small; whether the words are English is not looked at."""

    def met(self, answer: str) -> bool:
        return answer.isupper() and _is_latin(answer)


class AllLowercase(Verifier):
    """Latin letters, none of them a capital; whether the words are English is not looked at."""

    def met(self, answer: str) -> bool:
        return answer.islower() and _is_latin(answer)


class CapitalWords(Verifier):
    """How many words of two letters or more are all capitals; `I` and `A` show no intent and don't count."""

    capital_frequency: int = Field(ge=0)
    capital_relation: Relation

    def met(self, answer: str) -> bool:
        count = sum(1 for word in words(answer) if word.isupper() and sum(map(str.isalpha, word)) > 1)
        return compare(count, self.capital_relation, self.capital_frequency)


def _is_latin(text: str) -> bool:
    letters = [char for char in text if char.isalpha()]
    latin = sum(1 for char in letters if char.isascii() or "LATIN" in unicodedata.name(char, ""))
    return 2 * latin > len(letters)
