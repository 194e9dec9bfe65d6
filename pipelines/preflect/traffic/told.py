"""What an endpoint says about when to ask again: `Retry-After` and the `x-ratelimit-*` headers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from preflect.traffic.pace import MINUTE_S

TOO_MANY_REQUESTS: Final = 429
EMPTY_ACCOUNT: Final = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
"""Codes of a 429 that no waiting mends."""
_UNAVAILABLE: Final = 503
_THROTTLING: Final = frozenset({TOO_MANY_REQUESTS, _UNAVAILABLE, 529})
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?")
_DURATION: Final = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that the reply asks to wait, None where it asks nothing.

    `retry-after-ms` (Azure, OpenAI) before `Retry-After` in seconds or as a date (RFC 9110, 10.2.3).
    """
    milliseconds = headers.get("retry-after-ms", "").strip()
    if _NUMBER.fullmatch(milliseconds):
        return float(milliseconds) / 1000
    told = headers.get("retry-after", "").strip()
    if _NUMBER.fullmatch(told):
        return float(told)
    try:
        at = parsedate_to_datetime(told)
    except (ValueError, OverflowError):  # a year of more digits than a date can have
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds())


def throttle_pause_s(status: int, headers: Mapping[str, str], body: bytes) -> float | None:
    """Seconds that nothing should be sent for, 0 where the reply leaves that open; None when it's no throttling.

    HTTP 429, 529 (overloaded) and a 503 that says when to come back. A 429 for want of money is none: no wait helps.
    """
    told = retry_after_s(headers, datetime.now(UTC)) if status in _THROTTLING else None
    if status not in _THROTTLING or (status == _UNAVAILABLE and told is None) or wants_money(status, body):
        return None
    return told or 0.0


def wants_money(status: int, body: bytes) -> bool:
    """Whether a 429 says that the account is empty."""
    return status == TOO_MANY_REQUESTS and any(code.encode() in body for code in EMPTY_ACCOUNT)


def exhausted_s(headers: Mapping[str, str], tokens: int) -> float:
    """Seconds until a request of so many tokens fits in what the reply's `x-ratelimit-*` headers say is left.

    0 where they say nothing. The budget fills evenly over a minute, and is full after its `reset`.
    """
    return max(_short_of(headers, "requests", 1), _short_of(headers, "tokens", tokens))


def _short_of(headers: Mapping[str, str], what: str, amount: int) -> float:
    remaining = headers.get(f"x-ratelimit-remaining-{what}", "").strip()
    if not _NUMBER.fullmatch(remaining) or (missing := amount - float(remaining)) <= 0:
        return 0.0
    reset_s = duration_s(headers.get(f"x-ratelimit-reset-{what}", "")) or 0.0
    limit = headers.get(f"x-ratelimit-limit-{what}", "").strip()
    if not _NUMBER.fullmatch(limit) or float(limit) == 0:
        return reset_s
    return min(reset_s, missing * MINUTE_S / float(limit))


def duration_s(text: str) -> float | None:
    """Seconds of `1s`, `6m0s`, `1h2m3.5s`, `120ms` or a plain number; None for anything else."""
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return float(text)
    found = _DURATION.fullmatch(text)
    if not text or found is None:
        return None
    hours, minutes, seconds, milliseconds = (float(part or 0) for part in found.groups())
    return 3600 * hours + 60 * minutes + seconds + milliseconds / 1000
