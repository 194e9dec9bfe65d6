"""Requests and tokens per minute: an even pace, with bursts of a second or a single request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from aiolimiter import AsyncLimiter

MINUTE_S: Final = 60.0
POLL_S: Final = 0.1
TOKEN_BURST: Final = 1 / 6
"""Share of a minute's tokens that may be asked for at once, so that one long prompt is not held up for long."""


class Pace:
    """Holds requests back to `rpm` and `tpm`; None sets no limit.

    Input is estimated before a request, output counted after its reply, at the expense of the requests that follow.
    """

    def __init__(self, rpm: int | None, tpm: int | None) -> None:
        burst = max(1.0, (rpm or 0) / MINUTE_S)
        self._requests = AsyncLimiter(burst, MINUTE_S * burst / rpm) if rpm else None
        self._tokens = AsyncLimiter(tpm * TOKEN_BURST, MINUTE_S * TOKEN_BURST) if tpm else None
        self._owed = 0.0

    async def wait(self, tokens: int, look_up: Callable[[], None]) -> None:
        """Return when a request of so many input tokens may go; `look_up` is called while waiting, and may raise."""
        if self._requests:
            await _acquire(self._requests, 1, look_up)
        if self._tokens:
            amount, self._owed = tokens + self._owed, 0.0
            await _acquire(self._tokens, min(amount, self._tokens.max_rate), look_up)

    def count(self, tokens: int) -> None:
        """So many output tokens came back."""
        if self._tokens:
            self._owed += tokens


async def _acquire(limiter: AsyncLimiter, amount: float, look_up: Callable[[], None]) -> None:
    while not limiter.has_capacity(amount):
        look_up()
        await asyncio.sleep(POLL_S)
    await limiter.acquire(amount)
