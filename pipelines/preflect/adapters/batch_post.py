"""Gathers the requests of one model into batches, sends them, and hands each its reply."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine, Generator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, nullcontext, suppress
from typing import Any, Final, TypeAlias

from openai.types import Batch

from preflect.adapters.batch_means import Means
from preflect.adapters.batch_office import BatchOffice
from preflect.adapters.batch_trip import LOST, Trip
from preflect.adapters.batch_wire import CANCELLED, MOST_BYTES, QUEUE_FULL, Fault
from preflect.errors import BudgetError, InterruptedRunError, PreflectError, RunError
from preflect.ports import SentBatch, SentLine, StoredCall

Reply: TypeAlias = StoredCall | Fault

_LOG: Final = logging.getLogger(__name__)
_TICK_S: Final = 0.1
_TOLD: Final = 3
"""Errors of a refused batch that are passed on: a file with a fault has it in every line."""
_UNSENT: Final = Fault(words="the endpoint's queue was full", code=QUEUE_FULL, passing=True, tried=False)


class BatchPost:
    """The batches of one model: one is being gathered, others are at the endpoint."""

    def __init__(self, office: BatchOffice, means: Means) -> None:
        self._office = office
        self._means = means
        self._options = means.spec.batch
        self._trip = Trip(office, means, lambda call: self._deliver(call.key, call))
        self._gathered: list[tuple[SentLine, bytes]] = []
        self._bytes = 0
        self._last_came = 0.0
        self._to_come: dict[str, asyncio.Future[Reply]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._most = self._options.max_requests
        self._at_endpoint: set[asyncio.Task[Any]] = set()
        self._one_at_a_time = False

    def coming(self, key: str) -> asyncio.Future[Reply] | None:
        """The reply to come of a request that was posted before, by this sitting or an earlier one."""
        return self._to_come.get(key)

    def post(self, line: SentLine, content: bytes) -> asyncio.Future[Reply]:
        """The reply to come of a request, which goes with the batch that is being gathered."""
        if self._gathered and self._bytes + len(content) > MOST_BYTES:
            self._send()
        self._gathered.append((line, content))
        self._bytes += len(content)
        self._last_came = asyncio.get_running_loop().time()
        if len(self._gathered) >= self._most:
            self._send()
        return self._expect(line.key)

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        """Take up what earlier sittings sent, and work while the block runs; what is at the endpoint then goes on."""
        for sent in self._means.batches.open_batches(self._means.model):
            for line in sent.lines:
                self._expect(line.key)
            self._begin(self._take_up(sent))
        self._begin(self._watch())
        try:
            yield
        finally:
            await asyncio.gather(*self._cancel(), return_exceptions=True)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _cancel(self) -> set[asyncio.Task[None]]:
        others = {task for task in self._tasks if task is not asyncio.current_task()}
        for task in others:
            task.cancel()
        return others

    async def _watch(self) -> None:
        """Send what is gathered when no more comes; end all waiting when the run must stop."""
        while True:
            await asyncio.sleep(min(_TICK_S, self._options.gather_s))
            try:
                self._means.gate.raise_if_closed()
            except PreflectError as reason:
                self._fail([*self._to_come], reason)
                # Money that is set aside for batches at the endpoint would keep others waiting.
                self._cancel()
                return
            quiet_s = asyncio.get_running_loop().time() - self._last_came
            if self._gathered and quiet_s >= self._options.gather_s:
                self._send()

    def _send(self) -> None:
        self._begin(self._carry(self._gathered))
        self._gathered, self._bytes = [], 0

    async def _carry(self, gathered: list[tuple[SentLine, bytes]]) -> None:
        lines = tuple(line for line, _ in gathered)
        with self._failing(lines):
            while self._one_at_a_time and self._at_endpoint:
                await asyncio.wait(self._at_endpoint, return_when=asyncio.FIRST_COMPLETED)
            if len(lines) > self._most:  # the queue has turned out smaller meanwhile
                self._tell(dict.fromkeys((line.key for line in lines), _UNSENT))
                return
            with self._counted():
                file_id = await self._office.upload(b"".join(content for _, content in gathered))
                gathered.clear()
                sent = SentBatch(model=self._means.model, input_file_id=file_id, batch_id=None, lines=lines)
                await self._settle(*await self._trip.see_through(sent, first_try=True))

    async def _take_up(self, sent: SentBatch) -> None:
        left = sum(line.most_usd for line in sent.lines if self._means.journal.find(line.key) is None)
        with self._failing(sent.lines), self._counted():
            async with AsyncExitStack() as money:
                # The budget may be smaller by now, but what is on its way is paid for all the same.
                with suppress(BudgetError) if sent.batch_id else nullcontext():
                    await money.enter_async_context(self._means.purse.hold(left))
                await self._settle(*await self._trip.see_through(sent, first_try=False))

    async def _settle(self, batch: Batch, faults: dict[str, Fault]) -> None:
        """Tell the requests without a reply what became of them."""
        if batch.status == "failed":
            self._raise_unless_full(batch)
            self._send_less(len(faults))
            await asyncio.sleep(self._options.poll_s)
            faults = dict.fromkeys(faults, _UNSENT)
        elif self._one_at_a_time:
            self._most = min(self._most + self._most // 8 + 1, self._options.max_requests)
        if batch.status != "cancelled":
            self._tell(faults)
        else:
            self._tell({k: fault for k, fault in faults.items() if fault is not LOST and fault.code != CANCELLED})
            raise InterruptedRunError(f"batch {batch.id} was cancelled at the endpoint; what it had answered is kept")

    def _raise_unless_full(self, batch: Batch) -> None:
        errors = (batch.errors.data if batch.errors else None) or []
        if any(error.code == QUEUE_FULL for error in errors):
            return
        said = [f"{e.code}{f' (line {e.line})' if e.line else ''}: {e.message}" for e in errors[:_TOLD]]
        more = [f"and {len(errors) - _TOLD} more"] if len(errors) > _TOLD else []
        words = self._office.without_key("; ".join([*said, *more]) or "no reason given")
        raise RunError(f"model '{self._means.model}': the endpoint did not take batch {batch.id}: {words}")

    def _send_less(self, lines: int) -> None:
        """The queue was full: with our other batches, so that one at a time will do, or with this one alone."""
        if len(self._at_endpoint) == 1:
            self._most = max(1, lines // 2)
        self._one_at_a_time = True
        _LOG.warning("the queue of %s is full; batches go one at a time, of %d requests", self._means.model, self._most)

    @contextmanager
    def _counted(self) -> Generator[None]:
        task = asyncio.current_task()
        assert task is not None
        self._at_endpoint.add(task)
        try:
            yield
        finally:
            self._at_endpoint.remove(task)

    @contextmanager
    def _failing(self, lines: Iterable[SentLine]) -> Generator[None]:
        """Whoever waits for a reply hears of what goes wrong."""
        try:
            yield
        except Exception as error:
            self._fail([line.key for line in lines], error)
            if not isinstance(error, PreflectError):
                raise

    def _expect(self, key: str) -> asyncio.Future[Reply]:
        self._means.meter.started(self._means.model)
        self._to_come[key] = asyncio.get_running_loop().create_future()
        return self._to_come[key]

    def _tell(self, faults: Mapping[str, Fault]) -> None:
        for key, fault in faults.items():
            self._deliver(key, fault)

    def _deliver(self, key: str, reply: Reply) -> None:
        waiting = self._to_come.pop(key, None)
        if waiting is not None:
            self._means.meter.finished_call(self._means.model, reply if isinstance(reply, StoredCall) else None)
            waiting.set_result(reply)

    def _fail(self, keys: Iterable[str], error: Exception) -> None:
        for key in keys:
            waiting = self._to_come.pop(key, None)
            if waiting is not None:
                self._means.meter.finished_call(self._means.model, None)
                waiting.set_exception(error)
                # Looked at here, since perhaps nobody waits for it, and asyncio would print a traceback.
                waiting.exception()
