"""How many calls a second an endpoint takes that counts them over time, found out from its refusals."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, NamedTuple

TRIAL_GROWTH_S: Final = 0.7
"""Until a second refusal tells the rate, the first guess grows e-fold in this time."""
GROWTH_S: Final = 20.0
"""A rate that was found once grows e-fold in this time, when it was held for as many calls as it was found from."""
DOUBLING_S: Final = 45.0
"""A rate that was found again doubles in this time once it was held for longer, slowly at first."""
REFUSED_SHARE: Final = 0.003
"""Share of the calls that looking again for a rate that was found twice may cost."""
PAUSED_SHARE: Final = 0.02
"""Share of the time that it may cost."""
SURE: Final = 0.05
"""A rate that differs from the one before by less than this share is found again."""
PAUSE_SEEN: Final = 0.1
"""Share of pauses in the time that a rate was found from, above which it's not sure: who knows what they cost."""
SHORTEST_S: Final = 0.001
"""A time that was measured shorter is taken for so long: clocks are coarse."""
ENOUGH: Final = 20
"""Accepted calls from which a rate is known well enough to forget what was before."""


class Mark(NamedTuple):
    """A refusal: then the endpoint had nothing left to give."""

    at: float
    accepted: int
    """Calls until then."""


class _Found(NamedTuple):
    """A rate as the latest episode told it, in calls a second, with the one before and the pace that was refused."""

    rate: float
    before: float | None
    refused: float


class LearntRate:
    """What was accepted between two refusals, over the time between them.

    Until they tell it, a guess that grows. As long as each refusal tells another rate, the next is sought between what
    was accepted and what was refused; one that is found twice is held, and then grows slowly until it's refused again.
    It grows by calls, not by time, so that a client with little to send does not grow it unseen.
    """

    def __init__(self, first: Mark, guess: Callable[[], float], fewest: Callable[[], float]) -> None:
        self._guess = guess
        self._fewest = fewest
        self._from = self._before = self._last = first
        """The refusals since which calls count, that of the episode before, and that of the episode under way."""
        self._found: _Found | None = None
        self._found_before: _Found | None = None
        """By the end of the episode before."""
        self._refused = 0.0
        self._pause_s = self._pause_before_s = 0.0
        self._refusals = 1
        """Of the episode under way."""

    @property
    def is_known(self) -> bool:
        """Whether it's more than a guess."""
        return self._found is not None

    def tells(self, mark: Mark) -> bool:
        """Whether the refusal that comes next tells anything: where too little was accepted, it's only too early."""
        return self._tells(mark, self._last)

    def _tells(self, mark: Mark, before: Mark) -> bool:
        if mark.accepted <= max(before.accepted, self._from.accepted):
            return False
        return self.is_known or mark.accepted - self._from.accepted >= self._fewest()

    @property
    def _calls(self) -> int:
        return self._last.accepted - self._from.accepted

    @property
    def _is_long(self) -> bool:
        """Whether enough was seen."""
        return self._calls >= ENOUGH and self._last.at - self._from.at >= self._pause_before_s / PAUSE_SEEN

    def now(self, sent: int) -> float:
        """Calls a second, when so many were sent since the last refusal."""
        if self._found is None:
            return self._guess() + sent / TRIAL_GROWTH_S
        rate, before, refused = self._found
        if before is not None and self._is_long and abs(rate - before) <= SURE * before:
            held = max(rate * self._pause_s / PAUSED_SHARE, self._refusals / REFUSED_SHARE)
            return rate * (1 + (max(0.0, sent - held) / rate / DOUBLING_S) ** 2)
        sought = math.sqrt(rate * min(refused, 2 * rate))
        return sought + max(0, sent - self._calls) / GROWTH_S

    def refused(self, mark: Mark, sent: int, pause_s: float) -> None:
        """An episode begins, with a pause, after so many calls since the last one."""
        self._refused = self.now(sent)
        if self.is_known and mark.accepted - self._last.accepted >= ENOUGH:
            self._from = self._last
        self._found_before = self._found
        self._before, self._last = self._last, mark
        self._pause_before_s, self._pause_s = self._pause_s, pause_s
        self._refusals = 1
        self._learn()

    def refused_too(self) -> None:
        """One more call of the episode, which was counted as accepted."""
        is_first = self._last is self._from
        self._last = self._last._replace(accepted=self._last.accepted - 1)
        self._refusals += 1
        if is_first:
            self._from = self._before = self._last
        self._learn()

    def _learn(self) -> None:
        self._found = self._found_before
        if self._tells(self._last, self._before):
            before = self._found.rate if self._found else None
            rate = self._calls / max(self._last.at - self._from.at, SHORTEST_S)
            self._found = _Found(max(rate, (before or 0.0) / 2), before, self._refused)
