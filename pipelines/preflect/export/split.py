"""Which rows train and which test: what shares an instruction stays together."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from preflect.grading.text import comparable, fold
from preflect.schemas import Instruction, Sample


class Split:
    """Samples grouped by the instructions they share, their own rewrites included.

    A group's side follows from the seed and the smallest of its samples' ids and its texts' hashes alone. So a sample
    keeps its side from one export to the next as long as its group is the same: a new sample that shares an instruction
    with it, or joins its group to another, may move it. A larger test fraction only ever moves rows from train to test.
    """

    def __init__(self, test_fraction: float, seed: int) -> None:
        self._test_fraction = test_fraction
        self._seed = seed
        self._parents: dict[str, str] = {}

    def add(self, sample_id: str, keys: Iterable[str]) -> None:
        """Take a sample in, with the keys of its instructions; when all are in, its id tells its side."""
        self._join([sample_id, *keys])

    def is_test(self, key: str) -> bool:
        """Whether the group of this key is tested on. Raises: KeyError for a key that was never given out."""
        if key not in self._parents:
            raise KeyError(key)
        digest = hashlib.blake2b(f"{self._seed}:{self._root(key)}".encode(), digest_size=8).digest()
        return int.from_bytes(digest) < self._test_fraction * 2**64

    def _join(self, keys: Iterable[str]) -> None:
        roots = sorted({self._root(key) for key in keys})
        for root in roots:
            # The smallest key names the group, so that the order of the samples means nothing.
            self._parents[root] = roots[0]

    def _root(self, key: str) -> str:
        parent = self._parents.setdefault(key, key)
        while parent != self._parents[parent]:
            self._parents[key] = self._parents[parent]
            key, parent = parent, self._parents[parent]
        return parent


def keys_of(sample: Sample) -> tuple[str, ...]:
    """One key to each of the sample's instructions; those that read alike have the same."""
    return tuple(map(_text_key, sample.instructions))


def _text_key(instruction: Instruction) -> str:
    turns = "\n".join(f"{turn.role}: {comparable(fold(turn.content))}" for turn in instruction.prompt)
    return "text:" + hashlib.blake2b(turns.encode(), digest_size=16).hexdigest()
