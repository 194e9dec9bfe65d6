"""What must not stand in a row: a template's tokens, a reflection's tags, the answer in its own prompt."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from preflect.export.turns import Turn
from preflect.grading import grade
from preflect.grading.marked import marked_parts
from preflect.grading.text import comparable, fold
from preflect.schemas import ChoiceGrader, GraderSpec, NumberGrader

_TOKENS: Final = re.compile(
    r"<\|[A-Za-z0-9_ ]{2,40}\|>|\[/?INST\]|<</?SYS>>|</?(?:start_of_turn|end_of_turn|bos|eos|pad)>|<｜[^｜]{2,40}｜>"  # noqa: RUF001 - so are some models' tokens written
)
_REFLECTION_TAGS: Final = re.compile(r"</?(?:think|thinking|reflection|reflect|output|critique)>", re.IGNORECASE)
# Shorter references stand in a prompt by chance, or because the task is to find them there.
_LONG_REFERENCE: Final = 60


def leaked_token(role: str, content: str) -> str | None:
    """A special token of a chat template, or in an answer a tag of the reflection format."""
    found = _TOKENS.search(content) or (_REFLECTION_TAGS.search(content) if role == "assistant" else None)
    return found.group() if found else None


def states_answer(prompt: Sequence[Turn], grader: GraderSpec | None, reference: str | None) -> bool:
    """Whether the prompt marks the reference answer as the answer, or holds a long one word for word."""
    if not reference or not reference.strip():
        return False
    expected = comparable(fold(reference))
    for turn in prompt:
        if any(_is_answer(part, expected, grader, reference) for part in marked_parts(turn.content)):
            return True
        if len(expected) >= _LONG_REFERENCE and expected in comparable(fold(turn.content)):
            return True
    return False


def _is_answer(part: str, expected: str, grader: GraderSpec | None, reference: str) -> bool:
    if isinstance(grader, NumberGrader | ChoiceGrader):
        return grade(grader, part, reference).score == 1.0
    return comparable(fold(part)).strip(" .!\"'*") == expected
