"""Calls a second over the last ten seconds."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflect.engine.rate import SLOT_S, WINDOW_S, Rate

START_S = 1000.0


def after(*arrivals: tuple[float, float]) -> Rate:
    """A rate that was given each amount so many seconds after the start."""
    rate = Rate(START_S)
    for after_s, amount in arrivals:
        rate.add(START_S + after_s, amount)
    return rate


def test_a_rate_worked_by_hand() -> None:
    rate = after((0.2, 1), (0.7, 2), (3.0, 4), (9.9, 5))
    assert rate.per_second(START_S + 4.0) == pytest.approx(12 / 4.0)
    # At 12.25 s the present slot began at 12.0, so the oldest of twenty began at 2.5: 4 and 5 came since.
    assert rate.per_second(START_S + 12.25) == pytest.approx(9 / 9.75)


def test_the_first_second_is_no_flood() -> None:
    assert after((0.01, 3)).per_second(START_S + 0.02) == 3.0


def test_what_stopped_is_forgotten() -> None:
    assert after((1.0, 500)).per_second(START_S + 1.0 + WINDOW_S) == 0.0
    assert Rate(START_S).per_second(START_S + 99) == 0.0


@given(per_second=st.floats(0.5, 500), lasting_s=st.floats(WINDOW_S, 60))
def test_a_constant_pace_is_that_pace(per_second: float, lasting_s: float) -> None:
    rate = after(*((place / per_second, 1) for place in range(int(lasting_s * per_second) + 1)))
    # One call more or less at either end of a window of nine and a half seconds at least.
    assert rate.per_second(START_S + lasting_s) == pytest.approx(per_second, abs=1 / (WINDOW_S - SLOT_S) + 1e-6)


@given(
    gaps_s=st.lists(st.floats(0, 4), max_size=40),
    amounts=st.lists(st.integers(1, 5000), min_size=40, max_size=40),
    later_s=st.floats(0, 15),
)
def test_slots_count_what_a_list_of_all_arrivals_would(gaps_s: list[float], amounts: list[int], later_s: float) -> None:
    times_s = [*accumulate(gaps_s)]
    now_s = (times_s[-1] if times_s else 0.0) + later_s
    begins_s = max(int(now_s / SLOT_S) * SLOT_S - WINDOW_S + SLOT_S, 0.0)
    came = sum(amount for time_s, amount in zip(times_s, amounts, strict=False) if time_s >= begins_s)
    rate = Rate(0.0)
    for time_s, amount in zip(times_s, amounts, strict=False):
        rate.add(time_s, amount)
    assert rate.per_second(now_s) == pytest.approx(came / max(now_s - begins_s, 1.0))
