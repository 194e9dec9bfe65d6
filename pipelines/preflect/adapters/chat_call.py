"""One call to an endpoint: tried again until it's answered, under one deadline."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import httpx2
import openai
import orjson
from openai import AsyncOpenAI
from tenacity import AsyncRetrying, RetryCallState, wait_random_exponential

from preflect.adapters.chat_wire import BadBodyError, Completion, read_completion, request_body
from preflect.adapters.pace import POLL_S, Pace
from preflect.adapters.paced_client import on_send
from preflect.adapters.refusals import refused_options
from preflect.errors import CallError, PreflectError
from preflect.ports import CallMeter, ChatRequest, Gate, Hold, Purse
from preflect.schemas import ChatModelSpec, Sampling
from preflect.scoring.cost import cost_usd, most_usd

RETRIED_STATUS: Final = frozenset({408, 409, 429, 500, 502, 503, 504, 529})
MOST_BAD_BODIES: Final = 3
"""Replies that are no completion, after which the endpoint is taken at its word: each of them may be paid for."""

_BACKOFF: Final = wait_random_exponential(multiplier=0.25, max=20)


@dataclass(slots=True, kw_only=True)
class Line:
    """The way to one model: its client, its pace, and what it was found to refuse."""

    name: str
    spec: ChatModelSpec
    served_model: str
    client: AsyncOpenAI
    gate: Gate
    meter: CallMeter
    pace: Pace
    purse: Purse
    refused: frozenset[str] = frozenset()

    def body(self, request: ChatRequest, sampling: Sampling) -> dict[str, Any]:
        """The request as it's sent, without what the endpoint refused before."""
        return request_body(self.served_model, self.spec.structured, request, sampling, self.refused)

    def without_key(self, text: str) -> str:
        """Some endpoints quote the key they refuse; it must not reach a file or the screen."""
        key = self.client.api_key
        return text.replace(key, "***") if len(key) > 1 else text


@dataclass(frozen=True, slots=True)
class Answered:
    """A completion with its cost, and the seconds from request to reply of the attempt that brought it."""

    completion: Completion
    cost_usd: float
    latency_s: float


@dataclass(slots=True)
class ChatCall:
    """One request on its way; `begun` once it had a place among those in flight."""

    line: Line
    request: ChatRequest
    sampling: Sampling
    begun: bool = False
    _held: Hold | None = None
    """What is set aside for the attempt under way."""
    _sent_without: frozenset[str] = field(default_factory=frozenset[str])
    _last_words: str = ""
    """What the endpoint said when it was last asked in vain."""

    async def ask(self) -> Answered:
        """The answer. Raises: CallError (`call_timeout`, `call_failed`, `content_filter`); what closed the gate."""
        line = self.line
        try:
            async with asyncio.timeout(None) as deadline:
                on_send.set(partial(self._begin, deadline))
                return await self._until_answered()
        except TimeoutError as error:
            if self._last_words:
                detail = f"{self._last_words}, again and again for {line.spec.timeout_s:g} s"
                raise CallError("call_failed", line.without_key(detail)) from error
            raise CallError("call_timeout", f"no reply of {line.name} within {line.spec.timeout_s:g} s") from error
        except openai.APIStatusError as error:
            reason = "content_filter" if error.code == "content_filter" else "call_failed"
            raise CallError(reason, line.without_key(f"HTTP {error.status_code}: {error.message}")) from error
        except (openai.OpenAIError, BadBodyError) as error:
            if isinstance(error.__cause__, PreflectError):  # the gate's: the client makes a connection error of it
                raise error.__cause__ from None
            raise CallError("call_failed", line.without_key(f"{type(error).__name__}: {error}")) from error

    def _begin(self, deadline: asyncio.Timeout) -> None:
        """A request gets its place: the call's clock starts with the first one, not while it waited for it."""
        self.line.gate.raise_if_closed()
        if self._held:
            self._held.sent()
        if not self.begun:
            self.begun = True
            deadline.reschedule(asyncio.get_running_loop().time() + self.line.spec.timeout_s)
            self.line.meter.started(self.line.name)

    async def _until_answered(self) -> Answered:
        async for attempt in AsyncRetrying(
            retry=self._worth_another_try,
            wait=_wait_as_told,
            sleep=self._sleep,
            before_sleep=lambda _: self.line.meter.retried(self.line.name),
            reraise=True,
        ):
            with attempt:
                return await self._once()
        raise AssertionError("tenacity ends by a return or an exception")

    async def _once(self) -> Answered:
        self._sent_without = self.line.refused
        body = self.line.body(self.request, self.sampling)
        limit = self.sampling.max_tokens or self.line.spec.max_tokens
        most = most_usd(self.line.spec.price, len(orjson.dumps(body)), limit)
        async with self.line.purse.hold(most) as held:
            self._held = held
            return await self._paid(body, held, most)

    async def _paid(self, body: dict[str, Any], held: Hold, most: float) -> Answered:
        """One try with its cost settled: by the reply's count, else by the most it can be."""
        since = time.monotonic()
        try:
            # The body is checked where it is built: `chat.completions.create` would walk it through its type hints
            # again, a quarter of a call's CPU.
            raw = await self.line.client.post("/chat/completions", body=body, cast_to=httpx2.Response)
            completion = read_completion(raw.content)
        except openai.OpenAIError as error:
            if not may_be_billed(error):
                held.settle(0.0)
            raise
        except BadBodyError as error:
            held.lose(cost_usd(self.line.spec.price, error.usage) if error.usage else most)
            raise
        cost = cost_usd(self.line.spec.price, completion.usage) if completion.usage else most
        held.settle(cost)
        return Answered(completion, cost, time.monotonic() - since)

    def _worth_another_try(self, state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, openai.APIStatusError):
            # By what this request said: another one, sent at the same time, may have learnt the same already.
            news = refused_options(error) - self._sent_without
            self.line.refused |= news
            self._last_words = f"HTTP {error.status_code}: {error.message}"
            return bool(news) or error.status_code in RETRIED_STATUS
        if isinstance(error, BadBodyError):
            return state.attempt_number < MOST_BAD_BODIES
        return isinstance(error, openai.APIConnectionError) and not isinstance(error.__cause__, PreflectError)

    async def _sleep(self, seconds: float) -> None:
        """Sleep, but not through the closing of the gate."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.line.gate.raise_if_closed()
            await asyncio.sleep(min(left, POLL_S))


def may_be_billed(error: openai.OpenAIError) -> bool:
    """Whether a request that failed so may have cost something: it reached the endpoint, and was not refused."""
    unsent = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
    return not isinstance(error, openai.APIStatusError) and not isinstance(error.__cause__, unsent)


def _wait_as_told(state: RetryCallState) -> float:
    """Retry-After to the letter where the endpoint sent it, else random exponential back-off; seconds."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, openai.APIStatusError):
        told = error.response.headers.get("retry-after", "")
        if told.replace(".", "", 1).isdigit():
            return float(told)
        if error.status_code not in RETRIED_STATUS:
            return 0.0  # only put otherwise
    return _BACKOFF(state)
