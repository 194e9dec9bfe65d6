"""Constraints on the layout of an answer, as Markdown shows it."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import AliasChoices, Field

from preflect.grading.constraints.base import Verifier
from preflect.grading.documents import JsonTextError, read_json
from preflect.grading.text import fold

_BULLET: Final = re.compile(r"^[^\S\n]*[-*+•][^\S\n]+\S", re.MULTILINE)
_RULE: Final = re.compile(r"^[^\S\n]*([-*_])(?:[^\S\n]*\1){2,}[^\S\n]*$", re.MULTILINE)
_BOLD: Final = re.compile(r"(?<![*\w])\*\*(?=[^\s*])[^*\n]{0,999}(?<=[^\s*])\*\*(?![*\w])")
_ITALIC: Final = re.compile(r"(?<![*\w])\*(?=[^\s*])[^*\n]{0,999}(?<=[^\s*])\*(?![*\w])")
_TITLE: Final = re.compile(r"<<[^<>\n]*[^<>\s][^<>\n]*>>")
_WHOLE_FENCE: Final = re.compile(r"\s*```[^\n]*\n(.*?)\n?[^\S\n]*```\s*", re.DOTALL)
_CONSTRAINED: Final = re.compile(r"\bmy answer is (yes|no|maybe)\b\.?", re.IGNORECASE)


class NumberOfBullets(Verifier):
    """Exactly so many bullet points (`* `, `- `, `+ ` or `• ` at the start of a line)."""

    num_bullets: int = Field(ge=0)

    def met(self, answer: str) -> bool:
        return len(_BULLET.findall(_RULE.sub("", answer))) == self.num_bullets


class HighlightedSections(Verifier):
    """At least so many spans in `*…*` or `**…**`."""

    num_highlights: int = Field(ge=1)

    def met(self, answer: str) -> bool:
        italic, bold = _BOLD.subn("", answer)
        return bold + len(_ITALIC.findall(italic)) >= self.num_highlights


class Title(Verifier):
    """A title in `<<…>>`."""

    def met(self, answer: str) -> bool:
        return _TITLE.search(answer) is not None


class JsonFormat(Verifier):
    """The whole answer is one JSON document, bare or in one fence."""

    def met(self, answer: str) -> bool:
        fenced = _WHOLE_FENCE.fullmatch(answer)
        try:
            read_json(fenced[1] if fenced else answer)
        except JsonTextError:
            return False
        return True


class MultipleSections(Verifier):
    """At least so many sections, each opened by a line such as `Section 2` with the given word."""

    # IFEval spells the argument without the second t.
    section_splitter: Annotated[
        str, Field(pattern=r"\S", validation_alias=AliasChoices("section_spliter", "section_splitter"))
    ]
    num_sections: int = Field(ge=1)

    def met(self, answer: str) -> bool:
        opener = rf"^[\s#*_>]*{re.escape(self.section_splitter.strip())}[^\S\n]*(\d+|[IVXLC]+)\b"
        return len(set(re.findall(opener, answer, re.IGNORECASE | re.MULTILINE))) >= self.num_sections


class ConstrainedResponse(Verifier):
    """Exactly one of "My answer is yes.", "… no.", "… maybe."."""

    def met(self, answer: str) -> bool:
        return len({found.casefold() for found in _CONSTRAINED.findall(fold(answer))}) == 1
