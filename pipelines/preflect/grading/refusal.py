"""Whether a text refuses what it was asked for."""

from __future__ import annotations

import re
from typing import Final

_CANNOT: Final = (
    r"(?:can'?t|cannot|can\s+not|could\s+not|won'?t|will\s+not|(?:a|')m\s+(?:unable|not\s+able|not\s+allowed|not\s+permitted)\s+to"
    r"|(?:a|')m\s+not\s+(?:comfortable|going\s+to)|will\s+not\s+be\s+able\s+to|must\s+(?:\w+ly\s+)?decline\s+to)"
)
# What an assistant refuses. A person who declines an invitation "can't make it" or "can't come": that is an answer.
_SERVE: Final = (
    r"(?:(?:directly\s+)?(?:help(?:\s+you)?\s+(?:with|create|write|find|do)|help\s+you\s*[.,!]|assist|fulfil|comply|provide"
    r"|answer\s+(?:that|this|your|the)|complete\s+(?:that|this|your)|do\s+(?:that|this)\b|engage\s+(?:in|with)"
    r"|(?:generat|creat|writ|produc|shar|giv|offer|discuss|support|process|access|view|open|brows)\w*\s+(?:an?y?|that|this|such|"
    r"the|your|you|content|information|instructions|explicit|harmful|external|websites?|links?)\b))"
)
_SORRY: Final = (
    r"(?:(?:oh,?\s+)?(?:i'?m|i\s+am)\s+(?:\w+ly\s+|very\s+|so\s+)?sorry|sorry|(?:i|my)\s+(?:sincerely\s+)?apolog(?:ise|ize|ies)|i\s+regret"
    r"|unfortunately|regrettably|i\s+appreciate\s+[^.]{0,60})\s*[,.;:-]*\s*(?:but|however)?\s*,?\s*(?:but\s+)?"
)
_AS_AN_AI: Final = (
    r"as\s+an?\s+(?:ai|artificial\s+intelligence|(?:large\s+)?language\s+model)"
    r"(?:\s+(?:language\s+)?(?:model|assistant|system|chatbot))?(?:\s+(?:developed|created|trained|made)\s+[^.,!?]{0,40})?,?\s*"
)
_REFUSAL: Final = re.compile(
    rf"(?:no,?\s+)?(?:{_SORRY})?(?:{_AS_AN_AI})?i(?:\s+|')?{_CANNOT}\s+{_SERVE}"
    rf"|{_SORRY}(?:{_AS_AN_AI})?i\s+(?:don'?t|do\s+not)\s+(?:have|see)\s+(?:access|enough|any|the)\b"
    rf"|(?:{_SORRY})?i\s+must\s+(?:\w+ly\s+)?decline\s+(?:this|that|your|to\s+(?:help|assist|answer|provide))"
    r"|(?:i'?m\s+sorry[,.]?\s+(?:but\s+)?)?(?:this|that|your|the)\s+(?:request|content|prompt|question)\s+"
    r"(?:violates|goes\s+against|is\s+against|conflicts\s+with)",
    re.IGNORECASE,
)
_SHORT_OF_HELP: Final = re.compile(
    rf"(?:{_SORRY})?{_AS_AN_AI}i\s*(?:'?m\s+(?:not|un)|(?:a|')m\s+(?:not|un)|can'?t|cannot|don'?t|do\s+not|have\s+no|lack)",
    re.IGNORECASE,
)
_SHORT_WORDS: Final = 60
"""An answer that opens with what an AI lacks, and goes on for longer than this, has something else to say as well."""
_OPENING: Final = " \t\r\n\"'*_#>`“"


def is_refusal(text: str) -> bool:
    """Whether `text` opens as refusals (in English) do; an answer that is sorry for something else is none."""
    opening = text.replace("\u2019", "'").lstrip(_OPENING)[:400]
    if _REFUSAL.match(opening):
        return True
    return _SHORT_OF_HELP.match(opening) is not None and len(text.split()) <= _SHORT_WORDS
