"""Whoever gives a request up before it goes out: it doesn't go, and its place is free."""

from __future__ import annotations

import asyncio
import random
import time

from preflect.engine.gate import RunGate
from preflect.engine.meter import Meter
from preflect.traffic.adaptive_limit import AdaptiveLimit
from preflect.traffic.lane import HttpReply, Lane, Line, Ticket
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

    def ticket(name: str) -> Ticket:
        async def send() -> HttpReply:
            sent.append(name)
            return HttpReply(200, {}, b"", 0.0)

        return Ticket(send, 0, 1)

    async with lane.open():
        given_up = asyncio.create_task(lane.post(line, ticket("given up")))
        waiting = asyncio.create_task(lane.post(line, ticket("waiting")))
        await asyncio.sleep(0)  # the first one has its turn, and goes out in the next step
        given_up.cancel()
        await asyncio.wait_for(waiting, 1.0)
    assert sent == ["waiting"]
    assert (line.in_flight, limit.in_flight) == (0, 0)
