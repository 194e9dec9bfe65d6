"""An adaptive byte n-gram model: prediction by partial matching, blended over all orders.

Every context of up to `order` bytes keeps the bytes that followed it. The longest context speaks first and hands the
share `DISCOUNT * kinds / total` down to the next shorter one (PPM's escape, as interpolated absolute discounting), the
empty one to 256 equal bytes; so the probabilities over all bytes sum to 1 at every position. Nothing is excluded and
all orders are updated: on texts of a kilobyte that lost nothing in telling matched from shuffled pairs.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from typing import Final

from preflect.scoring.plain_text import PLAIN_TEXT

DISCOUNT: Final = 0.75
"""Taken from each count and given to shorter contexts; must lie between 0 and 1."""
_UNIFORM: Final = 1 / 256


class ByteModel:
    """A lexical stand-in for a student: it learns from the prompt and nothing but the prompt, letter by letter."""

    def __init__(self, order: int = 5) -> None:
        self._order = order
        self._plain = _Memory(order)
        self._plain.read(PLAIN_TEXT.encode())

    @property
    def revision(self) -> str:
        """Names everything that a score depends on: order, discount and the text read beforehand."""
        parts = f"{self._order} {DISCOUNT} {PLAIN_TEXT}"
        return hashlib.blake2b(parts.encode(), digest_size=6).hexdigest()

    def nll(self, prefix: bytes, target: bytes) -> float:
        """Mean negative log-likelihood of `target` after `prefix`, in nats per byte. Raises: ValueError: no target."""
        if not target:
            raise ValueError("the target is empty; a mean over no bytes does not exist")
        memory = self._plain.fresh_page()
        memory.read(prefix)
        return math.fsum(memory.read(target)) / len(target)


@dataclass(slots=True)
class _Memory:
    """What has been read so far, as one stream of bytes."""

    order: int
    counts: dict[bytes, int] = field(default_factory=dict[bytes, int])
    """How often each string of up to order + 1 bytes occurred: a context and the byte that followed it."""
    more_kinds: dict[bytes, int] = field(default_factory=dict[bytes, int])
    """Different bytes seen after a context, less one: most contexts have one, and need no entry."""
    contexts: list[bytes] = field(default_factory=lambda: [b""])
    """The last 0, 1, … `order` bytes."""
    totals: list[int] = field(default_factory=lambda: [0])
    """How often each of `contexts` was seen before: the sum of the counts of what followed it."""

    known_counts: dict[bytes, int] = field(default_factory=dict[bytes, int])
    """What was read before this memory began, and is never written to: most texts are short, and a copy is long."""
    known_kinds: dict[bytes, int] = field(default_factory=dict[bytes, int])

    def fresh_page(self) -> _Memory:
        """A memory that goes on from here and leaves this one, which began with nothing, as it is."""
        return _Memory(
            self.order,
            contexts=self.contexts,
            totals=self.totals,
            known_counts=self.counts,
            known_kinds=self.more_kinds,
        )

    def read(self, data: bytes) -> list[float]:
        """The cost of each byte in nats, each byte being learnt after it is paid for."""
        return [self._read_byte(data[i : i + 1]) for i in range(len(data))]

    def _read_byte(self, byte: bytes) -> float:
        counts, more_kinds = self.counts, self.more_kinds
        known_counts, known_kinds = self.known_counts, self.known_kinds
        probability = _UNIFORM
        contexts, totals = [b""], [self.totals[0] + 1]
        for context, total in zip(self.contexts, self.totals, strict=True):
            string = context + byte
            count = 0
            if total:
                count = counts.get(string) or known_counts.get(string, 0)
                kinds = (more_kinds.get(context) or known_kinds.get(context, 0)) + 1
                probability *= DISCOUNT * kinds
                if count:
                    probability += count - DISCOUNT
                else:
                    more_kinds[context] = kinds
                probability /= total
            counts[string] = count + 1
            contexts.append(string)
            # A string's count before this byte is how often it was seen as a context before: no second look-up.
            totals.append(count)
        self.contexts, self.totals = contexts[: self.order + 1], totals[: self.order + 1]
        return -math.log(probability)
