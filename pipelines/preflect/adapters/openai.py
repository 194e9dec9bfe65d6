"""Chat models behind any OpenAI-compatible endpoint: journal, money and traffic around each call."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Final

from preflect.adapters.access import Access
from preflect.adapters.chat_call import Answered, ChatCall, Endpoint
from preflect.adapters.journalled import identified, reply_of, stored
from preflect.adapters.post_beside import open_post_beside
from preflect.errors import CallError, PreflectError
from preflect.ports import CallMeter, CallStore, ChatReply, ChatRequest, Gate, Purse, StoredCall
from preflect.schemas import ChatModelSpec, Sampling, SharedLimit
from preflect.traffic.adaptive_limit import AdaptiveLimit
from preflect.traffic.lane import Lane, Line
from preflect.traffic.pace import Pace

BESIDE: Final = "#hedge"
"""What is added to a call's key for the second answer to it, which was paid for and is not used."""


class OpenAIChat:
    """One model of a recipe: the journal before every use, equal requests asked once, a lane to the endpoint.

    Use `open_chat`, which also closes the connections.

    Args: urgency gives a stage's place in the recipe: the later goes first, so that samples get finished.
    """

    def __init__(self, endpoint: Endpoint, journal: CallStore, urgency: Mapping[str, int]) -> None:
        self._endpoint = endpoint
        self._journal = journal
        self._urgency = urgency
        self._under_way: dict[str, asyncio.Future[StoredCall]] = {}
        self._paid_for: set[asyncio.Task[StoredCall]] = set()
        """Calls that may come back when nobody waits for them any more: hedges that were overtaken."""

    @property
    def name(self) -> str:
        """The model's name in the recipe."""
        return self._endpoint.name

    @property
    def max_tokens_if_truncated(self) -> int | None:
        """Length at most when a reply that was cut off is asked for again; None: twice what cut it off."""
        return self._endpoint.spec.max_tokens_if_truncated

    async def complete(self, request: ChatRequest) -> ChatReply:
        """The reply, from the journal if this very request was answered before.

        Raises: CallError (`call_timeout`, `call_failed`, `content_filter`); StoppedError when no call may start.
        """
        key, sampling = identified(self.name, self._endpoint.served_model, self._endpoint.spec, request)
        call = self._journal.find(key)
        if call:
            self._endpoint.meter.replayed(self.name)
        else:
            call = await self._ask_once(key, request, sampling)
        return reply_of(call, request, sampling)

    async def _ask_once(self, key: str, request: ChatRequest, sampling: Sampling) -> StoredCall:
        """Equal requests that come while one is under way wait for its answer instead of paying again."""
        if (under_way := self._under_way.get(key)) is not None:
            return await asyncio.shield(under_way)
        answer: asyncio.Future[StoredCall] = asyncio.get_running_loop().create_future()
        self._under_way[key] = answer
        try:
            call = await self._ask(key, request, sampling)
            answer.set_result(call)
        except PreflectError as error:
            answer.set_exception(error)
            answer.exception()  # looked at here: there may be nobody else who waits for it
            raise
        finally:
            del self._under_way[key]
            answer.cancel()  # where it has no answer yet
        return call

    async def _ask(self, key: str, request: ChatRequest, sampling: Sampling) -> StoredCall:
        self._endpoint.gate.raise_if_closed()
        keys = iter((key, key + BESIDE))
        call = self._call(request, sampling)
        if self._endpoint.spec.hedge_after_s is None:
            return await self._pay(call, keys)
        first = asyncio.create_task(self._pay(call, keys))
        if not await self._is_slow(call, first):
            return await first
        self._endpoint.meter.hedged(self.name)
        hedge = self._call(request, sampling, instead_of=call)
        second = asyncio.create_task(self._pay(hedge, keys))
        try:
            return await self._first_of(first, second)
        finally:
            if not hedge.sent.is_set():
                second.cancel()  # it still waits for its turn, and would be paid for nothing

    def _call(self, request: ChatRequest, sampling: Sampling, instead_of: ChatCall | None = None) -> ChatCall:
        urgency = self._urgency.get(request.stage, 0)
        return ChatCall(
            endpoint=self._endpoint, request=request, sampling=sampling, urgency=urgency, instead_of=instead_of
        )

    async def _is_slow(self, call: ChatCall, asked: asyncio.Task[StoredCall]) -> bool:
        """Whether the call is still out when `hedge_after_s`, and what 95 % of the replies took, have passed."""
        sent = asyncio.create_task(call.sent.wait())
        await asyncio.wait((sent, asked), return_when=asyncio.FIRST_COMPLETED)
        sent.cancel()
        await asyncio.wait((asked,), timeout=self._endpoint.spec.hedge_after_s)
        # Looked up this late, since a run's first calls go out before any reply is there.
        usual_s = self._endpoint.latencies.p95_s()
        if usual_s is None or asked.done():
            return False
        await asyncio.wait((asked,), timeout=max(usual_s - call.out_s, 0.0))
        return not asked.done()

    async def _first_of(self, *asked: asyncio.Task[StoredCall]) -> StoredCall:
        """The first good answer; the other call is let come back, since it's paid for."""
        for task in asked:
            self._paid_for.add(task)
            task.add_done_callback(self._paid_for.discard)
            task.add_done_callback(_look_at)
        for nth in asyncio.as_completed(asked):
            with suppress(CallError):
                return await nth
        return await asked[0]

    async def _pay(self, call: ChatCall, keys: Iterator[str]) -> StoredCall:
        """Ask; durable, under the next of `keys`, when this returns."""
        try:
            answered = await call.ask()
        except BaseException:
            if call.sent.is_set():
                self._endpoint.meter.finished_call(self.name, None, call.out_s)
            raise
        kept = self._stored(next(keys), call, answered)
        self._endpoint.meter.finished_call(self.name, kept, call.out_s)
        await self._journal.record(kept)
        return kept

    def _stored(self, key: str, call: ChatCall, answered: Answered) -> StoredCall:
        return stored(
            key,
            self.name,
            call.request.stage,
            call.request.sample_id,
            answered.completion,
            served_model=self._endpoint.served_model,
            prompt_tokens=call.estimated_tokens,
            cost_usd=answered.cost_usd,
            latency_s=answered.latency_s,
        )

    async def close(self) -> None:
        """Wait for what is still out and paid for."""
        await asyncio.gather(*self._paid_for, return_exceptions=True)


