"""A lane by itself: whose turn it is, and when it looks again."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass

import uvloop

from preflect.engine.gate import RunGate
from preflect.engine.meter import Meter
from preflect.traffic.adaptive_limit import AdaptiveLimit
from preflect.traffic.http_reply import HttpReply
from preflect.traffic.lane import Lane, Line, Ticket
from preflect.traffic.pace import Pace


async def test_a_request_that_is_given_up_at_its_turn_is_not_sent() -> None:
    sent: list[str] = []
    meter = Meter(None)
    meter.expect((), ("teacher",))
    unpaced = Pace(None, None, time.monotonic)
    limit = AdaptiveLimit(1, time.monotonic)
    lane = Lane(limit, unpaced, RunGate(), meter, random.Random(0), clock=time.monotonic)
    line = Line("teacher", 1, unpaced)
    lane.add(line)

    @dataclass(eq=False)
    class Named(Ticket):
        name: str

        async def send(self) -> HttpReply:
            sent.append(self.name)
            return HttpReply(200, {}, b"", 0.0)

    async with lane.open():
        given_up = asyncio.create_task(lane.post(line, Named(name="given up")))
        waiting = asyncio.create_task(lane.post(line, Named(name="waiting")))
        await asyncio.sleep(0)  # the first one has its turn, and goes out in the next step
        given_up.cancel()
        await asyncio.wait_for(waiting, 1.0)
    assert sent == ["waiting"]
    assert (line.in_flight, limit.in_flight) == (0, 0)


def test_requests_follow_each_other_at_a_pace_finer_than_the_clock_of_the_loop() -> None:
    async def ask(count: int) -> int:
        meter = Meter(None)
        meter.expect((), ("teacher",))
        often = Pace(400_000, None, time.monotonic)  # waits of 0.15 ms: uvloop's timers count whole milliseconds
        lane = Lane(AdaptiveLimit(8, time.monotonic), often, RunGate(), meter, random.Random(0), clock=time.monotonic)
        line = Line("teacher", 8, Pace(None, None, time.monotonic))
        lane.add(line)

        class Fine(Ticket):
            async def send(self) -> HttpReply:
                return HttpReply(200, {}, b"", 0.0)

        async with lane.open(), asyncio.timeout(20):
            replies = await asyncio.gather(*(lane.post(line, Fine()) for _ in range(count)))
        return len(replies)

    assert uvloop.run(ask(4_000)) == 4_000
