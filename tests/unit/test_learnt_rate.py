from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflect.traffic.learnt_rate import LearntRate, Mark


def test_until_a_second_refusal_the_guess_grows_with_every_call() -> None:
    rate = LearntRate(Mark(0.0, 50), lambda: 40.0, lambda: 1.0)
    assert (rate.is_known, rate.now(0), rate.now(7)) == (False, 40.0, pytest.approx(50.0))


def test_a_rate_is_what_was_accepted_between_two_refusals_and_the_next_is_sought_below_what_was_refused() -> None:
    rate = LearntRate(Mark(1.0, 50), lambda: 10.0, lambda: 1.0)
    rate.refused(Mark(3.0, 150), sent=4, pause_s=1.0)  # fifty a second; 10 + 4 / 0.7 were refused
    assert rate.now(0) == pytest.approx(math.sqrt(50 * (10 + 4 / 0.7)))


def test_further_refusals_of_an_episode_were_not_accepted_after_all() -> None:
    rate = LearntRate(Mark(0.0, 0), lambda: 1000.0, lambda: 1.0)
    rate.refused(Mark(1.0, 60), sent=60, pause_s=1.0)
    for _ in range(10):
        rate.refused_too()
    assert rate.now(0) == pytest.approx(math.sqrt(50 * 100))  # at most twice what was found is tried


def test_a_rate_found_twice_is_held_for_as_long_as_looking_for_more_is_cheap_and_grows_then() -> None:
    rate = LearntRate(Mark(0.0, 0), lambda: 100.0, lambda: 1.0)
    for at in (10.0, 20.0):
        rate.refused(Mark(at, round(50 * at)), sent=50, pause_s=1.0)
    held = 50 * 1.0 / 0.02
    assert (rate.now(0), rate.now(round(held))) == (50.0, 50.0)
    assert rate.now(round(held) + 45 * 50) == pytest.approx(100.0)  # after 45 seconds' worth of calls


def test_a_refusal_before_anything_was_accepted_says_nothing_of_the_rate() -> None:
    rate = LearntRate(Mark(0.0, 50), lambda: 10.0, lambda: 1.0)
    rate.refused(Mark(2.0, 50), sent=1, pause_s=1.0)
    assert not rate.is_known
    rate.refused(Mark(4.0, 90), sent=41, pause_s=1.0)
    known = rate.now(0)
    rate.refused(Mark(60.0, 90), sent=1, pause_s=1.0)
    assert rate.now(0) >= 0.9 * known


@given(
    episodes=st.lists(st.tuples(st.floats(0.01, 100.0), st.integers(0, 500), st.integers(0, 500)), max_size=40),
    guess=st.floats(0.1, 1000.0),
)
def test_whatever_is_refused_the_rate_stays_above_nothing_and_grows_with_the_calls(
    episodes: list[tuple[float, int, int]], guess: float
) -> None:
    rate, at, accepted = LearntRate(Mark(0.0, 0), lambda: guess, lambda: 1.0), 0.0, 0
    for seconds, more, refused_too in episodes:
        at, accepted = at + seconds, accepted + more
        rate.refused(Mark(at, accepted), more + 1, 1.0)
        for _ in range(refused_too):
            rate.refused_too()
        accepted -= refused_too
        assert 0 < rate.now(0) <= rate.now(10) <= rate.now(1000)
