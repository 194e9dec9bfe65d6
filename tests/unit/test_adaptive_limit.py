from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.virtual_endpoint import VirtualEndpoint, capacity, fixed

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


def test_a_late_look_opens_by_a_twelfth_at_most() -> None:
    clock = Clock()
    limit = AdaptiveLimit(1000, clock)
    limit.sent()
    clock.now = 0.5
    limit.look()
    assert limit.allowed == 34


def back(limit: AdaptiveLimit, calls: list[Sent]) -> None:
    for call in calls:
        limit.answered(call)


def found_twice(limit: AdaptiveLimit, clock: Clock, accepted: int) -> None:
    """So many calls at once are accepted, and one more refused, two times."""
    for _ in range(2):
        *fine, last = sent(limit, accepted + 1)
        clock.now += 0.5
        limit.refused(last, pause_s=0.1)
        back(limit, fine)


def test_two_refusals_at_the_same_number_in_flight_are_a_capacity() -> None:
    clock = Clock()
    limit = AdaptiveLimit(100, clock)
    *fine, last = sent(limit, 21)
    limit.refused(last, pause_s=0.1)
    back(limit, fine)
    assert (limit.allowed, limit.rate is None) == (100, False)
    clock.now = 1.0
    limit.refused(sent(limit, 21)[-1], pause_s=0.1)
    assert (limit.allowed, limit.rate) == (20, None)


def test_refusals_at_different_numbers_in_flight_are_a_rate() -> None:
    clock = Clock()
    limit = AdaptiveLimit(100, clock)
    limit.refused(sent(limit, 32)[-1], pause_s=1.0)
    clock.now = 2.0
    limit.refused(sent(limit, 21)[-1], pause_s=1.0)
    assert (limit.allowed, limit.rate) == (100, pytest.approx(math.sqrt(10.0 * 20.0)))  # twenty in two seconds


def test_of_an_overload_a_refusal_leaves_nine_tenths_of_what_was_accepted() -> None:
    limit = AdaptiveLimit(30, Clock())
    limit.refused(sent(limit, 21)[-1], pause_s=1.0, by_quota=False)
    assert limit.allowed == 18  # 20 were accepted


def test_refusals_of_one_episode_are_one_cut_and_count_what_was_accepted() -> None:
    clock = Clock()
    limit = AdaptiveLimit(30, clock)
    calls = sent(limit, 30)
    clock.now = 0.1
    cuts = [limit.refused(call, 1.0, by_quota=False) for call in reversed(calls[20:])]  # the latest may come back first
    assert (limit.allowed, limit.in_flight, sum(cuts)) == (18, 20, 1)


def test_below_what_was_accepted_the_limit_grows_by_one_a_round_trip_and_there_it_holds() -> None:
    clock = Clock()
    limit = AdaptiveLimit(100, clock)
    limit.refused(sent(limit, 21)[-1], pause_s=0.1, by_quota=False)
    sizes: list[int] = []
    for _ in range(4):
        sent(limit, limit.allowed - limit.in_flight)
        for _ in range(limit.allowed):
            limit.answered(limit.sent())
        sizes.append(limit.allowed)
    assert sizes == [18, 19, 20, 20]


def test_after_the_hold_it_looks_for_more_in_steps_that_double() -> None:
    clock = Clock()
    limit = AdaptiveLimit(30, clock)
    found_twice(limit, clock, accepted=10)
    sizes: list[int] = []
    for _ in range(4):
        clock.now += 11.0
        back(limit, sent(limit, limit.allowed - limit.in_flight))
        sizes.append(limit.allowed)
    assert sizes == [11, 13, 17, 25]


def test_an_endpoint_that_refuses_what_was_its_capacity_counts_calls_over_time() -> None:
    clock = Clock()
    limit = AdaptiveLimit(30, clock)
    found_twice(limit, clock, accepted=10)
    clock.now += 0.5
    limit.refused(sent(limit, 6)[-1], pause_s=0.1)
    assert limit.allowed == 30
    assert limit.rate is not None


def test_a_limit_that_nobody_looks_at_for_an_hour_opens_all_the_same() -> None:
    clock = Clock()
    limit = AdaptiveLimit(500, clock)
    call = limit.sent()
    clock.now = 3600.0
    limit.answered(call)
    for _ in range(36):
        limit.look()
    assert limit.allowed == 500


def test_where_not_even_one_call_is_accepted_the_limit_stays_open_for_later() -> None:
    clock = Clock()
    limit = AdaptiveLimit(64, clock)
    for call in sent(limit, 32):
        limit.refused(call, pause_s=20.0, by_quota=False)
    assert limit.allowed == 16
    for _ in range(2000):
        clock.now += 0.1
        back(limit, sent(limit, limit.allowed - limit.in_flight))
    assert limit.allowed == 64


def test_an_overload_is_no_quota() -> None:
    clock = Clock()
    limit = AdaptiveLimit(20, clock)
    for _ in range(3):
        clock.now += 10.0
        *fine, last = sent(limit, 5)
        limit.refused(last, pause_s=1.0, by_quota=False)
        back(limit, fine)
    assert limit.rate is None


@given(most=st.integers(1, 600), happenings=st.lists(st.sampled_from("sarp"), max_size=300))
def test_whatever_happens_between_one_and_most_calls_are_allowed(most: int, happenings: list[str]) -> None:
    clock = Clock()
    limit = AdaptiveLimit(most, clock)
    out: list[Sent] = []
    for happening in happenings:
        clock.now += 7.0 if happening == "p" else 0.02
        if happening == "a" and out:
            limit.answered(out.pop(0))
        elif happening == "r" and out:
            limit.refused(out.pop(), 1.0)
        elif happening == "s":
            out.append(limit.sent())
        assert 1 <= limit.allowed <= most
        assert limit.rate is None or limit.rate > 0


def test_without_refusals_all_that_is_allowed_is_in_flight() -> None:
    traffic = VirtualEndpoint(capacity(10_000), fixed()).run(200, 10.0)
    assert (traffic.largest, traffic.refused) == (200, [])
