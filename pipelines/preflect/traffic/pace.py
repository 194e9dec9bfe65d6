"""Requests and tokens per minute: an even pace, with bursts of half a second or a single request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from preflect.traffic.bucket import Bucket

MINUTE_S: Final = 60.0
BURST_S: Final = 0.5
"""Seconds' worth of requests that may go at once: the endpoint counts them as they arrive, not as they are sent."""
TOKEN_BURST_S: Final = 10.0
"""Seconds' worth of tokens that may be asked for at once, so that one long prompt is not held up for long."""
ROUNDING_S: Final = 1e-6
"""A wait shorter than this is none."""


class Pace:
    """Holds requests back to `rpm` and `tpm`; None sets no limit.

    Tokens are estimated before a request, and corrected after its reply at the expense of the requests that follow.
    """

    def __init__(self, rpm: int | None, tpm: int | None, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._requests = self._of_requests(rpm / MINUTE_S) if rpm else None
        self._tokens = Bucket(tpm / MINUTE_S, tpm / MINUTE_S * TOKEN_BURST_S, clock) if tpm else None
        self._learnt: Bucket | None = None

    def _of_requests(self, rate: float) -> Bucket:
        return Bucket(rate, max(1.0, BURST_S * rate), self._clock)

    def learn(self, rate: float | None) -> None:
        """The endpoint was found to allow so many requests a second; None takes that back."""
        if rate is None:
            self._learnt = None
        elif self._learnt is None:
            self._learnt = self._of_requests(rate)
        else:
            self._learnt.rate = rate

    def rest(self, seconds: float) -> None:
        """No request goes for so long; at the found rate, what could not go meanwhile is not made up for in a burst."""
        if self._learnt:
            self._learnt.empty(1 - seconds * self._learnt.rate)

    def wait_s(self, tokens: int) -> float:
        """Seconds until a request of so many tokens may go."""
        waits = [bucket.wait_s(1) for bucket in (self._requests, self._learnt) if bucket]
        if self._tokens:
            waits.append(self._tokens.wait_s(tokens))
        longest = max(waits, default=0.0)
        return longest if longest > ROUNDING_S else 0.0

    def take(self, tokens: int) -> None:
        """A request of so many tokens goes."""
        for bucket in (self._requests, self._learnt):
            if bucket:
                bucket.take(1)
        self.correct(tokens)

    def correct(self, tokens: int) -> None:
        """So many tokens more, or less, were used than was thought."""
        if self._tokens:
            self._tokens.take(tokens)
