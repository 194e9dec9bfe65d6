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
# These look like HTML or headings as well, so code is not searched for them, nor `<s>struck</s>` within a line.
_LOOKALIKES: Final = re.compile(
    r"</?s>|<unk>|</?tool_call>|^### (?:Instruction|Response|Human|Assistant):", re.MULTILINE
)
_CODE: Final = re.compile(r"^(`{3,}|~{3,}).*?(?:^\1|\Z)|(`+)[^`\n]+\2", re.MULTILINE | re.DOTALL)
_STRUCK: Final = re.compile(r"<s>[^<>\n]+</s>")
# What follows the question and says what comes out: "It is 5.", "2 + 3 = 5".
_RESULT: Final = re.compile(
    r"(?:\b(?:it|that|this)(?:['\u2019]s|\s+(?:is|was|equals|makes))"
    r"|\b(?:answer|result|sum|total|difference|product|quotient|solution|value)\s+(?:(?:should|must|will)\s+be|is|was|equals)"
    r"|=)\s*:?\s*(?P<part>.+?)[.!)\]]*$",
    re.IGNORECASE,
)
_STATEMENT: Final = re.compile(r"^[^,;:]{1,60}?\b(?:is|are|was|were)\s+(?P<part>[^,;:]{12,}?)[.!)\]]*$", re.IGNORECASE)
_SENTENCE_END: Final = re.compile(r"(?<=[.!])\s+|\n+")
# Shorter references stand in a prompt by chance, or because the task is to find them there.
_LONG_REFERENCE: Final = 60


def leaked_token(role: str, content: str) -> str | None:
    """A special token of a chat template, or in an answer a tag of the reflection format."""
    found = (
        _TOKENS.search(content)
        or (_LOOKALIKES.search(content) and _LOOKALIKES.search(_without_markup(content)))
        or (_REFLECTION_TAGS.search(content) if role == "assistant" else None)
    )
    return found.group() if found else None


def _without_markup(content: str) -> str:
    """The text without its code and what it strikes through; a whole answer between `<s>` and `</s>` stays."""
    text = _CODE.sub(" ", content)
    return text if _STRUCK.fullmatch(text.strip()) else _STRUCK.sub(" ", text)


def states_answer(prompt: Sequence[Turn], grader: GraderSpec | None, reference: str | None) -> bool:
    """Whether the prompt says what the reference answer is, or holds a long one word for word.

    It says so where it marks an answer as graders look for one, or where a statement after the question has it. An
    answer that stands elsewhere in the prompt may be what is to be found there.
    """
    if not reference or not reference.strip():
        return False
    expected = comparable(fold(reference))
    for turn in prompt:
        parts = [*marked_parts(turn.content), *_stated(turn.content, grader)]
        if any(_is_answer(part, expected, grader, reference) for part in parts):
            return True
        if len(expected) >= _LONG_REFERENCE and expected in comparable(fold(turn.content)):
            return True
    return False


def _stated(content: str, grader: GraderSpec | None) -> list[str]:
    _, question, after = content.rpartition("?")
    sentences = [part.strip() for part in _SENTENCE_END.split(after.strip(" \n()[]")) if part.strip()]
    # Without a question mark the task itself is a statement: only the last one can be its answer.
    found = [_RESULT.search(sentence) for sentence in (sentences if question else sentences[-1:])]
    results = [match["part"] for match in found if match]
    if isinstance(grader, NumberGrader):
        # "It is 3 more than 5" is a condition; "It is 5 euros" is not.
        return [part for part in results if len(part.split()) <= 2]  # noqa: PLR2004
    if question and len(sentences) == 1 and (match := _STATEMENT.search(sentences[0])):
        return [*results, match["part"]]
    return results


def _is_answer(part: str, expected: str, grader: GraderSpec | None, reference: str) -> bool:
    if isinstance(grader, NumberGrader | ChoiceGrader):
        return grade(grader, part, reference).score == 1.0
    return comparable(fold(part)).strip(" .!\"'*") == expected
