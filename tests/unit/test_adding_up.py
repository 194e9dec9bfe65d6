"""Counts of parts add up to those of the whole, by way of JSON."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import orjson
from hypothesis import given
from hypothesis import strategies as st

from preflect.report.adding_up import added, plain


def no_pairs() -> tuple[array[float], array[float]]:
    return array("d"), array("d")


@dataclass
class Counts:
    """One of each kind there is in the report."""

    number: int = 0
    words: Counter[str] = field(default_factory=Counter[str])
    votes: dict[tuple[tuple[str, str], str], Counter[bool]] = field(default_factory=lambda: defaultdict(Counter[bool]))
    pairs: dict[str, tuple[array[float], array[float]]] = field(default_factory=lambda: defaultdict(no_pairs))

    def add(self, word: str, value: float) -> None:
        self.number += 1
        self.words[word] += 2
        self.votes[(word, "other"), "stage"][value > 0] += 1
        first, second = self.pairs[word]
        first.append(value)
        second.append(-value)


ITEMS = st.lists(st.tuples(st.sampled_from("abc"), st.floats(allow_nan=False, allow_infinity=False)), max_size=9)


def counts_of(items: list[tuple[str, float]]) -> Counts:
    counts = Counts()
    for item in items:
        counts.add(*item)
    return counts


@given(ITEMS, ITEMS)
def test_counts_of_two_parts_are_those_of_both_together(
    one: list[tuple[str, float]], other: list[tuple[str, float]]
) -> None:
    both = counts_of(one)
    added(both, orjson.loads(orjson.dumps(plain(counts_of(other)))))
    assert both == counts_of(one + other)
    assert list(both.words) == list(counts_of(one + other).words)
