"""The Batch API of one endpoint: a file of requests goes in, a batch is made of it, lines come out.

A batch takes hours, so faults of the endpoint that pass are waited out, however long they last.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final, TypeVar

import httpx2
import openai
from openai import AsyncOpenAI, DefaultAioHttpClient
from openai.types import Batch

from preflect.adapters.access import Access
from preflect.adapters.batch_wire import URL
from preflect.adapters.chat_call import RETRIED_STATUS
from preflect.adapters.key_hiding import without_key
from preflect.adapters.refusals import read_refusal
from preflect.errors import AccessDeniedError, RunError

T = TypeVar("T")

_LOG: Final = logging.getLogger(__name__)
_ENDED: Final = frozenset({"completed", "failed", "expired", "cancelled"})
_FAULTS: Final = (openai.OpenAIError, httpx2.HTTPError)
"""What a request ends with; the second kind while a file comes in."""


class BatchOffice:
    """Sends files to the endpoint behind `client` and looks after the batches made of them.

    Raises: AccessDeniedError and RunError in every method when the endpoint refuses for good.
    """

    def __init__(self, access: Access, client: AsyncOpenAI, poll_s: float) -> None:
        self._access = access
        self._model = access.model
        self._client = client
        self._poll_s = poll_s

    async def upload(self, content: bytes) -> str:
        """The endpoint's name for a new file of requests; nothing is paid for it."""
        file = await self._patiently(
            lambda: self._client.files.create(file=("requests.jsonl", content), purpose="batch")
        )
        return file.id

    async def make(self, input_file_id: str, *, first_try: bool) -> str:
        """The id of the one batch that is made of a file.

        Args: first_try says that it was never asked for before; after a request whose answer was lost, the batch is
        looked for before it is asked for again.
        """
        while True:
            if not first_try and (found := await self._find(input_file_id)):
                return found
            try:
                made = await self._client.batches.create(
                    input_file_id=input_file_id,
                    endpoint=URL,
                    completion_window="24h",
                    metadata={"preflect_model": self._model},
                )
            except openai.OpenAIError as error:
                self._raise_unless_passing(error)
                first_try = False
            else:
                return made.id

    async def _find(self, input_file_id: str) -> str | None:
        # A request that was on its way when its connection broke may still arrive.
        await asyncio.sleep(self._poll_s)

        async def look() -> str | None:
            async for batch in self._client.batches.list(limit=100):
                if batch.input_file_id == input_file_id:
                    return batch.id
            return None

        return await self._patiently(look)

    async def ended(self, batch_id: str) -> Batch:
        """The batch, once it has completed, failed, expired or been cancelled."""
        seen: object = None
        while True:
            batch = await self._patiently(lambda: self._client.batches.retrieve(batch_id))
            counts = batch.request_counts
            if seen != (seen := (batch.status, counts)):
                done = f", {counts.completed} done and {counts.failed} failed of {counts.total}" if counts else ""
                _LOG.info("batch %s of %s: %s%s", batch_id, self._model, batch.status, done)
            # What is done without its file would look like lost, and be paid again.
            is_on_its_way = batch.status == "completed" and counts and counts.completed and not batch.output_file_id
            if batch.status in _ENDED and not is_on_its_way:
                return batch
            await asyncio.sleep(self._poll_s)

    async def lines(self, batch: Batch) -> AsyncGenerator[bytes]:
        """The lines of its output and error files, without the key; where a connection breaks, they come once more."""
        for file_id in filter(None, (batch.output_file_id, batch.error_file_id)):
            whole = False
            while not whole:
                try:
                    async with self._client.files.with_streaming_response.content(file_id) as answer:
                        async for line in _lines_of(answer.iter_bytes()):
                            yield without_key(line, self._client.api_key)
                    whole = True
                except _FAULTS as error:
                    self._raise_unless_passing(error)
                    await asyncio.sleep(self._poll_s)

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                return await ask()
            except _FAULTS as error:
                self._raise_unless_passing(error)
            await asyncio.sleep(self._poll_s)

    def _raise_unless_passing(self, error: Exception) -> None:
        words = self.without_key(str(error))
        if isinstance(error, openai.APIStatusError):
            said = without_key(error.response.content, self._client.api_key)
            has_no_batches = error.status_code == HTTPStatus.NOT_FOUND
            try:
                self._access.check(read_refusal(error.status_code, said), answered=has_no_batches)
            except AccessDeniedError as denied:
                raise denied from None  # the client's own words may quote the key
            passes = error.status_code in RETRIED_STATUS
        else:
            passes = isinstance(error, (openai.APIConnectionError, httpx2.TransportError))
        if not passes:
            raise RunError(
                f"model '{self._model}': the Batch API at {self._client.base_url} refuses: {words}; mend what "
                "it names, or leave `mode: batch` out where an endpoint has no Batch API"
            ) from None
        _LOG.warning("model %s: %s: %s; tried again in %g s", self._model, type(error).__name__, words, self._poll_s)

    def without_key(self, text: str) -> str:
        """What the endpoint says of a batch, without the key."""
        return without_key(text.encode("utf-8", "replace"), self._client.api_key).decode()


async def _lines_of(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    # Only at line feeds: other marks that Python takes for line ends stand inside JSON texts.
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield line
    if rest.strip():
        yield rest


def batch_client(base_url: str, key: str) -> AsyncOpenAI:
    """A client whose retries are ours."""
    # Organisation and project are given, since the client would read them from the environment.
    options: dict[str, Any] = {"organization": "", "project": ""}
    http = DefaultAioHttpClient()
    return AsyncOpenAI(base_url=base_url, api_key=key or "-", max_retries=0, http_client=http, **options)
