"""Near-duplicates by ROUGE-L: the F-measure of the longest common subsequence of words."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Final

from rapidfuzz import process
from rapidfuzz.distance import LCSseq

# Scripts without spaces between words: each character counts as a word.
_UNSPACED: Final = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0eff\u1780-\u17ff"
_WORD: Final = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")
_UNSEEN: Final = "\x00"
"""Encodes each word that no kept text has."""


def words(text: str) -> list[str]:
    """The lower-cased words of `text`, at least one: a text without words is a word itself."""
    lowered = text.lower()
    return _WORD.findall(lowered) or [lowered.strip()]


def rouge_l(first: str, second: str) -> float:
    """ROUGE-L F-measure of two texts, 2·LCS / (words of the one + words of the other), between 0 and 1.

    Source: Lin 2004, with equal weight for precision and recall.
    """
    one, other = words(first), words(second)
    return 2 * LCSseq.similarity(one, other) / (len(one) + len(other))


@dataclass(slots=True)
class NearDuplicates:
    """Texts that were kept, and which of them a new one nearly repeats.

    A text is kept as a string of one character per word, with others of its length: groups of a length that cannot be
    alike are passed over, and the rest is compared in compiled code.
    """

    max_similarity: float
    """ROUGE-L above which two texts are near-duplicates; equal texts always are."""
    _exact: dict[str, str] = field(default_factory=dict[str, str])
    _characters: dict[str, str] = field(default_factory=dict[str, str])
    _by_length: dict[int, tuple[list[str], list[tuple[int, str]]]] = field(
        default_factory=dict[int, tuple[list[str], list[tuple[int, str]]]]
    )
    _count: int = 0

    def add(self, text_id: str, text: str) -> None:
        """Keep `text`, to be found by later ones under `text_id`."""
        self._exact.setdefault(text, text_id)
        # Past a million different words, two may share a character: a likeness too many, never one too few.
        encoded = "".join(
            self._characters.setdefault(word, chr(1 + len(self._characters) % 0x10FFFF)) for word in words(text)
        )
        texts, ids = self._by_length.setdefault(len(encoded), ([], []))
        texts.append(encoded)
        ids.append((self._count, text_id))
        self._count += 1

    def nearest(self, text: str) -> tuple[float, str] | None:
        """Similarity and id of the kept text that is most like `text`, the oldest of equals.

        None where none is above `max_similarity` or equal.
        """
        encoded = "".join(self._characters.get(word, _UNSEEN) for word in words(text))
        found = [best for length in self._by_length if (best := self._best_of_length(encoded, length)) is not None]
        if not found:
            equal = self._exact.get(text)
            return None if equal is None else (1.0, equal)
        similarity, _, text_id = min(found, key=lambda best: (-best[0], best[1]))
        return similarity, text_id

    def _best_of_length(self, encoded: str, length: int) -> tuple[float, int, str] | None:
        total = length + len(encoded)
        # The common subsequence can be no longer than the shorter text.
        if 2 * min(length, len(encoded)) / total <= self.max_similarity:
            return None
        texts, ids = self._by_length[length]
        cutoff = max(1, math.floor(self.max_similarity * total / 2))
        best = process.extractOne(encoded, texts, scorer=LCSseq.similarity, processor=None, score_cutoff=cutoff)
        if best is None or 2 * best[1] / total <= self.max_similarity:
            return None
        order, text_id = ids[best[2]]
        return 2 * best[1] / total, order, text_id
