"""A token bucket: an even rate, with a small burst."""

from __future__ import annotations

from collections.abc import Callable


class Bucket:
    """Fills at `rate` a second up to `burst`; what is taken beyond its content is owed."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float]) -> None:
        self.rate = rate
        self._burst = burst
        self._clock = clock
        self._level = burst
        self._at = clock()

    def wait_s(self, amount: float) -> float:
        """Seconds until so much may be taken; more than a whole bucket may be when it's full."""
        return max(0.0, (min(amount, self._burst) - self._filled()) / self.rate)

    def take(self, amount: float) -> None:
        """Take out so much; a negative amount gives back."""
        self._level = min(self._burst, self._filled() - amount)

    def empty(self, level: float) -> None:
        """Let it hold so much at most; what is less than nothing is owed."""
        self._level = min(level, self._filled())

    def _filled(self) -> float:
        now = self._clock()
        self._level = min(self._burst, self._level + (now - self._at) * self.rate)
        self._at = now
        return self._level
