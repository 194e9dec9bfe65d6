"""An endpoint and a client in virtual time: minutes of traffic in a moment, to the same result each time."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from preflect.traffic.adaptive_limit import AdaptiveLimit, Sent
from preflect.traffic.pace import Pace

Accepts = Callable[[float, int], bool]
"""Whether a request that comes at this time, with so many in work, is accepted."""

ROUND_TRIP_S = 0.003
RETRY_AFTER_S = 1.0
CPU_S = 0.0003
TICK_S = 0.005
"""How often the client looks up when nothing has happened."""


def capacity(most: int) -> Accepts:
    """Accepts a request while fewer than `most` are in work."""
    return lambda _, in_work: in_work < most


def per_minute(rpm: int) -> Accepts:
    """A token bucket that holds a second's worth."""
    rate = rpm / 60
    level, at = rate, 0.0

    def accepts(now: float, _: int) -> bool:
        nonlocal level, at
        level, at = min(rate, level + (now - at) * rate), now
        if level < 1:
            return False
        level -= 1
        return True

    return accepts


@dataclass
class Traffic:
    """What came of a while of as many calls as the limit allowed."""

    answered: int = 0
    refused: int = 0
    sent_in_pause: int = 0
    busy_s: float = 0.0
    """Calls in work, summed over time."""
    largest: int = 0


@dataclass
class VirtualEndpoint:
    """Replies after `latency()` seconds; refuses at once, with Retry-After, what it doesn't accept."""

    accepts: Accepts
    latency: Callable[[], float]
    now: float = 0.0
    _events: list[tuple[float, int, Callable[[], None]]] = field(
        default_factory=list[tuple[float, int, Callable[[], None]]]
    )
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def run(self, most: int, seconds: float) -> Traffic:
        """Keep it as busy as an adaptive limit of `most` allows."""
        limit = AdaptiveLimit(most, lambda: self.now)
        pace = Pace(None, None, lambda: self.now)
        traffic = Traffic()
        in_work = 0
        paused_until = last = 0.0

        def arrive(sent: Sent) -> None:
            nonlocal in_work
            if self.accepts(self.now, in_work):
                in_work += 1
                self._after(self.latency(), done)
            else:
                traffic.refused += 1
                self._after(ROUND_TRIP_S / 2, lambda: refused(sent))

        def done() -> None:
            nonlocal in_work
            in_work -= 1
            traffic.answered += 1
            self._after(ROUND_TRIP_S / 2, limit.answered)

        def refused(sent: Sent) -> None:
            nonlocal paused_until
            limit.refused(sent, RETRY_AFTER_S)
            pace.learn(limit.rate)
            paused_until = self.now + RETRY_AFTER_S

        def tick() -> None:
            limit.look()
            self._after(TICK_S, tick)

        tick()
        while self._events:
            at, _, happen = heapq.heappop(self._events)
            if at > seconds:
                break
            traffic.busy_s += in_work * (at - last)
            self.now = last = at
            happen()
            sending = self.now
            while self.now >= paused_until and limit.in_flight < limit.allowed and not pace.wait_s(1):
                sent = limit.sent()
                pace.take(1)
                traffic.largest = max(traffic.largest, limit.in_flight)
                self._after(sending - self.now + ROUND_TRIP_S / 2, partial(arrive, sent))
                sending += CPU_S
        return traffic

    def _after(self, seconds: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._numbers), happen))


def fixed() -> Callable[[], float]:
    """Half a second."""
    return lambda: 0.5


def long_tailed(seed: int) -> Callable[[], float]:
    """Log-normal: median 0.5 s, 99th percentile 5 s."""
    rng = random.Random(seed)
    return lambda: rng.lognormvariate(-0.6931, 0.9898)
