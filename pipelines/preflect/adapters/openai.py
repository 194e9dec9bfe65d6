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
from preflect.scoring.cost import Usage

READY_PER_PLACE: Final = 2
"""Requests in work for each place in flight: while one is away, the next is built or the last one read."""
BYTES_PER_TOKEN: Final = 4
"""Rough size of a token, where no endpoint has counted yet."""


class OpenAIChat:
    """One model of a recipe: a limit on calls in flight, retries under one deadline, the journal before every use.

    Use `open_chat`, which also closes the connections.
    """

    def __init__(self, line: Line, journal: CallStore) -> None:
        self._line = line
        self._journal = journal
        self._ready = asyncio.Semaphore(READY_PER_PLACE * line.spec.concurrency)
        self._under_way: dict[str, asyncio.Task[StoredCall]] = {}

    @property
    def name(self) -> str:
        """The model's name in the recipe."""
        return self._line.name

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
        async with self._ready:
            line.gate.raise_if_closed()
            size = len(orjson.dumps(line.body(request, sampling)))
            await line.pace.wait(size // BYTES_PER_TOKEN, line.gate.raise_if_closed)
            call = await self._ask_metered(key, ChatCall(line, request, sampling), size)
        # The next call may go while this one becomes durable.
        await self._journal.record(call)
        line.pace.count(call.completion_tokens)
        return call

    async def _ask_metered(self, key: str, call: ChatCall, size: int) -> StoredCall:
        stored = None
        try:
            answered = await call.ask()
            stored = self._stored(key, call.request, answered, size)
            return stored
        finally:
            if call.begun:
                self._line.meter.finished_call(self.name, stored)

    def _stored(self, key: str, request: ChatRequest, answered: Answered, size: int) -> StoredCall:
        """The call as it's kept; where the endpoint counts no tokens, they are estimated."""
        reply = answered.completion
        usage = reply.usage or Usage(
            prompt_tokens=size // BYTES_PER_TOKEN, completion_tokens=len(reply.text) // BYTES_PER_TOKEN
        )
        return StoredCall(
            key=key,
            model=self.name,
            stage=request.stage,
            sample_id=request.sample_id,
            text=reply.text,
            thinking=reply.thinking,
            finish_reason=reply.finish_reason,
            served_by=reply.model or self._line.served_model,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            cost_usd=answered.cost_usd,
            latency_s=answered.latency_s,
            cached_tokens=usage.cached_tokens,
            reasoning_tokens=usage.reasoning_tokens,
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
                purse=purse,
            )
            models[name] = OpenAIChat(line, journal)
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
