"""How many calls may be in flight, and how fast they may go, found out from what the endpoint accepts and refuses."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, NamedTuple

OPENING: Final = 32
"""Calls in flight at once at the very start."""
DOUBLING_S: Final = 0.05
"""Until the first refusal the limit doubles in this time: an endpoint that refuses does so at once."""
CUT: Final = 0.9
"""What a refusal leaves of the calls that the endpoint had accepted."""
STEP_AT_LOOK: Final = 1.25
_MOST_DOUBLINGS: Final = 30
"""Beyond this no limit is larger."""
PROBE_COST: Final = 0.02
"""Share of the time that looking for more may cost, in pauses that end in a refusal."""
SHORTEST_HOLD_S: Final = 10.0
LONGEST_HOLD_S: Final = 600.0
PROBE_EVERY_S: Final = 1.0
"""Time between two steps that are accepted."""
_LONGEST_GROWTH_S: Final = 3600.0
RATE_GROWTH: Final = 0.01
"""Share by which a learnt rate grows each second: one that was learnt too low does not stay so."""


class Sent(NamedTuple):
    """A call as it went out."""

    at: float
    in_flight: int
    """Itself included."""


class AdaptiveLimit:
    """Additive increase, multiplicative decrease, between 1 and `most`; it remembers how many were accepted.

    Below the number that the endpoint last accepted the limit grows by one a round trip; there it holds, and looks for
    more only now and then, in steps that double as long as they are accepted. An endpoint that refuses what it accepted
    before counts calls over time: then it is their rate that is learnt.
    """

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        self._most = most
        self._clock = clock
        self._size = float(min(most, OPENING))
        self._ceiling = float(most)
        self._opening = most > OPENING
        self._opened_at: float | None = None
        self._cut_at = -math.inf
        self._sent = 0
        """Since the last cut."""
        self._hold_s = SHORTEST_HOLD_S
        self._probe_at = math.inf
        self._step = 1.0
        self._before_cut = self._size
        self._told_nothing = False
        """Of the episode under way."""
        self._rate: float | None = None
        self.in_flight = 0

    @property
    def allowed(self) -> int:
        """Calls that may be in flight now."""
        return int(self._size)

    def look(self) -> None:
        """Time has passed; while the limit is opening, it grows with it.

        By a quarter at a look at most: however late one is, refusals that came in are heard before the next.
        """
        if not self._opening or self._opened_at is None:
            return
        doublings = min((self._clock() - self._opened_at) / DOUBLING_S, _MOST_DOUBLINGS)
        self._size = min(OPENING * 2**doublings, self._size * STEP_AT_LOOK)
        if self._size >= self._most:
            self._settle(self._most)

    @property
    def opening(self) -> bool:
        """Whether the limit grows by itself, with time."""
        return self._opening

    @property
    def rate(self) -> float | None:
        """Calls a second that the endpoint was found to allow; None while it only counts calls at once."""
        if self._rate is None:
            return None
        return self._rate * (1 + RATE_GROWTH) ** min(self._clock() - self._cut_at, _LONGEST_GROWTH_S)

    def sent(self) -> Sent:
        """A call goes out."""
        if self._opened_at is None:
            self._opened_at = self._clock()
        self.in_flight += 1
        self._sent += 1
        return Sent(self._clock(), self.in_flight)

    def answered(self) -> None:
        """A call came back with anything but a refusal, or not at all."""
        full = self.in_flight >= self.allowed
        self.in_flight -= 1
        if self._opening or not full or self._size >= self._most:
            return
        if self._size < self._ceiling:
            self._size = min(self._size + 1 / self._size, self._ceiling)
        elif self._clock() >= self._probe_at:
            self._ceiling = self._size = min(self._size + self._step, float(self._most))
            self._step *= 2
            self._probe_at = self._clock() + PROBE_EVERY_S

    def refused(self, sent: Sent, pause_s: float, *, by_quota: bool = True) -> bool:
        """A call was refused because there were too many; none goes out for `pause_s`; returns whether it was a cut.

        One episode is one cut: of calls sent before the cut, a refusal only says how many were accepted before it.

        Args: by_quota says that the endpoint may count calls over time (429), and isn't just overloaded (503, 529).
        """
        self.in_flight -= 1
        accepted = min(sent.in_flight - 1, self._most)
        is_cut = sent.at > self._cut_at
        if is_cut:
            self._before_cut = self._size
            self._cut(max(accepted, 1), pause_s, by_quota=by_quota)
            self._told_nothing = False
        if accepted < 1:
            self._take_back_cut()
        elif not (is_cut or self._told_nothing) and self._rate is None and accepted < self._ceiling:
            self._ceiling = float(accepted)
            self._size = min(self._size, max(1.0, CUT * accepted))
        return is_cut

    def _take_back_cut(self) -> None:
        """Not even one call was accepted: that says nothing of how many are, only that it's too early."""
        self._told_nothing = True
        self._size = max(1.0, self._before_cut / 2)
        self._ceiling = float(self._most)

    def _cut(self, accepted: int, pause_s: float, *, by_quota: bool) -> None:
        now = self._clock()
        if by_quota and self._counts_over_time(accepted):
            # The endpoint had as little left to give at the last refusal as it has now.
            learnt = max(self._sent - 1, 1) / (now - self._cut_at)
            self._rate = max(learnt, CUT * (self.rate or 0.0))
        else:
            found_again = accepted >= self._ceiling and not self._opening
            hold_s = 2 * self._hold_s if found_again else pause_s / PROBE_COST
            self._hold_s = min(max(hold_s, SHORTEST_HOLD_S), LONGEST_HOLD_S)
            self._ceiling = float(accepted)
            self._settle(max(1.0, CUT * accepted))
            self._probe_at = now + self._hold_s
            self._step = 1.0
        self._cut_at = now
        self._sent = 0

    def _counts_over_time(self, accepted: int) -> bool:
        return self._rate is not None or (self._cut_at > -math.inf and accepted < self._ceiling - 1)

    def _settle(self, size: float) -> None:
        self._opening = False
        self._size = float(size)
