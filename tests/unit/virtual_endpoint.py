"""A lane and an endpoint in virtual time: minutes of traffic in a moment, to the same result each time."""

from __future__ import annotations

import asyncio
import random
import selectors
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from preflect.engine.gate import RunGate
from preflect.engine.meter import Meter
from preflect.traffic.adaptive_limit import AdaptiveLimit
from preflect.traffic.http_reply import HttpReply
from preflect.traffic.lane import Lane, Line, Ticket
from preflect.traffic.pace import Pace

Accepts = Callable[[float, int], bool]
"""Whether a request that comes at this time, with so many in work, is accepted."""

MODEL = "teacher"
CPU_S = 0.0003
"""What a request takes of the client's CPU, which sends one after another."""


class _NoWait(selectors.SelectSelector):
    """Instead of waiting, it lets time pass."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += timeout or 0.0
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes as soon as there is nothing else to do."""

    def __init__(self) -> None:
        self._virtual = _NoWait()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Seconds since it was made."""
        return self._virtual.now


def capacity(most: int) -> Accepts:
    """Accepts a request while fewer than `most` are in work."""
    return lambda _, in_work: in_work < most


def bucket(rpm: float, holds_s: float) -> Accepts:
    """A token bucket that holds so many seconds' worth, or one request."""
    rate = rpm / 60
    most = max(1.0, rate * holds_s)
    level, at = most, 0.0

    def accepts(now: float, _: int) -> bool:
        nonlocal level, at
        level, at = min(most, level + (now - at) * rate), now
        if level < 1:
            return False
        level -= 1
        return True

    return accepts


def fixed_window(rpm: float, window_s: float) -> Accepts:
    """So many in each window, which begins when the one before it ends."""
    window, left = -1, 0

    def accepts(now: float, _: int) -> bool:
        nonlocal window, left
        if now // window_s != window:
            window, left = int(now // window_s), int(rpm / 60 * window_s)
        left -= 1
        return left >= 0

    return accepts


def sliding_window(rpm: float, window_s: float) -> Accepts:
    """So many in the window that ends now."""
    accepted = deque[float]()

    def accepts(now: float, _: int) -> bool:
        while accepted and accepted[0] <= now - window_s:
            accepted.popleft()
        if len(accepted) >= rpm / 60 * window_s:
            return False
        accepted.append(now)
        return True

    return accepts


def changing(at: float, before: Accepts, after: Accepts) -> Accepts:
    """A limit that is another one from a time on."""
    return lambda now, in_work: (before if now < at else after)(now, in_work)


@dataclass
class Traffic:
    """What came of a while of as many calls as the lane let out."""

    answered: list[float] = field(default_factory=list[float])
    """When each was accepted."""
    refused: list[float] = field(default_factory=list[float])
    busy_s: float = 0.0
    """Calls in work, summed over time."""
    largest: int = 0

    def accepted_between(self, since: float, until: float) -> int:
        """Calls."""
        return sum(since <= at < until for at in self.answered)

    def refused_between(self, since: float, until: float) -> int:
        """Calls."""
        return sum(since <= at < until for at in self.refused)


@dataclass
class VirtualEndpoint:
    """Replies after `latency()` seconds; refuses at once what it doesn't accept."""

    accepts: Accepts
    latency: Callable[[], float]
    round_trip_s: float = 0.02
    retry_after: Callable[[float], float | None] = lambda _: 1.0
    """What it tells of when to come back, by the time."""
    traffic: Traffic = field(default_factory=Traffic)
    _in_work: int = 0
    _cpu_free_at: float = 0.0

    def run(self, most: int, seconds: float) -> Traffic:
        """Keep it as busy as a lane of `most` allows."""
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(self._run(most, seconds))
        return self.traffic

    async def _run(self, most: int, seconds: float) -> None:
        clock = asyncio.get_running_loop().time
        meter = Meter(None, clock)
        meter.expect((), (MODEL,))
        line = Line(MODEL, most, Pace(None, None, clock))
        lane = Lane(
            AdaptiveLimit(most, clock), Pace(None, None, clock), RunGate(), meter, random.Random(1), clock=clock
        )
        lane.add(line)
        async with lane.open():
            await _for(seconds, *(self._ask(lane, line) for _ in range(2 * most)))

    async def _ask(self, lane: Lane, line: Line) -> None:
        while True:
            ticket = _ToIt(self)
            while (await lane.post(line, ticket)).status != 200:
                pass

    async def send(self) -> HttpReply:
        """As the endpoint answers."""
        clock = asyncio.get_running_loop().time
        self._cpu_free_at = max(self._cpu_free_at, clock()) + CPU_S
        await asyncio.sleep(self._cpu_free_at - clock() + self.round_trip_s / 2)
        now = clock()
        accepted = self.accepts(now, self._in_work)
        if accepted:
            await self._work(now)
        else:
            self.traffic.refused.append(now)
        await asyncio.sleep(self.round_trip_s / 2)
        told = None if accepted else self.retry_after(now)
        headers = {} if told is None else {"retry-after": f"{told:.3f}"}
        return HttpReply(200 if accepted else 429, headers, b"", 0.0)

    async def _work(self, now: float) -> None:
        latency_s = self.latency()
        self.traffic.answered.append(now)
        self.traffic.busy_s += latency_s
        self._in_work += 1
        self.traffic.largest = max(self.traffic.largest, self._in_work)
        await asyncio.sleep(latency_s)
        self._in_work -= 1


@dataclass(eq=False)
class _ToIt(Ticket):
    endpoint: VirtualEndpoint

    async def send(self) -> HttpReply:
        return await self.endpoint.send()


async def _for(seconds: float, *works: Coroutine[Any, Any, None]) -> None:
    tasks = [asyncio.create_task(work) for work in works]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def fixed() -> Callable[[], float]:
    """Half a second."""
    return lambda: 0.5


def long_tailed(seed: int) -> Callable[[], float]:
    """Log-normal: median 0.5 s, 99th percentile 5 s."""
    rng = random.Random(seed)
    return lambda: rng.lognormvariate(-0.6931, 0.9898)
