from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflect.traffic.bucket import Bucket
from preflect.traffic.latencies import Latencies
from preflect.traffic.pace import Pace


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_fills_at_its_rate_and_lends_against_what_comes() -> None:
    clock = Clock()
    bucket = Bucket(rate=2.0, burst=4.0, clock=clock)
    bucket.take(3.0)
    assert (bucket.wait_s(1.0), bucket.wait_s(2.0)) == (0.0, 0.5)
    bucket.take(2.0)  # one owed
    assert bucket.wait_s(1.0) == 1.0
    clock.now = 100.0
    assert bucket.wait_s(9.0) == 0.0  # more than it ever holds goes when it's full


def test_giving_back_never_fills_a_bucket_beyond_its_burst() -> None:
    bucket = Bucket(rate=1.0, burst=2.0, clock=Clock())
    bucket.take(-50.0)
    bucket.take(2.0)
    assert bucket.wait_s(1.0) == 1.0


@given(rpm=st.integers(1, 6000), steps=st.lists(st.floats(0.0, 2.0), max_size=60))
def test_no_more_requests_go_than_a_minutes_share_and_a_small_burst(rpm: int, steps: list[float]) -> None:
    clock = Clock()
    pace = Pace(rpm, None, clock)
    gone = 0
    for step in steps:
        clock.now += step
        while pace.wait_s(0) == 0.0:
            pace.take(0)
            gone += 1
        assert gone <= rpm / 60 * clock.now + max(1.0, rpm / 120) + 1e-3


def test_a_wait_is_as_long_as_it_says() -> None:
    clock = Clock()
    pace = Pace(60, None, clock)  # one a second
    pace.take(0)
    assert pace.wait_s(0) == pytest.approx(1.0)
    clock.now += pace.wait_s(0)
    assert pace.wait_s(0) == 0.0


def test_tokens_that_were_used_beyond_the_estimate_hold_the_next_request_back() -> None:
    clock = Clock()
    pace = Pace(None, 600, clock)  # ten a second, a hundred at once
    pace.take(40)
    assert pace.wait_s(60) == 0.0
    pace.correct(80)
    assert pace.wait_s(60) == pytest.approx(8.0)
    pace.correct(-80)
    assert pace.wait_s(60) == 0.0


def test_a_learnt_rate_holds_beside_the_one_that_was_told() -> None:
    clock = Clock()
    pace = Pace(6000, None, clock)
    pace.learn(None)
    assert pace.wait_s(0) == 0.0
    pace.learn(1.0)
    pace.take(0)
    assert pace.wait_s(0) == pytest.approx(1.0)
    pace.learn(None)
    assert pace.wait_s(0) == 0.0


def test_what_could_not_go_in_a_pause_is_not_made_up_for_in_a_burst() -> None:
    clock = Clock()
    pace = Pace(None, None, clock)
    pace.learn(50.0)
    pace.rest(2.0)
    clock.now = 2.0
    assert pace.wait_s(0) == 0.0
    pace.take(0)
    assert pace.wait_s(0) == pytest.approx(0.02)


def test_without_limits_nothing_waits() -> None:
    pace = Pace(None, None, Clock())
    pace.take(10**9)
    assert pace.wait_s(10**9) == 0.0


def test_the_95th_percentile_is_the_nearest_rank_once_there_are_twenty_replies() -> None:
    latencies = Latencies()
    for seconds in range(1, 20):
        latencies.add(float(seconds))
    assert latencies.p95_s() is None
    latencies.add(20.0)
    assert latencies.p95_s() == 19.0


@given(st.lists(st.floats(0.0, 100.0), min_size=20, max_size=400))
def test_a_twentieth_of_the_latest_replies_at_most_took_longer_than_the_95th_percentile(seconds: list[float]) -> None:
    latencies = Latencies()
    for each in seconds:
        latencies.add(each)
    latest = seconds[-256:]
    p95 = latencies.p95_s()
    assert p95 in latest
    assert sum(each > p95 for each in latest) <= 0.05 * len(latest)
