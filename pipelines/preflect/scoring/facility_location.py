"""The few that stand best for all: greedy facility location."""

from __future__ import annotations

import heapq
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float64]

_BLOCK: Final = 256
"""Similarities to so many vectors in memory at once."""


def facility_location(vectors: Vectors, count: int) -> list[int]:
    """Rows of `vectors` that maximise the sum, over all rows, of the similarity to the nearest one chosen.

    Similarity is the scalar product, or 0 where that is negative; so vectors of length 1 are compared by cosine. Each
    choice is the one that adds most (the first of equals), which is within 1 - 1/e of the best there is (Nemhauser et
    al. 1978). What a row adds only shrinks as others are chosen, so old sums are bounds and few are made anew (Minoux
    1978); the table of all similarities is never made.

    Returns: min(count, rows) indices in the order in which they were chosen.
    """
    nearest = np.zeros(len(vectors))
    bounds = [(-gain, row) for row, gain in enumerate(_first_gains(vectors))]
    heapq.heapify(bounds)
    chosen: list[int] = []
    while bounds and len(chosen) < count:
        _, row = heapq.heappop(bounds)
        similar = vectors @ vectors[row]
        gain = float(np.maximum(similar - nearest, 0.0).sum())
        if bounds and (-gain, row) > bounds[0]:
            heapq.heappush(bounds, (-gain, row))
            continue
        chosen.append(row)
        nearest = np.maximum(nearest, similar)
    return chosen


def _first_gains(vectors: Vectors) -> list[float]:
    blocks: Any = (vectors[start : start + _BLOCK] for start in range(0, len(vectors), _BLOCK))
    return [float(gain) for block in blocks for gain in np.maximum(vectors @ block.T, 0.0).sum(axis=0)]
