"""A line that a sum has never passed, on disk before the sum comes there: so a kill leaves a bound on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

STEPS: Final = 100
"""Parts of the limit; a line is drawn that far above the sum, or a quarter of what is open, if that is more."""


class Watermark:
    """The line above a sum of what is closed and what is open; sums are whole numbers.

    A line is a commit, so it's drawn well above the sum, and anew only when the sum comes there or has long been far
    below. It stays under the limit, as far as the sum does.
    """

    def __init__(self, start: int, limit: int, draw: Callable[[int], None]) -> None:
        self._limit = limit
        self._draw = draw
        self._line = self._peak = start

    def cover(self, closed: int, open_: int) -> None:
        """Return when the line is not below the sum."""
        total = closed + open_
        self._peak = max(self._peak, total)
        if total > self._line:
            self._move_to(max(total, min(total + self._room(open_), self._limit)))

    def ease(self, closed: int, open_: int) -> None:
        """To be called now and then: a line far above all sums since the last time is drawn lower."""
        room = self._room(open_)
        if self._line > self._peak + 2 * room:
            self._move_to(self._peak + room)
        self._peak = closed + open_

    def _room(self, open_: int) -> int:
        return max(self._limit // STEPS, open_ // 4)

    def _move_to(self, line: int) -> None:
        self._draw(line)
        self._line = line
