r"""The parts of an answer that it marks as its final answer: `#### …`, `\boxed{…}`, `The answer is …`."""

from __future__ import annotations

import re
from typing import Final

_HASHES: Final = re.compile(r"####[^\S\n]*([^\n]*)")
_BOXES: Final = ("\\boxed{", "\\fbox{")
_ANSWER: Final = re.compile(
    r"\b(?:answer|option|choice)\b(?:\s+to\s+[^\n.:]{1,80})?\s*(?:(?:is|was|are|equals)\b|[:=])\s*:?\s*", re.IGNORECASE
)
_SENTENCE_END: Final = re.compile(r"(?<=[^\s])[.!?](?=\s|$)|\n")


def marked_parts(text: str) -> list[str]:
    """The last part behind each kind of mark, the most explicit kind first; emphasis marks should be gone before."""
    return [part for part in (_behind_hashes(text), _in_box(text), _behind_answer(text)) if part and part.strip()]


def _behind_hashes(text: str) -> str | None:
    found = _HASHES.findall(text)
    return found[-1] if found else None


def _in_box(text: str) -> str | None:
    start = max(text.rfind(box) + len(box) if box in text else -1 for box in _BOXES)
    if start < 0:
        return None
    depth = 1
    for offset, char in enumerate(text[start:]):
        depth += {"{": 1, "}": -1}.get(char, 0)
        if depth == 0:
            return text[start : start + offset]
    return None


def _behind_answer(text: str) -> str | None:
    last = None
    for last in _ANSWER.finditer(text):  # noqa: B007 - only the last match matters
        pass
    if last is None:
        return None
    end = _SENTENCE_END.search(text, last.end())
    return text[last.end() : end.start() if end else len(text)]
