"""Text that stands where an answer should be: `[insert answer here]`, `your response`, `TODO`."""

from __future__ import annotations

import re
from typing import Final

_ANSWER: Final = r"(?:answer|response|reply|output|result|solution|critique|criticism|rationale)s?"
_THING: Final = rf"(?:{_ANSWER}|(?:instruction|question|text|content)s?)"
_PUT: Final = r"(?:insert|add|put|write|enter|type|provide|place|fill\s+in|give)"
_LEAD: Final = (
    r"(?:(?:your|the|my|an?|new|own|full|final|complete|improved|better|revised|rewritten|actual|correct)\s+)"
)

# An unfilled gap within a longer text. A letter's "[Your Name]" is no such gap: it is the reader's to fill in.
_GAP: Final = re.compile(
    rf"[\[<]\s*(?:{_PUT}\s+{_LEAD}*{_THING}\b[^\]>\n]{{0,40}}|{_LEAD}*{_THING}\s+(?:goes\s+)?here"
    rf"|your\s+{_LEAD}*{_ANSWER})\s*[.…]*\s*[\]>]",
    re.IGNORECASE,
)
_WHOLE: Final = re.compile(
    rf"{_PUT}\s+{_LEAD}*{_THING}(?:\s+(?:goes\s+)?here)?|{_LEAD}*{_THING}\s+(?:goes\s+)?here|your\s+{_LEAD}*{_THING}"
    r"|todo(?:\s*:.*)?|tb[ad]|to\s+be\s+(?:added|filled(?:\s+in)?|determined|written)|placeholder(?:\s+\w+)?"
    r"|lorem\s+ipsum\b.*|n\s*/\s*a|x{3,}",
    re.IGNORECASE | re.DOTALL,
)
_BRACKETED: Final = re.compile(r"[\[<]\s*(?:insert|todo|tbd|your)\b[^\]>]*[\]>]", re.IGNORECASE)
_DOTS: Final = re.compile(r"[\[<(]?\s*(?:\.{2,}|…+|_{3,})\s*[\]>)]?")
_AROUND: Final = " \t\r\n*_`\"'#:;,.!…-[](){}<>"


def is_placeholder(text: str) -> bool:
    """Whether `text` is a placeholder, or an answer in which the gap for the answer was left open."""
    whole = text.strip()
    if _DOTS.fullmatch(whole) or _WHOLE.fullmatch(whole.strip(_AROUND)):
        return True
    # Most texts have no bracket at all, and looking for one costs next to nothing.
    bracketed = "[" in whole or "<" in whole
    return bracketed and bool(_BRACKETED.fullmatch(whole.strip(" *_`\"'.")) or _GAP.search(whole))
