"""Which tokens of a target are scored, with and without the prompt."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Final

from preflect.errors import UnscorableError

_FEWEST: Final = 2
"""One token's likelihood says more about its spelling than about the text."""


@dataclass(frozen=True)
class Pass:
    """One sequence to run through a model, of which the tokens from `first` on are scored."""

    ids: tuple[int, ...]
    first: int

    @property
    def tokens(self) -> int:
        """How many tokens are scored."""
        return len(self.ids) - self.first

    @cached_property
    def packed(self) -> bytes:
        """The ids as integers of 32 bits, side by side: what arrays are made of."""
        return array("i", self.ids).tobytes()

    def digest(self) -> bytes:
        """What tells it from every other one, in 16 bytes."""
        return blake2b(self.packed, digest_size=16, salt=self.first.to_bytes(8, "little")).digest()


def scored_length(length: int, room: int, *, unpredicted: int = 0) -> int:
    """How many of a target's `length` tokens are kept when `room` are left behind the prompt.

    Args: unpredicted is how many of them are left out of the score because nothing stands before them.
    Raises: UnscorableError: the target is empty, or fewer than two tokens of it would be scored, cut or not.
    """
    fewest = _FEWEST + unpredicted
    if length < fewest:
        raise UnscorableError("unscorable:one_token" if length else "unscorable:empty")
    if room < fewest:
        raise UnscorableError("unscorable:cut_away")
    return min(length, room)


def passes_after_bos(
    prefix: Sequence[int], joint: Sequence[int], alone: Sequence[int], *, bos: int, max_length: int
) -> tuple[Pass, Pass]:
    """The conditioned and the unconditioned pass where `alone` begins with `bos` tokens of the tokenizer's own.

    As the originals do it: the first `len(prefix)` tokens of `joint` are masked, and the bare target is cut to
    `max_length - len(prefix)` tokens, so both passes end at the same place.

    Raises: UnscorableError: too few tokens are left.
    """
    kept = scored_length(len(alone) - bos, max_length - len(prefix))
    conditioned = Pass(tuple(joint[:max_length]), len(prefix))
    if conditioned.tokens < _FEWEST:
        raise UnscorableError("unscorable:merged_with_prompt")
    return conditioned, Pass(tuple(alone[: bos + kept]), bos)


def passes_without_bos(
    prefix: Sequence[int], joint: Sequence[int], alone: Sequence[int], *, max_length: int
) -> tuple[Pass, Pass]:
    """The conditioned and the unconditioned pass where no token stands before the bare target.

    Nothing predicts the bare target's first token, so it is left out of both passes; and where its first word is cut
    into other tokens behind the prompt, the tokens that both passes share are scored, so the counts are always equal.

    Raises: UnscorableError: too few tokens are left.
    """
    scored_length(len(alone), max_length - len(prefix), unpredicted=1)
    shared = _shared_tail(joint, alone, most=min(len(joint) - len(prefix), len(alone) - 1))
    first = len(joint) - shared
    kept = min(len(joint), max_length) - first
    if kept < _FEWEST:
        raise UnscorableError("unscorable:merged_with_prompt")
    start = len(alone) - shared
    return Pass(tuple(joint[: first + kept]), first), Pass(tuple(alone[: start + kept]), start)


def _shared_tail(left: Sequence[int], right: Sequence[int], most: int) -> int:
    # As nearly always: nothing merged.
    if left[len(left) - most :] == right[len(right) - most :]:
        return most
    length = 0
    while length < most and left[-1 - length] == right[-1 - length]:
        length += 1
    return length
