"""What changed between two texts, word by word."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Final, Literal

from rapidfuzz.distance import Indel

Kind = Literal["same", "removed", "added"]

_TOKEN: Final = re.compile(r"\s+|\w+|[^\w\s]")
_MOST_WORDS_OF_AN_ISLAND: Final = 2


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of text that stayed, went or came."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class _Block:
    """Words that stand in both texts, or words that others took the place of."""

    same: bool
    old: str
    new: str

    @property
    def size(self) -> int:
        return max(len(self.old), len(self.new))


def word_difference(before: str, after: str) -> tuple[Segment, ...]:
    """The longest common sequence of words, with what went before what came at each place.

    The segments that are not `added` spell `before`; those that are not `removed` spell `after`.
    """
    blocks = _without_islands(list(_blocks(_TOKEN.findall(before), _TOKEN.findall(after))))
    return tuple(
        segment
        for same, group in groupby(blocks, lambda b: b.same)
        for segment in _segments(same=same, blocks=[*group])
    )


def _blocks(old: list[str], new: list[str]) -> Iterator[_Block]:
    for same, group in groupby(Indel.opcodes(old, new), lambda operation: operation.tag == "equal"):
        operations = list(group)
        first, last = operations[0], operations[-1]
        yield _Block(same, "".join(old[first.src_start : last.src_end]), "".join(new[first.dest_start : last.dest_end]))


def _without_islands(blocks: list[_Block]) -> Iterator[_Block]:
    # A space or an `of` that happens to stand in both texts would cut a rewritten passage into confetti.
    for place, block in enumerate(blocks):
        inside = 0 < place < len(blocks) - 1
        if block.same and inside and _is_island(block, min(blocks[place - 1].size, blocks[place + 1].size)):
            yield _Block(same=False, old=block.old, new=block.new)
        else:
            yield block


def _is_island(block: _Block, neighbour: int) -> bool:
    words = block.old.split()
    return "\n" not in block.old and len(words) <= _MOST_WORDS_OF_AN_ISLAND and len(block.old.strip()) <= neighbour


def _segments(*, same: bool, blocks: list[_Block]) -> Iterator[Segment]:
    old, new = "".join(b.old for b in blocks), "".join(b.new for b in blocks)
    parts = (Segment("same", old),) if same else (Segment("removed", old), Segment("added", new))
    return (part for part in parts if part.text)
