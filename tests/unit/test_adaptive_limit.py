from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.virtual_endpoint import VirtualEndpoint, capacity, fixed, long_tailed, per_minute

from preflect.traffic.adaptive_limit import AdaptiveLimit, Sent


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def sent(limit: AdaptiveLimit, calls: int) -> list[Sent]:
    return [limit.sent() for _ in range(calls)]


def test_a_small_limit_is_allowed_at_once() -> None:
    assert AdaptiveLimit(20, Clock()).allowed == 20


def test_a_large_limit_opens_within_a_fraction_of_a_second_doubling_every_twentieth() -> None:
    clock = Clock()
    limit = AdaptiveLimit(1000, clock)
    limit.sent()
    seen = {0: limit.allowed}
    for look in range(1, 61):
        clock.now = look * 0.005
        limit.look()
        seen[look] = limit.allowed
    assert [seen[look] for look in (0, 10, 20, 60)] == [32, 64, 128, 1000]


def test_a_late_look_opens_by_a_quarter_at_most() -> None:
    clock = Clock()
    limit = AdaptiveLimit(1000, clock)
    limit.sent()
    clock.now = 0.5
    limit.look()
    assert limit.allowed == 40


def test_a_refusal_leaves_nine_tenths_of_what_was_accepted() -> None:
    limit = AdaptiveLimit(30, Clock())
    limit.refused(sent(limit, 21)[-1], pause_s=1.0)
    assert limit.allowed == 18  # 20 were accepted


def test_refusals_of_one_episode_are_one_cut_and_count_what_was_accepted() -> None:
    clock = Clock()
    limit = AdaptiveLimit(30, clock)
    calls = sent(limit, 30)
    clock.now = 0.1
    for call in reversed(calls[20:]):  # the latest may be the first to come back
        limit.refused(call, pause_s=1.0)
    assert (limit.allowed, limit.in_flight) == (18, 20)


def test_below_what_was_accepted_the_limit_grows_by_one_a_round_trip_and_there_it_holds() -> None:
    clock = Clock()
    limit = AdaptiveLimit(100, clock)
    limit.refused(sent(limit, 21)[-1], pause_s=0.1)
    sizes: list[int] = []
    for _ in range(4):
        sent(limit, limit.allowed - limit.in_flight)
        for _ in range(limit.allowed):
            limit.sent()
            limit.answered()
        sizes.append(limit.allowed)
    assert sizes == [18, 19, 20, 20]


def test_after_the_hold_it_looks_for_more_in_steps_that_double() -> None:
    clock = Clock()
    limit = AdaptiveLimit(30, clock)
    limit.refused(sent(limit, 11)[-1], pause_s=0.1)  # ten were accepted
    sizes: list[int] = []
    for _ in range(4):
        clock.now += 11.0
        for _ in range(30):
            sent(limit, limit.allowed - limit.in_flight)
            limit.answered()
        sizes.append(limit.allowed)
    assert sizes == [11, 13, 17, 25]


def test_a_limit_that_nobody_looks_at_for_an_hour_opens_all_the_same() -> None:
    clock = Clock()
    limit = AdaptiveLimit(500, clock)
    limit.sent()
    clock.now = 3600.0
    limit.answered()
    for _ in range(13):
        limit.look()
    assert limit.allowed == 500


def test_where_not_even_one_call_is_accepted_the_limit_stays_open_for_later() -> None:
    clock = Clock()
    limit = AdaptiveLimit(64, clock)
    for call in sent(limit, 32):
        limit.refused(call, pause_s=20.0)
    assert limit.allowed == 16
    for _ in range(2000):
        clock.now += 0.1
        sent(limit, limit.allowed - limit.in_flight)
        limit.answered()
    assert limit.allowed == 64


def test_an_overload_is_no_quota() -> None:
    clock = Clock()
    limit = AdaptiveLimit(20, clock)
    for _ in range(3):
        clock.now += 10.0
        limit.refused(sent(limit, 5)[-1], pause_s=1.0, by_quota=False)
        for _ in range(4):
            limit.answered()
    assert limit.rate is None


def test_a_learnt_rate_sinks_by_a_tenth_at_most_and_grows_by_a_hundredth_each_second() -> None:
    clock = Clock()
    limit = AdaptiveLimit(100, clock)
    for clock.now in (1.0, 2.0):
        *fine, last = sent(limit, 30 if clock.now < 2 else 11)
        limit.refused(last, pause_s=1.0)
        for _ in fine:
            limit.answered()
    assert limit.rate == pytest.approx(10.0)
    clock.now = 3.0
    assert limit.rate == pytest.approx(10.1)
    limit.refused(limit.sent(), pause_s=1.0)
    assert limit.rate == pytest.approx(9.09)


@given(most=st.integers(1, 600), happenings=st.lists(st.sampled_from("sarp"), max_size=300))
def test_whatever_happens_between_one_and_most_calls_are_allowed(most: int, happenings: list[str]) -> None:
    clock = Clock()
    limit = AdaptiveLimit(most, clock)
    out: list[Sent] = []
    for happening in happenings:
        clock.now += 7.0 if happening == "p" else 0.02
        if happening == "a" and out:
            out.pop(0)
            limit.answered()
        elif happening == "r" and out:
            limit.refused(out.pop(), 1.0)
        elif happening == "s":
            out.append(limit.sent())
        assert 1 <= limit.allowed <= most
        assert limit.rate is None or limit.rate > 0


@pytest.mark.parametrize("latency", ["fixed", "long_tailed"])
def test_a_capacity_is_found_and_used_with_few_refusals(latency: str) -> None:
    took = fixed() if latency == "fixed" else long_tailed(1)
    traffic = VirtualEndpoint(capacity(64), took).run(512, 80.0)
    assert traffic.busy_s / 80.0 > 0.95 * 64
    assert traffic.refused < 0.03 * traffic.answered


@pytest.mark.parametrize("latency", ["fixed", "long_tailed"])
def test_a_rate_that_nobody_told_is_learnt_from_refusals(latency: str) -> None:
    took = fixed() if latency == "fixed" else long_tailed(1)
    traffic = VirtualEndpoint(per_minute(3000), took).run(512, 60.0)
    assert traffic.answered > 0.97 * 3000
    assert traffic.refused < 0.01 * traffic.answered


def test_without_refusals_all_that_is_allowed_is_in_flight() -> None:
    traffic = VirtualEndpoint(capacity(10_000), fixed()).run(200, 10.0)
    assert (traffic.largest, traffic.refused) == (200, 0)
