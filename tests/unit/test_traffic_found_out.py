"""What a lane makes of limits that nobody told it, in virtual time."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.virtual_endpoint import (
    Traffic,
    VirtualEndpoint,
    bucket,
    capacity,
    changing,
    fixed,
    fixed_window,
    long_tailed,
    sliding_window,
)

MINUTE_S = 60.0


def used(traffic: Traffic, rpm: float, since: float, until: float) -> float:
    """Share of the allowed rate."""
    return traffic.accepted_between(since, until) / (rpm / 60 * (until - since))


def share_refused(traffic: Traffic, since: float, until: float) -> float:
    refused = traffic.refused_between(since, until)
    return refused / (refused + traffic.accepted_between(since, until))


def told(seconds: float | None) -> Callable[[float], float | None]:
    return lambda _: seconds


@pytest.mark.parametrize("latency", ["fixed", "long_tailed"])
def test_a_capacity_is_found_and_used_with_few_refusals(latency: str) -> None:
    took = fixed() if latency == "fixed" else long_tailed(1)
    traffic = VirtualEndpoint(capacity(64), took, round_trip_s=0.003).run(512, 80.0)
    assert traffic.busy_s / 80.0 > 0.95 * 64
    assert len(traffic.refused) < 0.03 * len(traffic.answered)


@pytest.mark.parametrize("latency", ["fixed", "long_tailed"])
@pytest.mark.parametrize("retry_after", [1.0, None])
def test_a_rate_that_nobody_told_is_used_to_the_full_from_the_start(latency: str, retry_after: float | None) -> None:
    took = fixed() if latency == "fixed" else long_tailed(1)
    traffic = VirtualEndpoint(bucket(3000, 1.0), took, retry_after=told(retry_after)).run(100, 80.0)
    assert used(traffic, 3000, 0.0, 80.0) > 0.97
    assert share_refused(traffic, 0.0, 80.0) < 0.01


@settings(max_examples=8, deadline=None)
@given(
    rpm=st.sampled_from([1000, 2000, 3000]),
    holds_s=st.sampled_from([1.0, 3.0, 10.0, 30.0]),
    latency_s=st.floats(0.2, 4.0),
    round_trip_s=st.floats(0.003, 0.1),
    retry_after=st.sampled_from([0.5, 1.0, None]),
)
def test_a_token_bucket_of_any_size_is_learnt_within_a_minute(
    rpm: int, holds_s: float, latency_s: float, round_trip_s: float, retry_after: float | None
) -> None:
    endpoint = VirtualEndpoint(bucket(rpm, holds_s), lambda: latency_s, round_trip_s, told(retry_after))
    traffic = endpoint.run(512, 2 * MINUTE_S)
    assert used(traffic, rpm, MINUTE_S, 2 * MINUTE_S) > 0.95
    assert share_refused(traffic, MINUTE_S, 2 * MINUTE_S) < 0.01


@pytest.mark.parametrize(("rpm", "share"), [(60, 0.88), (300, 0.97)])
def test_a_low_rate_is_learnt_in_some_minutes(rpm: int, share: float) -> None:
    traffic = VirtualEndpoint(bucket(rpm, 1.0), fixed()).run(64, 1200.0)
    assert used(traffic, rpm, 300.0, 1200.0) > share  # a bucket of one request is full soon in each pause
    assert share_refused(traffic, 300.0, 1200.0) < 0.01


@pytest.mark.parametrize("rpm", [1000, 3000])
def test_a_window_of_a_minute_is_used_to_the_full_where_its_end_is_told(rpm: int) -> None:
    endpoint = VirtualEndpoint(fixed_window(rpm, MINUTE_S), fixed(), retry_after=lambda now: MINUTE_S - now % MINUTE_S)
    traffic = endpoint.run(256, 5 * MINUTE_S)
    assert used(traffic, rpm, 0.0, 5 * MINUTE_S) > 0.96  # what is tried after each pause is not the whole window
    assert share_refused(traffic, 0.0, 5 * MINUTE_S) < 0.01


def test_where_the_end_of_a_window_is_not_told_the_waits_for_it_get_longer() -> None:
    for accepts in (fixed_window(3000, MINUTE_S), sliding_window(3000, MINUTE_S)):
        traffic = VirtualEndpoint(accepts, fixed(), retry_after=told(None)).run(256, 5 * MINUTE_S)
        assert used(traffic, 3000, 0.0, 5 * MINUTE_S) > 0.85
        assert share_refused(traffic, 0.0, 5 * MINUTE_S) < 0.02


@pytest.mark.parametrize(("before", "after"), [(1000, 3000), (3000, 1000)])
def test_a_rate_that_the_provider_changes_is_followed(before: int, after: int) -> None:
    accepts = changing(MINUTE_S, bucket(before, 1.0), bucket(after, 1.0))
    traffic = VirtualEndpoint(accepts, fixed()).run(256, 5 * MINUTE_S)
    assert used(traffic, after, 4 * MINUTE_S, 5 * MINUTE_S) > 0.97
    assert share_refused(traffic, MINUTE_S, 5 * MINUTE_S) < 0.01


@pytest.mark.parametrize(("before", "after"), [(64, 32), (32, 64)])
def test_a_capacity_that_the_provider_changes_is_followed(before: int, after: int) -> None:
    traffic = VirtualEndpoint(changing(30.0, capacity(before), capacity(after)), fixed()).run(256, 300.0)
    in_work = traffic.accepted_between(240.0, 300.0) * 0.5 / 60
    assert in_work > 0.85 * after
    assert share_refused(traffic, 30.0, 300.0) < 0.01