def _look_at(done: asyncio.Task[StoredCall]) -> None:
    """Whoever waited for it may be gone by now, and asyncio would print the traceback of what nobody looked at."""
    if not done.cancelled():
        done.exception()


@asynccontextmanager
async def open_chat(
    specs: Mapping[str, ChatModelSpec],
    *,
    addresses: Mapping[str, tuple[str, str, str]],
    journal: CallStore,
    purse: Purse,
    gate: Gate,
    meter: CallMeter,
    shared: Mapping[str, SharedLimit] | None = None,
    stages: tuple[str, ...] = (),
) -> AsyncGenerator[dict[str, OpenAIChat]]:
    """Clients for several models, closed together at the end of the block.

    Args: addresses gives base URL, key and the model's name at the endpoint, by name in the recipe; shared the limits
    that models name; stages their order, of which the later go first.
    """
    urgency = {stage: place for place, stage in enumerate(stages)}
    rng = random.Random()  # noqa: S311  (spreads retries, nothing more)
    async with AsyncExitStack() as stack:
        lanes = _Lanes(specs, shared or {}, gate, meter, rng)
        models: dict[str, OpenAIChat] = {}
        for name, spec in specs.items():
            base_url, key, served_model = addresses[name]
            post = await stack.enter_async_context(open_post_beside(base_url.rstrip("/") + "/chat/completions", key))
            line = Line(name, spec.concurrency, Pace(spec.rpm, spec.tpm, time.monotonic))
            endpoint = Endpoint(
                name=name,
                spec=spec,
                served_model=served_model,
                access=Access.of(name, spec, base_url, served_model),
                post=post,
                lane=await lanes.join(line, spec, stack),
                line=line,
                gate=gate,
                meter=meter,
                purse=purse,
                rng=rng,
                has_answered=partial(journal.has_any_of, name),
            )
            models[name] = OpenAIChat(endpoint, journal, urgency)
            stack.push_async_callback(models[name].close)
        yield models


class _Lanes:
    """A lane for each shared limit, and one for each model that shares none."""

    def __init__(
        self,
        specs: Mapping[str, ChatModelSpec],
        shared: Mapping[str, SharedLimit],
        gate: Gate,
        meter: CallMeter,
        rng: random.Random,
    ) -> None:
        self._specs = specs
        self._shared = shared
        self._gate = gate
        self._meter = meter
        self._rng = rng
        self._open: dict[str, Lane] = {}

    async def join(self, line: Line, spec: ChatModelSpec, stack: AsyncExitStack) -> Lane:
        """The lane of this line, opened when it's the first in it."""
        lane = self._open.get(spec.limit or "")
        if lane is None:
            limit = self._shared[spec.limit] if spec.limit else SharedLimit()
            together = sum(other.concurrency for other in self._specs.values() if other.limit == spec.limit)
            most = (limit.concurrency or together) if spec.limit else spec.concurrency
            pace = Pace(limit.rpm, limit.tpm, time.monotonic)
            lane = Lane(
                AdaptiveLimit(most, time.monotonic), pace, self._gate, self._meter, self._rng, clock=time.monotonic
            )
            await stack.enter_async_context(lane.open())
            if spec.limit:
                self._open[spec.limit] = lane
        lane.add(line)
        return lane
