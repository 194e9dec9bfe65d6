# ruff: noqa: RUF001 - typographic characters are what is looked for here
"""How graders read plain text: folded, and cut into words, sentences and paragraphs."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import pairwise
from typing import Final

_WORD: Final = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*")
_BLANK_LINE: Final = re.compile(r"\n[^\S\n]*\n")
_LIST_ITEM: Final = re.compile(r"[^\S\n]*(?:[-*+•]|\d{1,3}[.)])[^\S\n]+(?=\S)")
_STOP: Final = re.compile(r"[.!?…]+[\"'”’»)\]*_]*(?=\s|$)|[。！？]+[”’」』）]*")
_ABBREVIATIONS: Final = """mr mrs ms dr prof st sr jr vs etc e.g i.e cf al fig no vol pp approx inc ltd co dept est
    min max u.s u.k a.m p.m"""
_ABBREVIATED: Final = frozenset(_ABBREVIATIONS.split())
# Scripts written without spaces, where a phrase has no edges to look for.
_UNSPACED: Final = r"぀-ヿ㐀-䶿一-鿿豈-﫿฀-๿"

_UNSEEN: Final = {"Cc", "Cf"}
_BLANK_LETTERS: Final = "\u034f\u115f\u1160\u2800\u3164\uffa0"
"""Fillers that Unicode calls letters, marks or symbols."""


def fold(text: str) -> str:
    """NFKC, each run of white space one space, none at the ends; the case stays."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def same_text(first: str, second: str) -> bool:
    """Whether two texts differ in white space and case at most."""
    return comparable(first) == comparable(second)


def comparable(text: str) -> str:
    """What two texts must share to count as the same."""
    return " ".join(text.split()).casefold()


def is_blank(text: str) -> bool:
    """Whether nothing of the text is seen: white space, control and zero-width characters count as nothing."""
    return all(map(_is_unseen, text))


@lru_cache(maxsize=4096)
def _is_unseen(char: str) -> bool:
    return char.isspace() or unicodedata.category(char) in _UNSEEN or char in _BLANK_LETTERS


def words(text: str) -> list[str]:
    """Words as a reader counts them: `don't` and `well-known` are one each."""
    return _WORD.findall(text)


@lru_cache(maxsize=1024)
def phrase_pattern(phrase: str, *, ignore_case: bool = True) -> re.Pattern[str]:
    """Finds the folded phrase as whole words in folded text: `5` is not in `15` or `1.5`, `art` not in `party`."""
    before = rf"(?<![^\W{_UNSPACED}])(?<!\d[.,])" if _needs_edge(phrase[:1]) else ""
    after = rf"(?![^\W{_UNSPACED}])(?![.,]\d)" if _needs_edge(phrase[-1:]) else ""
    return re.compile(before + re.escape(phrase) + after, re.IGNORECASE if ignore_case else 0)


def count_phrase(phrase: str, text: str) -> int:
    """How often the phrase occurs in the text, as whole words in any case."""
    folded = fold(phrase)
    return sum(1 for _ in phrase_pattern(folded).finditer(fold(text))) if folded else 0


def _needs_edge(char: str) -> bool:
    return char.isalnum() and not re.match(f"[{_UNSPACED}]", char)


def paragraphs(text: str) -> list[str]:
    """What stands between blank lines."""
    return [part.strip() for part in _BLANK_LINE.split(text.replace("\r\n", "\n")) if part.strip()]


def sentences(text: str) -> list[str]:
    """Sentences by their closing marks; a paragraph and a list item end one too, an abbreviation doesn't."""
    return [sentence for block in _blocks(text) for sentence in _split_block(block) if words(sentence)]


def _blocks(text: str) -> list[str]:
    blocks: list[str] = []
    for paragraph in paragraphs(text):
        blocks.append("")
        for line in paragraph.splitlines():
            item = _LIST_ITEM.match(line)
            if item:
                blocks.append(line[item.end() :])
            else:
                blocks[-1] += f" {line}"
    return blocks


def _split_block(block: str) -> list[str]:
    ends = [stop.end() for stop in _STOP.finditer(block) if _ends_sentence(block, stop)]
    return [block[start:end].strip() for start, end in pairwise([0, *ends, len(block)])]


def _ends_sentence(block: str, stop: re.Match[str]) -> bool:
    if stop.group()[0] in "!?。！？":
        return True
    after = block[stop.end() : stop.end() + 40].lstrip()
    if after and after[0].islower():
        return False
    before = block[max(0, stop.start() - 20) : stop.start()].split()
    last = before[-1].lstrip("(\"'“‘*_").casefold() if before else ""
    is_initial = len(last) == 1 and last.isalpha() and last != "i"
    return not after or not (is_initial or last in _ABBREVIATED)
