"""Regular expressions with a time limit."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

# The standard library's engine can't be stopped: one bad pattern would hang a run for ever.
import regex

PATTERN_TIMEOUT_S: Final = 0.5


class PatternError(Exception):
    """The pattern is invalid, or took too long on this text; the message says which."""


def find(pattern: str, text: str, *, full_match: bool = False, ignore_case: bool = False) -> bool:
    """Whether the pattern is found in the text. Raises: PatternError."""
    compiled = compile_pattern(pattern, ignore_case=ignore_case)
    search = compiled.fullmatch if full_match else compiled.search
    try:
        return search(text, timeout=PATTERN_TIMEOUT_S) is not None
    except TimeoutError as error:
        raise PatternError(f"timeout: the pattern took over {PATTERN_TIMEOUT_S} s") from error


@lru_cache(maxsize=512)
def compile_pattern(pattern: str, *, ignore_case: bool = False) -> regex.Pattern[str]:
    """The compiled pattern. Raises: PatternError."""
    try:
        return regex.compile(pattern, regex.IGNORECASE if ignore_case else 0)
    except (regex.error, RecursionError, OverflowError) as error:
        raise PatternError(f"invalid pattern: {error}") from error
