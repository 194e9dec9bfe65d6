"""The name that was probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'model'?`, or nothing when no known name is near."""
    match = get_close_matches(word.lower(), [*known], n=1)
    return f"; did you mean '{match[0]}'?" if match else ""


def listed(names: Iterable[str]) -> str:
    """`['judge', 'teacher']`: names as messages show them."""
    return f"[{', '.join(repr(name) for name in names)}]"
