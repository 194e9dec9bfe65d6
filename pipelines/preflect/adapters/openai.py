"""Chat models behind any OpenAI-compatible endpoint, through the `openai` client on its aiohttp transport."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import httpx2
import openai
from aiolimiter import AsyncLimiter
from openai import AsyncOpenAI, DefaultAioHttpClient
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random_exponential

from preflect.adapters.chat_wire import BadBodyError, call_key, read_completion, request_body
from preflect.errors import CallError
from preflect.ports import CallMeter, CallStore, ChatReply, ChatRequest, Gate, Purse, StoredCall
from preflect.schemas import ChatModelSpec, Provenance, Sampling

RETRIED_STATUS: Final = frozenset({408, 409, 429, 500, 502, 503, 504, 529})
MINUTE_S: Final = 60.0
BYTES_PER_TOKEN: Final = 4
"""Rough size of a token, for estimates of input that no endpoint has counted yet."""

_BACKOFF: Final = wait_random_exponential(multiplier=0.25, max=20)


class OpenAIChat:
    """One model of a recipe: a limit on calls in flight, retries under one deadline, the journal before every use.

    Use `open_chat`, which also closes the connections.
    """

    def __init__(
        self,
        name: str,
        spec: ChatModelSpec,
        client: AsyncOpenAI,
        *,
        served_model: str,
        journal: CallStore,
        purse: Purse,
        gate: Gate,
        meter: CallMeter,
    ) -> None:
        self.name = name
        self._spec = spec
        self._client = client
        self._served_model = served_model
        self._journal = journal
        self._purse = purse
        self._gate = gate
        self._meter = meter
        self._places = asyncio.Semaphore(spec.concurrency)
        self._requests = AsyncLimiter(spec.rpm, MINUTE_S) if spec.rpm else None
        self._tokens = AsyncLimiter(spec.tpm, MINUTE_S) if spec.tpm else None
        self._under_way: dict[str, asyncio.Task[StoredCall]] = {}
        self._refused: set[str] = set()

    async def complete(self, request: ChatRequest) -> ChatReply:
        """The reply, from the journal if this very request was answered before.

        Raises: CallError (`call_timeout`, `call_failed`, `content_filter`); StoppedError when no call may start.
        """
        sampling = self._with_defaults(request.sampling)
        key = call_key(self._served_model, self._spec.structured, request, sampling)
        call = self._journal.find(key)
        if call:
            self._meter.replayed(self.name)
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
        return sampling.evolve(
            temperature=self._spec.temperature if sampling.temperature is None else sampling.temperature,
            max_tokens=sampling.max_tokens or self._spec.max_tokens,
        )

    async def _ask_once(self, key: str, request: ChatRequest, sampling: Sampling) -> StoredCall:
        """Equal requests that come while one is under way wait for its answer instead of paying again."""
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.create_task(self._ask(key, request, sampling))
            self._under_way[key] = task
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        return await asyncio.shield(task)

    async def _ask(self, key: str, request: ChatRequest, sampling: Sampling) -> StoredCall:
        async with AsyncExitStack() as money:
            async with self._places:
                self._gate.raise_if_closed()
                await self._set_aside(money, request, sampling)
                call = await self._ask_metered(key, request, sampling)
            # The place is free for the next call while this one becomes durable.
            await self._journal.record(call)
            self._purse.spend(call.cost_usd)
        return call

    async def _set_aside(self, money: AsyncExitStack, request: ChatRequest, sampling: Sampling) -> None:
        most_in, most_out = _input_bytes(request), sampling.max_tokens or self._spec.max_tokens
        await self._keep_pace(most_in // BYTES_PER_TOKEN)
        await money.enter_async_context(self._purse.hold(self._cost_usd(most_in, most_out)))

    async def _ask_metered(self, key: str, request: ChatRequest, sampling: Sampling) -> StoredCall:
        self._meter.started(self.name)
        try:
            call = await self._ask_within_deadline(key, request, sampling)
        except BaseException:
            self._meter.finished_call(self.name, None)
            raise
        self._meter.finished_call(self.name, call)
        return call

    async def _keep_pace(self, tokens: int) -> None:
        if self._requests:
            await self._requests.acquire()
        if self._tokens:
            await self._tokens.acquire(min(max(tokens, 1), self._tokens.max_rate))

    def _cost_usd(self, prompt_tokens: int, completion_tokens: int) -> float:
        price = self._spec.price
        return (prompt_tokens * price.input + completion_tokens * price.output) / 1_000_000

    async def _ask_within_deadline(self, key: str, request: ChatRequest, sampling: Sampling) -> StoredCall:
        try:
            async with asyncio.timeout(self._spec.timeout_s):
                return await self._ask_until_answered(key, request, sampling)
        except TimeoutError as error:
            raise CallError("call_timeout", f"no reply of {self.name} within {self._spec.timeout_s:g} s") from error
        except openai.APIStatusError as error:
            raise CallError(*self._refusal(error)) from error
        except (openai.OpenAIError, BadBodyError) as error:
            raise CallError("call_failed", self._without_key(f"{type(error).__name__}: {error}")) from error

    def _refusal(self, error: openai.APIStatusError) -> tuple[str, str]:
        filtered = error.code == "content_filter"
        return (
            "content_filter" if filtered else "call_failed",
            self._without_key(f"HTTP {error.status_code}: {error.message}"),
        )

    def _without_key(self, text: str) -> str:
        """Some endpoints quote the key they refuse; it must not reach a file or the screen."""
        key = self._client.api_key
        return text.replace(key, "***") if len(key) > 1 else text

    async def _ask_until_answered(self, key: str, request: ChatRequest, sampling: Sampling) -> StoredCall:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception(self._worth_another_try),
            wait=_wait_as_told,
            before_sleep=lambda _: self._meter.retried(self.name),
            reraise=True,
        ):
            with attempt:
                self._gate.raise_if_closed()
                return await self._post(key, request, sampling)
        raise AssertionError("tenacity ends by a return or an exception")

    def _worth_another_try(self, error: BaseException) -> bool:
        if isinstance(error, openai.BadRequestError):
            return self._learn_refusal(error)
        if isinstance(error, openai.APIStatusError):
            return error.status_code in RETRIED_STATUS
        return isinstance(error, openai.APIConnectionError | BadBodyError)

    def _learn_refusal(self, error: openai.BadRequestError) -> bool:
        """Whether the endpoint refused an option that can be put otherwise; it's put so from now on."""
        refused = {word for word in ("response_format", "max_tokens", "seed") if word in error.message}
        if "json_schema" in error.message:
            refused.add("response_format")
        new = refused - self._refused
        self._refused |= new
        return bool(new)

    async def _post(self, key: str, request: ChatRequest, sampling: Sampling) -> StoredCall:
        body = request_body(self._served_model, self._spec.structured, request, sampling, self._refused)
        since = time.monotonic()
        # The body is checked where it is built: `chat.completions.create` would walk it through its type hints again,
        # a quarter of a call's CPU.
        raw = await self._client.post("/chat/completions", body=body, cast_to=httpx2.Response)
        reply = read_completion(raw.content)
        return StoredCall(
            key=key,
            model=self.name,
            stage=request.stage,
            sample_id=request.sample_id,
            text=reply.text,
            thinking=reply.thinking,
            finish_reason=reply.finish_reason,
            served_by=reply.model or self._served_model,
            prompt_tokens=reply.prompt_tokens,
            completion_tokens=reply.completion_tokens,
            cost_usd=self._cost_usd(reply.prompt_tokens, reply.completion_tokens),
            latency_s=time.monotonic() - since,
        )


