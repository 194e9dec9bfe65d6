"""One call to an endpoint: tried again until it's answered, under one deadline."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from preflect.adapters.access import Access
from preflect.adapters.chat_wire import BadBodyError, Completion, read_completion, reply_style, request_body
from preflect.adapters.journalled import BYTES_PER_TOKEN
from preflect.adapters.post_beside import PostBeside
from preflect.adapters.refusals import NOT_ACCEPTED, Refusal, ignored_options, read_refusal, refused_options
from preflect.errors import CallError, RefusedCallError
from preflect.ports import CallMeter, ChatRequest, Gate, Hold, Purse
from preflect.prompts import format_directions
from preflect.schemas import ChatModelSpec, Sampling
from preflect.scoring.cost import cost_usd, most_usd
from preflect.traffic.http_reply import HttpReply
from preflect.traffic.lane import OK, Lane, Line, Ticket, backoff_s
from preflect.traffic.latencies import Latencies
from preflect.traffic.told import throttle_pause_s, wants_money

_LOG: Final = logging.getLogger(__name__)
RETRIED_STATUS: Final = frozenset({408, 409, 429, 500, 502, 503, 504, 529})
MOST_THROTTLED: Final = 20
"""Refusals of one call because there were too many, waited out each time, after which it fails."""
MOST_BAD_BODIES: Final = 3
"""Replies that are no completion, after which the endpoint is taken at its word: each of them may be paid for."""


@dataclass(slots=True, kw_only=True)
class Endpoint:
    """The way to one model: its address, its line in a lane, and what it was found to refuse."""

    name: str
    spec: ChatModelSpec
    served_model: str
    access: Access
    post: PostBeside
    lane: Lane
    line: Line
    gate: Gate
    meter: CallMeter
    purse: Purse
    rng: random.Random
    has_answered: Callable[[], bool]
    """Whether any request got a completion, in this sitting or before."""
    refused: frozenset[str] = frozenset()
    uncounted: bool = False
    """Whether it was told that replies come without a count of their tokens."""
    latencies: Latencies = field(default_factory=Latencies)

    def body(self, request: ChatRequest, sampling: Sampling) -> dict[str, Any]:
        """The request as it's sent, without what the endpoint refused before."""
        return request_body(self.served_model, self.spec.structured, request, sampling, self.refused)


@dataclass(frozen=True, slots=True)
class Answered:
    """A completion with its cost, and the seconds from request to reply of the attempt that brought it."""

    completion: Completion
    cost_usd: float
    latency_s: float


