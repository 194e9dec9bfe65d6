"""The language of an answer, where its script alone tells it."""

from __future__ import annotations

from typing import Final

import regex
from pydantic import field_validator

from preflect.grading.constraints.base import Verifier

_SCRIPTS: Final = {
    "am": "Ethiopic",
    "el": "Greek",
    "gu": "Gujarati",
    "he": "Hebrew",
    "hy": "Armenian",
    "ja": "Hiragana",
    "ka": "Georgian",
    "km": "Khmer",
    "kn": "Kannada",
    "ko": "Hangul",
    "lo": "Lao",
    "ml": "Malayalam",
    "my": "Myanmar",
    "or": "Oriya",
    "pa": "Gurmukhi",
    "si": "Sinhala",
    "ta": "Tamil",
    "te": "Telugu",
    "th": "Thai",
}
_JAPANESE: Final = r"[\p{Hiragana}\p{Katakana}\p{Han}ー]"


class ResponseLanguage(Verifier):
    """Most letters are of the script that only this language uses; other languages, needing a detector, are refused."""

    language: str

    @field_validator("language")
    @classmethod
    def _has_a_script_of_its_own(cls, language: str) -> str:
        if language not in _SCRIPTS:
            raise ValueError(
                f"no library here tells {language!r} from its neighbours; "
                f"languages with a script of their own can be verified: {', '.join(_SCRIPTS)}"
            )
        return language

    def met(self, answer: str) -> bool:
        own = len(regex.findall(rf"\p{{{_SCRIPTS[self.language]}}}", answer))
        if self.language == "ja" and own:
            own = len(regex.findall(_JAPANESE, answer))
        return 2 * own > sum(1 for char in answer if regex.match(r"\p{L}", char))
