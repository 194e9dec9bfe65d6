"""How long replies take."""

from __future__ import annotations

import math
from collections import deque
from typing import Final

REMEMBERED: Final = 256
FEWEST: Final = 20
"""Replies that must have come before their times say anything."""


class Latencies:
    """The times of the latest replies."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=REMEMBERED)

    def add(self, seconds: float) -> None:
        """A reply took so long."""
        self._seconds.append(seconds)

    def p95_s(self) -> float | None:
        """What 95 % of the latest replies took at most (nearest rank); None while there are too few."""
        if len(self._seconds) < FEWEST:
            return None
        return sorted(self._seconds)[math.ceil(0.95 * len(self._seconds)) - 1]
