"""Texts as vectors without a model: which words and pairs of words they share."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from preflect.scoring.facility_location import Vectors

_WIDTH: Final = 512
_WORD: Final = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class HashedText:
    """Implements `preflect.ports.Embedder` by tf-idf over hashed words and pairs of words (Weinberger et al. 2009)."""

    name: str = "hashed"

    def embed(self, texts: Sequence[str]) -> Vectors:
        """A vector of length 1 for each text, or zeros without words; what is rare among these texts counts more."""
        counts = [Counter(_features(text)) for text in texts]
        spread = Counter(feature for count in counts for feature in count)
        vectors = np.zeros((len(texts), _WIDTH))
        for vector, count in zip(vectors, counts, strict=True):
            for feature, times in count.items():
                place, sign = _slot(feature)
                vector[place] += sign * (1 + math.log(times)) * (1 + math.log(len(texts) / spread[feature]))
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.divide(vectors, lengths, out=vectors, where=lengths > 0)


def _features(text: str) -> list[str]:
    words = [word.lower() for word in _WORD.findall(text)]
    return [*words, *(f"{one} {next_one}" for one, next_one in pairwise(words))]


def _slot(feature: str) -> tuple[int, int]:
    number = int.from_bytes(hashlib.blake2b(feature.encode("utf-8", "replace"), digest_size=4).digest(), "big")
    # The lowest bit is the sign: features that meet in one place cancel as often as they add up.
    return (number >> 1) % _WIDTH, 1 if number & 1 else -1
