"""Lanes: who goes next, how many at once and how fast, for one or several models on one provider key."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from preflect.errors import StoppedError
from preflect.ports import CallMeter, Gate
from preflect.traffic.adaptive_limit import AdaptiveLimit, Sent
from preflect.traffic.http_reply import HttpReply
from preflect.traffic.pace import Pace
from preflect.traffic.told import TOO_MANY_REQUESTS, exhausted_s, throttle_pause_s

OK: Final = 200
FEW: Final = 4
"""So many tickets for each place that are left are few."""
OPENING_LOOK_S: Final = 0.002
"""How often a limit that grows with time is looked at."""
LONGEST_BACKOFF_S: Final = 20.0

_ranks: Final = itertools.count()


def backoff_s(attempt: int, rng: random.Random) -> float:
    """Seconds to wait after this attempt, from 1: at random up to a bound that doubles ("full jitter")."""
    return rng.uniform(0, min(LONGEST_BACKOFF_S, 0.25 * 2.0 ** min(attempt, 10)))


@dataclass(slots=True, eq=False, kw_only=True)
class Ticket(ABC):
    """A request in the queue; the same ticket when it must be sent again, so that it keeps its rank."""

    urgency: int = 0
    """The place of its stage in the recipe: see `Lane`; among equals, the earlier goes first."""
    tokens: int = 0
    """What it will use of the tokens per minute, as far as that is known."""
    rank: int = field(default_factory=lambda: next(_ranks))
    instead_of: Ticket | None = None
    """The slow request that this one was put beside: once that is answered, this one need not go any more."""
    answered: bool = False
    reply: asyncio.Future[HttpReply] = field(init=False)
    place: Sent = field(init=False)
    """What its lane's limit remembers of it."""

    @abstractmethod
    async def send(self) -> HttpReply:
        """Send it; raises StoppedError where it may not go any more, and else only when cancelled."""

    @property
    def is_moot(self) -> bool:
        """Whether nobody waits for it any more."""
        return self.reply.done() or (self.instead_of is not None and self.instead_of.answered)


class Line:
    """The queue of one model, with its own limits."""

    def __init__(self, name: str, most: int, pace: Pace) -> None:
        self.name = name
        self.most = most
        self.pace = pace
        self.in_flight = 0
        self._queues: dict[int, list[tuple[int, Ticket]]] = {}
        """Those of each urgency, by rank; none is empty."""

    @property
    def waiting(self) -> int:
        """Tickets in the queue."""
        return sum(map(len, self._queues.values()))

    def push(self, ticket: Ticket) -> None:
        """Queue it among those of its urgency, by rank."""
        heapq.heappush(self._queues.setdefault(ticket.urgency, []), (ticket.rank, ticket))

    def head(self, *, latest: bool) -> Ticket | None:
        """The next of the latest stage, or of the earliest; those whom nobody waits for any more are dropped."""
        while self._queues:
            urgency = max(self._queues) if latest else min(self._queues)
            ticket = self._queues[urgency][0][1]
            if not ticket.is_moot:
                return ticket
            self.remove(ticket)
        return None

    def remove(self, head: Ticket) -> None:
        """Take what `head` gave out of the queue."""
        queue = self._queues[head.urgency]
        heapq.heappop(queue)
        if not queue:
            del self._queues[head.urgency]

    def refuse_all(self, gate: Gate) -> None:
        """All that wait are told why nothing goes any more."""
        for _, ticket in itertools.chain.from_iterable(self._queues.values()):
            if not ticket.reply.done():
                ticket.reply.set_exception(gate.reason())
        self._queues.clear()


