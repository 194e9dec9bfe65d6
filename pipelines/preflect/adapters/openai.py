"""Chat models behind any OpenAI-compatible endpoint, through the `openai` client on its aiohttp transport."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import orjson
from openai import AsyncOpenAI

from preflect.adapters.chat_call import Answered, ChatCall, Line
from preflect.adapters.chat_wire import call_key
from preflect.adapters.pace import Pace
from preflect.adapters.paced_client import PacedHttpClient
from preflect.ports import CallMeter, CallStore, ChatReply, ChatRequest, Gate, Purse, StoredCall
from preflect.schemas import ChatModelSpec, Provenance, Sampling

READY_PER_PLACE: Final = 2
"""Requests in work for each place in flight: while one is away, the next is built or the last one read."""
BYTES_PER_TOKEN: Final = 4
"""Rough size of a token, where no endpoint has counted yet."""


class OpenAIChat:
    """One model of a recipe: a limit on calls in flight, retries under one deadline, the journal before every use.

    Use `open_chat`, which also closes the connections.
    """

    def __init__(self, line: Line, journal: CallStore, purse: Purse) -> None:
        self._line = line
        self._journal = journal
        self._purse = purse
        self._ready = asyncio.Semaphore(READY_PER_PLACE * line.spec.concurrency)
        self._under_way: dict[str, asyncio.Task[StoredCall]] = {}

    @property
    def name(self) -> str:
        """The model's name in the recipe."""
        return self._line.name

    @property
    def max_tokens_if_truncated(self) -> int | None:
        """Length at most when a reply that was cut off is asked for again; None: twice what cut it off."""
        return self._line.spec.max_tokens_if_truncated

    async def complete(self, request: ChatRequest) -> ChatReply:
        """The reply, from the journal if this very request was answered before.

        Raises: CallError (`call_timeout`, `call_failed`, `content_filter`); StoppedError when no call may start.
        """
        sampling = self._with_defaults(request.sampling)
        key = call_key(self.name, self._line.served_model, self._line.spec.structured, request, sampling)
        call = self._journal.find(key)
        if call:
            self._line.meter.replayed(self.name)
        else:
            call = await self._ask_once(key, request, sampling)
        return ChatReply(
            text=call.text,
            thinking=call.thinking,
            finish_reason=call.finish_reason,
            provenance=Provenance(
                model=call.served_by, prompt_version=request.prompt_version, call_id=key, sampling=sampling
            ),
        )

    def _with_defaults(self, sampling: Sampling) -> Sampling:
        spec = self._line.spec
        return sampling.evolve(
            temperature=spec.temperature if sampling.temperature is None else sampling.temperature,
            max_tokens=sampling.max_tokens or spec.max_tokens,
        )

    async def _ask_once(self, key: str, request: ChatRequest, sampling: Sampling) -> StoredCall:
        """Equal requests that come while one is under way wait for its answer instead of paying again."""
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.create_task(self._ask(key, request, sampling))
            self._under_way[key] = task
            task.add_done_callback(lambda done: self._came_back(key, done))
        return await asyncio.shield(task)

    def _came_back(self, key: str, done: asyncio.Task[StoredCall]) -> None:
        self._under_way.pop(key, None)
        if not done.cancelled():
            # Looked at here, since whoever waited for it may be gone by now, and asyncio would print its traceback.
            done.exception()

    async def _ask(self, key: str, request: ChatRequest, sampling: Sampling) -> StoredCall:
        line = self._line
        async with AsyncExitStack() as money:
            async with self._ready:
                line.gate.raise_if_closed()
                # No token is shorter than a byte, so the body's bytes bound the prompt's tokens.
                most_in = len(orjson.dumps(line.body(request, sampling)))
                most_usd = self._cost_usd(most_in, sampling.max_tokens or line.spec.max_tokens)
                await line.pace.wait(most_in // BYTES_PER_TOKEN, line.gate.raise_if_closed)
                await money.enter_async_context(self._purse.hold(most_usd))
                call = await self._ask_metered(key, ChatCall(line, request, sampling), most_in, most_usd)
            # The next call may go while this one becomes durable.
            await self._journal.record(call)
            self._purse.spend(call.cost_usd)
        line.pace.count(call.completion_tokens)
        return call

    async def _ask_metered(self, key: str, call: ChatCall, most_in: int, most_usd: float) -> StoredCall:
        stored = None
        try:
            answered = await call.ask()
            stored = self._stored(key, call.request, answered, most_in, most_usd)
            return stored
        finally:
            if call.begun:
                self._line.meter.finished_call(self.name, stored)

    def _cost_usd(self, prompt_tokens: int, completion_tokens: int) -> float:
        price = self._line.spec.price
        return (prompt_tokens * price.input + completion_tokens * price.output) / 1_000_000

    def _stored(self, key: str, request: ChatRequest, answered: Answered, most_in: int, most_usd: float) -> StoredCall:
        """The call as it's kept; where the endpoint counts no tokens, it costs what was set aside."""
        reply = answered.completion
        counted = reply.usage is not None
        tokens_in, tokens_out = reply.usage or (most_in // BYTES_PER_TOKEN, len(reply.text) // BYTES_PER_TOKEN)
        return StoredCall(
            key=key,
            model=self.name,
            stage=request.stage,
            sample_id=request.sample_id,
            text=reply.text,
            thinking=reply.thinking,
            finish_reason=reply.finish_reason,
            served_by=reply.model or self._line.served_model,
            prompt_tokens=tokens_in,
            completion_tokens=tokens_out,
            cost_usd=self._cost_usd(tokens_in, tokens_out) if counted else most_usd,
            latency_s=answered.latency_s,
        )


@asynccontextmanager
async def open_chat(
    specs: Mapping[str, ChatModelSpec],
    *,
    addresses: Mapping[str, tuple[str, str, str]],
    journal: CallStore,
    purse: Purse,
    gate: Gate,
    meter: CallMeter,
) -> AsyncGenerator[dict[str, OpenAIChat]]:
    """Clients for several models, closed together at the end of the block.

    Args: addresses gives base URL, key and the model's name at the endpoint, by name in the recipe.
    """
    async with AsyncExitStack() as stack:
        models: dict[str, OpenAIChat] = {}
        for name, spec in specs.items():
            base_url, key, served_model = addresses[name]
            line = Line(
                name=name,
                spec=spec,
                served_model=served_model,
                client=await stack.enter_async_context(_client(base_url, key, spec.concurrency)),
                gate=gate,
                meter=meter,
                pace=Pace(spec.rpm, spec.tpm),
            )
            models[name] = OpenAIChat(line, journal, purse)
        yield models


def _client(base_url: str, key: str, concurrency: int) -> AsyncOpenAI:
    # Retries and deadlines are ours: the client's own would pay twice and hide what happens.
    # Organisation and project are given, since the client would read them from the environment.
    options: dict[str, Any] = {"organization": "", "project": ""}
    return AsyncOpenAI(
        base_url=base_url,
        api_key=key or "-",
        max_retries=0,
        timeout=None,
        http_client=PacedHttpClient(concurrency),
        **options,
    )