def _input_bytes(request: ChatRequest) -> int:
    """No token is shorter than a byte, so this bounds the prompt's tokens; 16 a message for the template around it."""
    schema = len(str(request.json_schema)) if request.json_schema else 0
    return schema + sum(len(message.content.encode()) + 16 for message in request.messages)


def _wait_as_told(state: RetryCallState) -> float:
    """Retry-After to the letter where the endpoint sent it, else random exponential back-off; seconds."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, openai.APIStatusError):
        told = error.response.headers.get("retry-after", "")
        if told.replace(".", "", 1).isdigit():
            return float(told)
    if isinstance(error, openai.BadRequestError):
        return 0.0
    return _BACKOFF(state)


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
            client = await stack.enter_async_context(_client(base_url, key))
            models[name] = OpenAIChat(
                name,
                spec,
                client,
                served_model=served_model,
                journal=journal,
                purse=purse,
                gate=gate,
                meter=meter,
            )
        yield models


def _client(base_url: str, key: str) -> AsyncOpenAI:
    # Retries and deadlines are ours: the client's own would pay twice and hide what happens.
    # Organisation and project are given, since the client would read them from the environment.
    options: dict[str, Any] = {"organization": "", "project": ""}
    return AsyncOpenAI(
        base_url=base_url,
        api_key=key or "-",
        max_retries=0,
        timeout=None,
        http_client=DefaultAioHttpClient(timeout=None),
        **options,
    )
