from __future__ import annotations

from datetime import UTC, datetime

import pytest

from preflect.traffic.told import duration_s, exhausted_s, retry_after_s, throttle_pause_s

NOON = datetime(2026, 11, 26, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "20"}, 20.0),
        ({"retry-after": "0.7"}, 0.7),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "Thu, 26 Nov 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Thu, 26 Nov 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Thu, 26 Nov 99999999999999999999 12:00:30 GMT"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after-ms": "?", "retry-after": "2"}, 2.0),
    ],
)
def test_when_to_come_back_is_read_as_it_is_written(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers, NOON) == seconds


@pytest.mark.parametrize(
    ("status", "headers", "body", "pause"),
    [
        (200, {}, b"", None),
        (429, {"retry-after": "3"}, b"{}", 3.0),
        (429, {}, b"{}", 0.0),
        (429, {}, b'{"error": {"code": "insufficient_quota"}}', None),
        (529, {}, b"", 0.0),
        (503, {}, b"", None),
        (503, {"retry-after": "2"}, b"", 2.0),
        (500, {"retry-after": "2"}, b"", None),
    ],
)
def test_too_many_requests_are_told_from_other_faults(
    status: int, headers: dict[str, str], body: bytes, pause: float | None
) -> None:
    assert throttle_pause_s(status, headers, body) == pause


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("1h2m3.5s", 3723.5),
        ("120ms", 0.12),
        ("2.5", 2.5),
        ("17ms", 0.017),
        ("", None),
        ("soon", None),
        ("1d", None),
    ],
)
def test_durations_are_read_as_providers_write_them(text: str, seconds: float | None) -> None:
    assert duration_s(text) == pytest.approx(seconds)


def left(what: str, remaining: str, limit: str, reset: str) -> dict[str, str]:
    values = {"remaining": remaining, "limit": limit, "reset": reset}
    return {f"x-ratelimit-{name}-{what}": value for name, value in values.items()}


def test_nothing_waits_while_enough_is_left_or_nothing_is_said() -> None:
    assert exhausted_s({}, 500) == 0.0
    assert exhausted_s(left("requests", "1", "60", "1s") | left("tokens", "500", "60000", "1s"), 500) == 0.0
    assert exhausted_s({"x-ratelimit-remaining-requests": "unlimited"}, 500) == 0.0


def test_without_a_request_left_the_next_one_comes_with_the_rate() -> None:
    assert exhausted_s(left("requests", "0", "120", "30s"), 1) == 0.5


def test_missing_tokens_come_with_the_rate_and_at_the_latest_with_the_reset() -> None:
    assert exhausted_s(left("tokens", "100", "60000", "6m0s"), 600) == 0.5  # a thousand a second
    assert exhausted_s(left("tokens", "100", "60000", "200ms"), 600) == pytest.approx(0.2)


def test_where_no_limit_is_said_the_reset_is_waited_for() -> None:
    assert exhausted_s({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "2s"}, 1) == 2.0
