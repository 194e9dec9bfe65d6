"""Chat models behind OpenAI's Batch API: the same requests and replies, in batches at half the price."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import orjson

from preflect.adapters.access import Access
from preflect.adapters.batch_means import Means
from preflect.adapters.batch_office import BatchOffice, batch_client
from preflect.adapters.batch_post import BatchPost, Reply
from preflect.adapters.batch_wire import Fault, request_line
from preflect.adapters.chat_wire import reply_style, request_body
from preflect.adapters.journalled import identified, reply_of
from preflect.adapters.refusals import NOT_ACCEPTED, refused_options
from preflect.errors import CallError, RefusedCallError
from preflect.ports import (
    BatchStore,
    CallMeter,
    CallStore,
    ChatReply,
    ChatRequest,
    Gate,
    Purse,
    SentLine,
    StoredCall,
)
from preflect.schemas import OpenAIModel, Sampling
from preflect.scoring.cost import most_usd

MOST_TRIES: Final = 4
"""Batches that a request is put into before it counts as failed."""


class BatchChat:
    """One model of a recipe whose requests go in batches. Use `open_batch_chat`, which also closes the connection."""

    def __init__(self, means: Means, access: Access, post: BatchPost) -> None:
        self._means = means
        self._access = access
        self._post = post
        self._refused: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """The model's name in the recipe."""
        return self._means.model

    @property
    def max_tokens_if_truncated(self) -> int | None:
        """Length at most when a reply that was cut off is asked for again; None: twice what cut it off."""
        return self._means.spec.max_tokens_if_truncated

    async def complete(self, request: ChatRequest) -> ChatReply:
        """The reply, from the journal if this very request was answered before, else from a batch: hours may pass.

        Raises: CallError (`call_failed`, `call_timeout`, `content_filter`); StoppedError when the run stops meanwhile.
        """
        means = self._means
        key, sampling = identified(means.model, means.served_model, means.spec, request)
        call = means.journal.find(key)
        if call:
            means.meter.replayed(means.model)
        else:
            call = await self._ask(key, request, sampling)
        return reply_of(call, request, sampling)

    async def _ask(self, key: str, request: ChatRequest, sampling: Sampling) -> StoredCall:
        """Put the request into one batch after another until it's answered."""
        tries = 0
        while True:
            reply, sent_without = await self._reply_to(key, request, sampling)
            if isinstance(reply, StoredCall):
                return reply
            if reply.refusal and not reply.refusal.is_of_a_filter:
                self._access.check(reply.refusal, answered=self._means.journal.has_any_of(self.name))
            tries += reply.tried
            news = self._not_taken(reply, request, sent_without)
            self._refused |= news
            if tries >= MOST_TRIES or not (news or reply.passing):
                times = f", in {tries} batches" if tries > 1 else ""
                refused = reply.refusal is not None and reply.refusal.status in NOT_ACCEPTED
                kind = RefusedCallError if refused and reply.reason == "call_failed" else CallError
                raise kind(reply.reason, reply.words + times)
            self._means.meter.retried(self.name)

    def _not_taken(self, fault: Fault, request: ChatRequest, sent_without: frozenset[str]) -> frozenset[str]:
        """Options that the endpoint was found to refuse, and that can be put otherwise."""
        if fault.refusal is None:
            return frozenset()
        style = reply_style(self._means.spec.structured, request, sent_without)
        return refused_options(fault.refusal, style) - sent_without

    async def _reply_to(self, key: str, request: ChatRequest, sampling: Sampling) -> tuple[Reply, frozenset[str]]:
        """What comes of the request in one batch, and the options that it is known to have gone without."""
        coming = self._post.coming(key)
        if coming:
            # Sent for its like, or by an earlier sitting, which have set the money aside.
            return await asyncio.shield(coming), frozenset()
        means, refused = self._means, self._refused
        body = request_body(means.served_model, means.spec.structured, request, sampling, refused)
        # No token is shorter than a byte, so the body's bytes bound the prompt's tokens.
        most = most_usd(means.price, len(orjson.dumps(body)), sampling.max_tokens or means.spec.max_tokens)
        line = SentLine(key=key, stage=request.stage, sample_id=request.sample_id, most_usd=most)
        async with means.purse.hold(most):
            means.gate.raise_if_closed()
            # While this one waited for money, its like may have been answered or sent.
            call = means.journal.find(key)
            if call:
                return call, refused
            coming = self._post.coming(key) or self._post.post(line, request_line(key, body))
            return await asyncio.shield(coming), refused


@asynccontextmanager
async def open_batch_chat(
    specs: Mapping[str, OpenAIModel],
    *,
    addresses: Mapping[str, tuple[str, str, str]],
    journal: CallStore,
    batches: BatchStore,
    purse: Purse,
    gate: Gate,
    meter: CallMeter,
) -> AsyncGenerator[dict[str, BatchChat]]:
    """Clients for several models in `mode: batch`, closed together at the end of the block; their batches go on.

    Args: addresses gives base URL, key and the model's name at the endpoint, by name in the recipe.
    """
    async with AsyncExitStack() as stack:
        models: dict[str, BatchChat] = {}
        for name, spec in specs.items():
            base_url, key, served_model = addresses[name]
            client = await stack.enter_async_context(batch_client(base_url, key))
            means = Means(
                model=name,
                served_model=served_model,
                spec=spec,
                journal=journal,
                batches=batches,
                purse=purse,
                gate=gate,
                meter=meter,
            )
            access = Access.of(name, spec, base_url, served_model)
            office = BatchOffice(access, client, spec.batch.poll_s)
            post = BatchPost(office, means)
            await stack.enter_async_context(post.open())
            models[name] = BatchChat(means, access, post)
        yield models
