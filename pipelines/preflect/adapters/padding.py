"""Sequences of different lengths as one array."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from preflect.scoring.spans import Pass


def padded(batch: Sequence[Pass]) -> np.ndarray:
    """Token ids, shape (sequences, longest); what stands behind a sequence is its last token, and read by nobody."""
    longest = max(len(one.ids) for one in batch)
    ids = np.empty((len(batch), longest), dtype=np.int64)
    for row, one in zip(ids, batch, strict=True):
        row[: len(one.ids)] = np.frombuffer(one.packed, dtype=np.int32)
        row[len(one.ids) :] = one.ids[-1]
    return ids
