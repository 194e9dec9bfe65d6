"""How many calls may be in flight, and how fast they may go, found out from what the endpoint accepts and refuses."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, NamedTuple

from preflect.traffic.learnt_rate import SHORTEST_S, LearntRate, Mark

OPENING: Final = 32
"""Calls in flight at once at the very start."""
DOUBLING_S: Final = 0.05
"""Until the first refusal the limit doubles in this time: an endpoint that refuses does so at once."""
CUT: Final = 0.9
"""What a refusal leaves of the calls that the endpoint had accepted."""
STEP_AT_LOOK: Final = 1.08
_MOST_DOUBLINGS: Final = 30
"""Beyond this no limit is larger."""
PROBE_COST: Final = 0.01
"""Share of the time that looking for more may cost, in pauses that end in a refusal."""
SHORTEST_HOLD_S: Final = 10.0
LONGEST_HOLD_S: Final = 600.0
PROBE_EVERY_S: Final = 1.0
"""Time between two steps that are accepted."""
SAME: Final = 0.1
"""Two counts of accepted calls that differ by less than this share are the same capacity."""


class Sent(NamedTuple):
    """A call as it went out."""

    at: float
    in_flight: int
    """Itself included."""
    nth: int
    """Of all calls, from 1."""


class AdaptiveLimit:
    """Calls at once, between 1 and `most`, or calls a second: whichever the endpoint turns out to count.

    The limit opens until a call is refused. Then a trial tells what the endpoint counts: calls go out faster and faster
    until one is refused again. If as many were in flight as at the first refusal, that is what it takes at once: there
    the limit holds, and looks for more only now and then, in steps that double as long as they are accepted. Otherwise
    it counts calls over time, and it's their rate that is learnt.
    """

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        self._most = most
        self._clock = clock
        self._size = float(min(most, OPENING))
        self._ceiling = float(most)
        self._opening = most > OPENING
        self._opened_at: float | None = None
        self._sent = 0
        self._refused = 0
        self._cut_after = 0
        """Calls that had been sent when the last cut was made: refusals of those belong to it."""
        self._cut_at = -math.inf
        self._hold_s = SHORTEST_HOLD_S
        self._probe_at = math.inf
        self._step = 1.0
        self._rate: LearntRate | None = None
        self._tried = 0
        """Most calls in flight that were accepted when one was refused."""
        self._tried_after = 0
        """Calls that had been sent then."""
        self._answered = 0
        self._answered_s = 0.0
        self.in_flight = 0

    @property
    def allowed(self) -> int:
        """Calls that may be in flight now."""
        return int(self._size)

    def look(self) -> None:
        """Time has passed; while the limit is opening, it grows with it.

        By a twelfth at a look at most: however late one is, refusals that came in are heard before the next.
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
        """Calls a second that may go out; None while the endpoint only counts calls at once."""
        return self._rate and self._rate.now(self._sent_since)

    def sent(self) -> Sent:
        """A call goes out."""
        if self._opened_at is None:
            self._opened_at = self._clock()
        self.in_flight += 1
        self._sent += 1
        return Sent(self._clock(), self.in_flight, self._sent)

    @property
    def _sent_since(self) -> int:
        return self._sent - self._cut_after

    def answered(self, sent: Sent) -> None:
        """A call came back with anything but a refusal, or not at all."""
        full = self.in_flight >= self.allowed
        self.in_flight -= 1
        self._answered += 1
        self._answered_s += self._clock() - sent.at
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
        is_cut = sent.nth > self._cut_after
        if is_cut:
            self._cut(accepted, pause_s, by_quota=by_quota)
            self._cut_at, self._cut_after = self._clock(), self._sent
        else:
            self._cut_more(accepted)
        self._refused += 1
        return is_cut

    def _cut(self, accepted: int, pause_s: float, *, by_quota: bool) -> None:
        """Of calls that have not come back, none counts as refused until it is."""
        last = Mark(self._cut_at, self._cut_after - self._refused)
        mark = Mark(self._clock(), self._sent - self._refused - 1)
        if self._rate is None:
            self._cut_calls(accepted, last, mark, pause_s, by_quota=by_quota)
        elif not self._rate.is_known and self._rate.tells(mark) and self._is_capacity(accepted):
            self._rate = None
            self._cut_size(accepted, pause_s)
            self._size = self._ceiling  # it was found twice
        else:
            self._rate.refused(mark, self._sent_since, pause_s)

    def _cut_calls(self, accepted: int, last: Mark, mark: Mark, pause_s: float, *, by_quota: bool) -> None:
        if by_quota and self._cut_at == -math.inf:
            self._tried, self._tried_after = accepted, self._sent
            self._rate = LearntRate(mark, self._guess, self._fewest)
            self._settle(self._most)
        elif by_quota and accepted < (1 - SAME) * self._tried - 1:
            # It refuses what it took before: it never counted calls at once.
            self._tried = 0
            self._rate = LearntRate(last, self._guess, self._fewest)
            self._rate.refused(mark, self._sent_since, pause_s)
            self._settle(self._most)
        else:
            self._cut_size(accepted, pause_s)

    def _cut_more(self, accepted: int) -> None:
        if self._rate:
            self._rate.refused_too()
            if self._cut_after == self._tried_after:
                self._tried = min(self._tried, accepted)
        elif 1 <= accepted < self._ceiling < self._most:
            self._ceiling = float(accepted)
            self._size = min(self._size, max(1.0, CUT * accepted))

    def _is_capacity(self, accepted: int) -> bool:
        """Whether the trial ended where it began, and that is more than chance and less than all that ever go."""
        is_same = abs(accepted - self._tried) <= SAME * self._tried
        return is_same and 1 < accepted < (1 - SAME) * self._most

    def _fewest(self) -> float:
        """Calls that must have been accepted since the first refusal: fewer leave as many in flight as there were."""
        return 2 * SAME * self._tried

    def _guess(self) -> float:
        """Half as many calls a second as would keep the accepted ones in flight."""
        out_s = self._clock() - (self._opened_at or 0.0)
        reply_s = self._answered_s / self._answered if self._answered else out_s
        return max(self._tried, 1) / 2 / max(reply_s, SHORTEST_S)

    def _cut_size(self, accepted: int, pause_s: float) -> None:
        if accepted < 1:  # that says nothing of how many are accepted, only that it's too early
            self._ceiling = float(self._most)
            self._settle(max(1.0, self._size / 2))
            return
        self._tried = max(self._tried, accepted)
        found_again = accepted >= self._ceiling and not self._opening
        hold_s = 2 * self._hold_s if found_again else pause_s / PROBE_COST
        self._hold_s = min(max(hold_s, SHORTEST_HOLD_S), LONGEST_HOLD_S)
        self._ceiling = float(accepted)
        self._settle(max(1.0, CUT * accepted))
        self._probe_at = self._clock() + self._hold_s
        self._step = 1.0

    def _settle(self, size: float) -> None:
        self._opening = False
        self._size = float(size)