class Lane:
    """Lets the requests of its lines out: a place that comes free is taken in the same step.

    The latest stage goes first, so that samples get finished. Once few are left, the earliest does: it has the most
    calls before it, and a run would end with some samples alone on their way through all stages (Hu 1961).

    Building a request and reading a reply take CPU; they happen outside, so that no place waits for them.
    """

    def __init__(
        self,
        limit: AdaptiveLimit,
        pace: Pace,
        gate: Gate,
        meter: CallMeter,
        rng: random.Random,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._limit = limit
        self._pace = pace
        self._gate = gate
        self._meter = meter
        self._rng = rng
        self._clock = clock
        self._lines: list[Line] = []
        self._paused_until = 0.0
        self._episodes_in_row = 0
        self._shown = 0
        self._wake: asyncio.Handle | None = None
        self._wake_at = 0.0
        self._at_work: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        """Requests that wait when the gate closes are told so; what is in flight at the end of the block is dropped."""
        watcher = asyncio.create_task(self._refuse_when_closed())
        try:
            yield
        finally:
            for task in (watcher, *self._at_work):
                task.cancel()
            await asyncio.gather(watcher, *self._at_work, return_exceptions=True)
            if self._wake:
                self._wake.cancel()

    async def _refuse_when_closed(self) -> None:
        await self._gate.closed.wait()
        for line in self._lines:
            line.refuse_all(self._gate)

    def add(self, line: Line) -> None:
        """One more model uses this lane."""
        self._lines.append(line)

    async def post(self, line: Line, ticket: Ticket) -> HttpReply:
        """The reply, once the ticket's turn has come. Raises: what closed the gate."""
        self._gate.raise_if_closed()
        ticket.reply = asyncio.get_running_loop().create_future()
        line.push(ticket)
        self._pump()
        return await ticket.reply

    def _pump(self) -> None:
        while picked := self._next():
            task = asyncio.create_task(self._carry(*picked))
            self._at_work.add(task)
            task.add_done_callback(self._left_work)

    def _left_work(self, task: asyncio.Task[None]) -> None:
        self._at_work.discard(task)
        if not task.cancelled():
            task.exception()  # it was handed to the caller

    async def _carry(self, line: Line, ticket: Ticket) -> None:
        while True:
            if ticket.is_moot:  # since it was taken out of the queue
                self._limit.answered(ticket.place)
            else:
                await self._send(line, ticket)
            line.in_flight -= 1
            picked = self._next()
            if picked is None:
                return
            self._pump()  # an answer may have made room for more than one
            line, ticket = picked

    async def _send(self, line: Line, ticket: Ticket) -> None:
        try:
            reply = await ticket.send()
        except StoppedError as error:  # there is no money for it any more; those behind it hear the same
            self._limit.answered(ticket.place)
            self._refuse(ticket, error)
            return
        except BaseException as error:
            self._limit.answered(ticket.place)
            self._tell(line, ticket, error)
            raise
        try:
            self._settle(line, ticket, reply)
        except Exception as error:
            self._tell(line, ticket, error)
            raise
        ticket.answered = reply.status == OK
        if not ticket.reply.done():
            ticket.reply.set_result(reply)

    def _tell(self, line: Line, ticket: Ticket, error: BaseException) -> None:
        """The caller of a request that broke, or was given up when the lane was closed, is told; its place is free."""
        line.in_flight -= 1
        self._refuse(ticket, error)

    def _refuse(self, ticket: Ticket, error: BaseException) -> None:
        if not ticket.reply.done():
            ticket.reply.set_exception(error)
            ticket.reply.exception()  # looked at here: its caller may be gone

    def _next(self) -> tuple[Line, Ticket] | None:
        """The first ticket that may go now; where time alone is wanting, a look again after it."""
        if self._gate.closed.is_set() or not self._has_room():
            return None
        latest = sum(line.waiting for line in self._lines) > FEW * self._limit.allowed
        picked, soonest = None, float("inf")
        for line in self._lines:
            head = line.head(latest=latest)
            if head is None or line.in_flight >= line.most:
                continue
            wait_s = max(self._pace.wait_s(head.tokens), line.pace.wait_s(head.tokens))
            order = (-head.urgency if latest else head.urgency, head.rank)
            if wait_s:
                soonest = min(soonest, wait_s)
            elif picked is None or order < picked[0]:
                picked = (order, line, head)
        if picked is None:
            self._look_again(soonest)
            return None
        _, line, head = picked
        self._take(line, head)
        return line, head

    def _has_room(self) -> bool:
        paused_s = self._paused_until - self._clock()
        if paused_s > 0:
            self._look_again(paused_s)
            return False
        if self._limit.in_flight < self._limit.allowed:
            return True
        if self._limit.opening:
            self._look_again(OPENING_LOOK_S)
        return False

    def _take(self, line: Line, ticket: Ticket) -> None:
        line.remove(ticket)
        line.in_flight += 1
        ticket.place = self._limit.sent()
        self._pace.learn(self._limit.rate)
        for pace in (self._pace, line.pace):
            pace.take(ticket.tokens)

    def _look_again(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        at = now + seconds
        if seconds == float("inf") or (self._wake and now < self._wake_at <= at):
            return
        if self._wake:
            self._wake.cancel()
        self._wake, self._wake_at = loop.call_at(at, self._woken), at

    def _woken(self) -> None:
        self._wake = None
        self._limit.look()
        self._pump()

    def _settle(self, line: Line, ticket: Ticket, reply: HttpReply) -> None:
        told = throttle_pause_s(reply.status, reply.headers, reply.body)
        if told is None:
            self._episodes_in_row = 0
            self._limit.answered(ticket.place)
            self._pause(exhausted_s(reply.headers, ticket.tokens))
        else:
            self._meter.throttled(line.name)
            self._throttled(ticket, reply, told or exhausted_s(reply.headers, ticket.tokens))
        self._show()

    def _throttled(self, ticket: Ticket, reply: HttpReply, told_s: float) -> None:
        backoff = backoff_s(self._episodes_in_row + 1, self._rng)
        # A wait that was told, and after which all is refused again, was too short.
        pause_s = max(told_s, backoff) if self._episodes_in_row else told_s or backoff
        if self._limit.refused(ticket.place, pause_s, by_quota=reply.status == TOO_MANY_REQUESTS):
            self._episodes_in_row += 1
            self._pace.learn(self._limit.rate)
            self._pause(pause_s)
        else:
            self._pause(told_s)

    def _pause(self, seconds: float) -> None:
        until = self._clock() + seconds
        if seconds and until > self._paused_until:
            self._paused_until = until
            self._pace.rest(seconds)
            for line in self._lines:
                self._meter.paused(line.name, seconds)

    def _show(self) -> None:
        if (allowed := self._limit.allowed) != self._shown:
            self._shown = allowed
            for line in self._lines:
                self._meter.allowed(line.name, min(allowed, line.most))

    def correct(self, line: Line, tokens: int) -> None:
        """A request of this line has used so many tokens more, or less, than its ticket said."""
        for pace in (self._pace, line.pace):
            pace.correct(tokens)
