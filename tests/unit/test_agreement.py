"""How far two students agree."""

from __future__ import annotations

from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflect.scoring.agreement import agreement

values = st.lists(st.tuples(st.floats(0.1, 3), st.floats(0.1, 3)), min_size=2, max_size=20)


def test_ranks_are_correlated_and_sides_of_one_compared() -> None:
    # Ranks 1 2 3 4 5 and 2 1 4 3 5: the squares of their differences sum to 4, and 1 - 6 * 4 / (5 * 24) = 0.8.
    found = agreement([0.1, 0.2, 0.3, 0.4, 1.5, nan], [0.8, 0.7, 1.1, 0.9, 9.0, 0.5])
    assert found.rows == 5
    assert found.spearman == pytest.approx(0.8, rel=1e-12)
    assert found.disagree == pytest.approx(1 / 5)


@given(values)
def test_a_student_agrees_with_itself_and_both_ways_alike(couples: list[tuple[float, float]]) -> None:
    first, second = zip(*couples, strict=True)
    own = agreement(first, first)
    assert own.disagree == 0
    assert own.spearman is None if len(set(first)) == 1 else own.spearman == pytest.approx(1)
    one, other = agreement(first, second), agreement(second, first)
    assert (one.rows, one.disagree) == (other.rows, other.disagree)
    assert one.spearman == pytest.approx(other.spearman) if one.spearman is not None else other.spearman is None


@pytest.mark.parametrize(("first", "second"), [([], []), ([nan], [1.0]), ([0.5], [0.6]), ([0.5, 0.5], [0.5, 0.6])])
def test_without_ranks_there_is_no_correlation(first: list[float], second: list[float]) -> None:
    assert agreement(first, second).spearman is None
