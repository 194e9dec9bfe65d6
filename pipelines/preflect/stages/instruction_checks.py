"""Whether a made-up instruction can stand in a dataset: it is one, and it can be answered from what it holds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from preflect.grading import is_refusal
from preflect.prompts import is_placeholder
from preflect.scoring.near_duplicates import words

MIN_WORDS: Final = 3
MAX_WORDS: Final = 600

_PICTURE: Final = (
    r"(?:image|picture|photo(?:graph)?|screenshot|video(?:\s+clip)?|audio(?:\s+(?:clip|file))?|recording|attachment)s?"
)
_MISSING: Final = re.compile(
    rf"\b(?:attached|enclosed|uploaded|following|given|provided|above|below|shown)\s+(?:\w+\s+)?{_PICTURE}\b"
    rf"|\bthe\s+{_PICTURE}\s+(?:above|below|shown|attached|provided)\b|\b(?:this|these)\s+{_PICTURE}\b"
    r"|\bin\s+the\s+(?:image|picture|photo(?:graph)?|video|screenshot)\b"
    r"|\b(?:attached|uploaded)\s+(?:\w+\s+)?(?:file|document|pdf)s?\b"
    r"|\b(?:click|follow|visit|open)\s+(?:on\s+)?(?:the|this)\s+(?:link|url|website|page|web\s*page)\b"
    r"|\b(?:at|from|visit|open|read|link:?)\s+(?:\w+\s+){0,3}https?://",
    re.IGNORECASE,
)
_WORK: Final = (
    r"(?:text|passage|paragraph|article|story|poem|e-?mail|letter|sentence|list|table|code|snippet|function|data"
    r"|conversation|dialogue|excerpt|review|number|word|document|essay|report|quote)s?"
)
_BEFORE: Final = re.compile(
    rf"\b(?:above|previous|preceding)\s+{_WORK}\b|\b(?:the|this)\s+{_WORK}\s+above\b", re.IGNORECASE
)
_AFTER: Final = re.compile(
    rf"\b(?:following|given|provided)\s+(?:\w+\s+)?{_WORK}\b|\b(?:the|this)\s+{_WORK}\s+(?:below|provided)\b",
    re.IGNORECASE,
)
_MATERIAL: Final = re.compile(r"[:\n]\s*\S|[\"\u201c\u00ab`'\u2018(\[]\s*\w|\d")
_TEXT_BEFORE: Final = re.compile(r"[\n:\"\u201c\u2018`]|(?:^|\s)'")
_ASK: Final = (
    r"\b(?:what(?:'s|\s+is|\s+are)|how(?:'s|\s+is)|tell\s+me|check|look\s+up|find(?:\s+out)?|give\s+me|report|show\s+me"
    r"|summari[sz]e)\s+(?:about\s+)?(?:the\s+)?"
)
_NOW: Final = re.compile(
    rf"{_ASK}(?:current|latest|live|real-time|breaking|today's)\s+(?:\w+\s+){{0,3}}"
    r"(?:time|date|weather|temperature|news|headlines|prices?|scores?|stock|exchange\s+rate|events|traffic|results)\b"
    rf"|{_ASK}weather\b[^.?!]{{0,40}}\b(?:right\s+now|today|tomorrow|outside|this\s+weekend)\b"
    r"|\bwhat\s+(?:time|day|date)\s+is\s+it\s*(?:right\s+now|now|today)?\s*\?",
    re.IGNORECASE,
)
# Only at the start: "I sold 3 of my 10 hens. What is my profit?" holds all that is needed.
_PERSONAL: Final = re.compile(
    r"(?:please\s+|hey,?\s+)?(?:(?:what(?:'s|\s+is)|who(?:'s|\s+is)|where(?:'s|\s+is)|when(?:'s|\s+is))\s+my\s+\w+"
    r"|(?:where|who|how\s+old)\s+am\s+i\b|where\s+do\s+i\s+live\b|what\s+did\s+i\b"
    r"|what(?:'s|\s+is)\s+your\s+(?:name|age|favou?rite|phone|address)\b"
    r"|remind\s+me\s+(?:to|in|at)\b|set\s+an?\s+(?:alarm|timer|reminder)|(?:call|text)\s+my\s+\w+|turn\s+(?:on|off)\s+the\b"
    r"|play\s+(?:some\s+)?music|book\s+(?:me\s+)?an?\s+(?:flight|table|hotel|room|ticket|taxi)"
    r"|order\s+(?:me\s+)?an?\s+(?:pizza|taxi|cab))",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why an instruction isn't accepted."""

    reason: str
    """`invalid_instruction` or `unanswerable`."""
    detail: str


def find_flaw(text: str, prompt_text: str) -> Flaw | None:
    """What is wrong with an instruction that a model wrote, asked by `prompt_text`; None if nothing is."""
    invalid = _invalid(text, prompt_text)
    if invalid:
        return Flaw("invalid_instruction", invalid)
    unanswerable = _unanswerable(text)
    return Flaw("unanswerable", unanswerable) if unanswerable else None


def _invalid(text: str, prompt_text: str) -> str | None:
    count = len(words(text))
    if not any(character.isalnum() for character in text):
        return "it holds no words"
    if not MIN_WORDS <= count <= MAX_WORDS:
        return f"it has {count} words; {MIN_WORDS} to {MAX_WORDS} are wanted"
    if is_placeholder(text) or re.match(r"\s*[\[<]\s*(?:insert|your|new|instruction)\b", text, re.IGNORECASE):
        return "it is a placeholder"
    if missing := _MISSING.search(text):
        return f"it speaks of {missing[0]!r}, which is not there"
    if " ".join(words(text)) in " ".join(words(prompt_text)):
        return "it repeats the request for instructions"
    return "it is a refusal" if is_refusal(text) else None


def _unanswerable(text: str) -> str | None:
    if (before := _BEFORE.search(text)) and not _TEXT_BEFORE.search(text, 0, before.start()):
        return f"it works on {before[0]!r}, and nothing stands before it"
    if (after := _AFTER.search(text)) and not _MATERIAL.search(text, after.end()):
        return f"it works on {after[0]!r}, and nothing follows"
    if unknowable := _NOW.search(text) or _PERSONAL.match(text.strip()):
        return f"{unknowable[0]!r} cannot be known or done from the words alone"
    return None