@dataclass(slots=True, eq=False, kw_only=True)
class ChatCall(Ticket):
    """One request on its way. It is its own ticket: one beside it, each holding the other, would be left to gc."""

    endpoint: Endpoint
    request: ChatRequest
    sampling: Sampling
    sent: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the request goes out for the first time: then the call's clock starts, not while it waits its turn."""
    body: bytes = field(init=False)
    _without: frozenset[str] = field(init=False)
    """The options that `body` leaves out."""
    _style: str = field(init=False)
    """How `body` asks for the parts of the reply."""
    _held: Hold | None = None
    """What is set aside for the attempt under way."""
    _deadline: float = float("inf")
    _bad_bodies: int = 0
    _throttled: int = 0
    _waits_since: float | None = None
    """Since when it waits for as long as the endpoint said: no time of its own."""
    _last_words: str = ""
    """What the endpoint said when it was last asked in vain."""

    def __post_init__(self) -> None:
        self._build()
        self.tokens = self.estimated_tokens

    def _build(self) -> None:
        endpoint = self.endpoint
        self._without = endpoint.refused
        self._style = reply_style(endpoint.spec.structured, self.request, self._without)
        self.body = orjson.dumps(self.endpoint.body(self.request, self.sampling))

    @property
    def out_s(self) -> float:
        """Seconds since it went out for the first time."""
        return asyncio.get_running_loop().time() - (self._deadline - self.endpoint.spec.timeout_s)

    @property
    def estimated_tokens(self) -> int:
        """What the prompt will count, roughly."""
        return len(self.body) // BYTES_PER_TOKEN

    async def ask(self) -> Answered:
        """The answer. Raises: CallError (`call_timeout`, `call_failed`, `content_filter`); StoppedError."""
        attempt = 1
        try:
            while not isinstance(answer := await self._attempt(attempt), Answered):
                self.endpoint.meter.retried(self.endpoint.name)
                if answer:
                    async with self._by_deadline():
                        await _sleep(answer, self.endpoint.gate)
                attempt += 1
            return answer
        finally:
            self._end_wait()

    async def _attempt(self, attempt: int) -> Answered | float:
        """The answer, or the seconds until the next attempt; what it cost is settled, or lost.

        What was sent and never answered is left unsettled: all that it could cost counts. The wait for money is no
        time of the call: the budget is the user's, and says nothing of how slow the endpoint is.
        """
        price, most = self.endpoint.spec.price, self._most_usd()
        asked_at = asyncio.get_running_loop().time()
        async with self.endpoint.purse.hold(most) as held:
            if self._waits_since is None:
                self._deadline += asyncio.get_running_loop().time() - asked_at
            self._held = held
            reply = await self._posted()
            if reply.status != OK:
                if reply.status or reply.unsent:
                    held.settle(0.0)
                return self._wait_after(reply, attempt)
            try:
                completion = read_completion(reply.body)
            except BadBodyError as error:
                held.lose(cost_usd(price, error.usage) if error.usage else most)
                return self._wait_after_bad_body(error, attempt)
            cost = cost_usd(price, completion.usage) if completion.usage else most
            held.settle(cost)
            return self._answered(reply, completion, cost)

    def _most_usd(self) -> float:
        """With directions for a format that the endpoint may turn out to refuse."""
        schema = self.request.json_schema
        extra = len(format_directions(schema, "tags").encode()) if schema and self.endpoint.spec.price else 0
        limit = self.sampling.max_tokens or self.endpoint.spec.max_tokens
        return most_usd(self.endpoint.spec.price, len(self.body) + extra, limit)

    async def _posted(self) -> HttpReply:
        post = self.endpoint.lane.post(self.endpoint.line, self)
        if not self.sent.is_set() or self._waits_since is not None:
            return await post
        async with self._by_deadline():
            return await post

    async def send(self) -> HttpReply:
        """Called by the lane, when it is this request's turn."""
        if not self.sent.is_set():
            self._deadline = asyncio.get_running_loop().time() + self.endpoint.spec.timeout_s
            self.sent.set()
            self.endpoint.meter.started(self.endpoint.name)
        self._end_wait()
        if self._held:
            self._held.sent()
        if self._without != self.endpoint.refused:
            self._build()
        return await self.endpoint.post.send(self.body, self._deadline)

    def _answered(self, reply: HttpReply, completion: Completion, cost: float) -> Answered:
        endpoint = self.endpoint
        endpoint.refused |= ignored_options(self._style, completion)
        endpoint.latencies.add(reply.seconds)
        if used := completion.usage:
            endpoint.lane.correct(endpoint.line, used.prompt_tokens + used.completion_tokens - self.tokens)
        else:
            self._tell_uncounted()
        return Answered(completion, cost, reply.seconds)

    def _tell_uncounted(self) -> None:
        endpoint = self.endpoint
        endpoint.meter.uncounted(endpoint.name)
        if not endpoint.uncounted:
            endpoint.uncounted = True
            _LOG.warning(
                "model %s: %s does not count tokens: they are guessed, and each reply is charged at the most that it "
                "can cost", endpoint.name, endpoint.access.base_url,
            )  # fmt: skip

    def _wait_after(self, reply: HttpReply, attempt: int) -> float:
        """Seconds until the next attempt. Raises: CallError when there must be none, AccessDeniedError for any call."""
        if reply.timed_out:
            raise self._out_of_time()
        if not reply.status:
            self._last_words = reply.failure
            return backoff_s(attempt, self.endpoint.rng)
        refusal = read_refusal(reply.status, reply.body)
        self._last_words = str(refusal)
        # By what this request said: another one, sent at the same time, may have learnt the same already.
        if news := refused_options(refusal, self._style) - self._without:
            self.endpoint.refused |= news
            return 0.0
        if throttle_pause_s(reply.status, reply.headers, reply.body) is not None:
            return self._wait_in_lane(refusal)
        if refusal.status in RETRIED_STATUS and not wants_money(reply.status, reply.body):
            return backoff_s(attempt, self.endpoint.rng)
        if refusal.is_of_a_filter:
            raise CallError("content_filter", str(refusal))
        self.endpoint.access.check(refusal, answered=self.endpoint.has_answered())
        raise (RefusedCallError if refusal.status in NOT_ACCEPTED else CallError)("call_failed", str(refusal))

    def _wait_in_lane(self, refusal: Refusal) -> float:
        self._throttled += 1
        if self._throttled >= MOST_THROTTLED:
            raise CallError("call_failed", f"{refusal}, {self._throttled} times")
        self._waits_since = asyncio.get_running_loop().time()
        self.endpoint.meter.held_back(self.endpoint.name)
        return 0.0

    def _end_wait(self) -> None:
        if self._waits_since is not None:
            self._deadline += asyncio.get_running_loop().time() - self._waits_since
            self._waits_since = None
            self.endpoint.meter.started(self.endpoint.name)

    def _wait_after_bad_body(self, error: BadBodyError, attempt: int) -> float:
        self._bad_bodies += 1
        self._last_words = str(error)
        if self._bad_bodies >= MOST_BAD_BODIES:
            raise CallError("call_failed", str(error)) from error
        return backoff_s(attempt, self.endpoint.rng)

    @asynccontextmanager
    async def _by_deadline(self) -> AsyncGenerator[None]:
        """Once the request has gone out, nothing is waited for beyond its deadline. Raises: CallError."""
        try:
            async with asyncio.timeout_at(self._deadline):
                yield
        except TimeoutError as error:
            raise self._out_of_time() from error

    def _out_of_time(self) -> CallError:
        endpoint = self.endpoint
        if self._last_words:
            words = f"{self._last_words}, again and again for {endpoint.spec.timeout_s:g} s"
            return CallError("call_failed", words)
        return CallError("call_timeout", f"no reply of {endpoint.name} within {endpoint.spec.timeout_s:g} s")


async def _sleep(seconds: float, gate: Gate) -> None:
    """Sleep, but not through the closing of the gate. Raises: what closed it."""
    try:
        await asyncio.wait_for(gate.closed.wait(), seconds)
    except TimeoutError:
        return
    raise gate.reason()
