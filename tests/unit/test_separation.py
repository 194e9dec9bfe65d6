"""How well a student tells matched pairs from shuffled ones."""

from __future__ import annotations

import tracemalloc
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preflect.scoring.separation import separation

scores = st.floats(min_value=0.01, max_value=10)
couples = st.lists(st.tuples(scores, scores), min_size=2, max_size=30)


def test_the_area_is_the_share_of_couples_in_the_right_order() -> None:
    # 1 is below 2, 4 and 6; 2 ties with 2 and is below the others; 3 is below 4 and 6: 3 + 2.5 + 2 of 9.
    found = separation([1, 2, 3], [2, 4, 6])
    assert found.auc == pytest.approx(7.5 / 9, rel=1e-12)
    assert found.auc_low <= found.auc <= found.auc_high
    assert (found.pairs, found.below_one_matched, found.below_one_shuffled) == (3, 0, 0)


def test_the_threshold_lets_one_shuffled_pair_in_twenty_below_it() -> None:
    found = separation([0.5] * 30 + [1.5] * 10, [1 + n / 100 for n in range(40)])
    assert found.threshold == 1.02
    assert found.below_threshold_matched == 0.75
    assert (found.below_one_matched, found.below_one_shuffled) == (0.75, 0)


def test_ten_of_ten_is_no_proof_of_a_perfect_student() -> None:
    # The chance p with p ** 10 == 0.025.
    found = separation([0.5] * 10, [2.0] * 10)
    assert (found.auc, found.auc_high) == (1, 1)
    assert found.auc_low == pytest.approx(0.6915029, rel=1e-6)
    turned = separation([2.0] * 10, [0.5] * 10)
    assert (turned.auc, turned.auc_low) == (0, 0)
    assert turned.auc_high == pytest.approx(1 - 0.6915029, rel=1e-6)


@settings(max_examples=25)
@given(couples)
def test_the_area_agrees_with_counting_and_is_turned_round_with_the_pairs(values: list[tuple[float, float]]) -> None:
    matched, shuffled = [one for one, _ in values], [other for _, other in values]
    counted = sum((m < s) + (m == s) / 2 for m, s in product(matched, shuffled)) / len(values) ** 2
    found = separation(matched, shuffled)
    assert found.auc == pytest.approx(counted, abs=1e-12)
    assert separation(shuffled, matched).auc == pytest.approx(1 - counted, abs=1e-12)
    assert 0 <= found.auc_low <= found.auc_high <= 1
    assert sum(value < found.threshold for value in shuffled) <= 0.05 * len(values)


def test_more_pairs_say_it_more_closely_and_the_same_seed_says_the_same() -> None:
    some = [(n % 7 / 5, n % 11 / 5) for n in range(1, 41)]
    few, many = separation(*zip(*some, strict=True)), separation(*zip(*(some * 10), strict=True))
    assert few.auc == pytest.approx(many.auc)
    assert many.auc_high - many.auc_low < (few.auc_high - few.auc_low) / 2
    assert separation(*zip(*some, strict=True)) == few


def test_an_interval_takes_no_more_memory_for_more_pairs_and_is_the_one_of_all_resamples_at_once() -> None:
    matched, shuffled = [n % 101 / 100 for n in range(3000)], [n % 127 / 100 for n in range(3000)]
    tracemalloc.start()
    try:
        found = separation(matched, shuffled)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 50e6
    assert (found.auc_low, found.auc_high) == pytest.approx((0.5856571694444445, 0.6143458249999999), rel=1e-12)


@pytest.mark.parametrize("values", [([], []), ([1.0], [1.0, 2.0])])
def test_values_of_different_rows_cannot_be_compared(values: tuple[list[float], list[float]]) -> None:
    with pytest.raises(ValueError, match="as many of each are wanted"):
        separation(*values)
