"""The streaming executor: each sample goes through a phase's stages on its own, up to `open_samples` at once.

One event-loop thread holds the stages, the model clients behind them and their limits; the thread that iterates gets
each sample as soon as it's finished. A slow reply holds up only its own sample.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Final

import uvloop

from preflect.engine.afterwards import afterwards
from preflect.engine.gate import RunGate
from preflect.engine.losses import Losses
from preflect.engine.meter import Meter
from preflect.errors import CallError, PreflectError, RunError, StoppedError
from preflect.interpreter import collecting_seldom
from preflect.ports import Dropped, Stage
from preflect.schemas import Rejection, Sample

UNREAD_LIMIT: Final = 256
"""Finished samples that wait to be read; the executor pauses at this many, so that memory stays flat."""

FIRST: Final = 100
"""Samples that go out one by one as a run starts. The rest are read in one go: read one by one, they would delay
replies, and the opening of an endpoint's limit."""

TICK_S: Final = 0.1
"""How often the event loop looks up from its work."""

Connect = Callable[[], AbstractAsyncContextManager[Sequence[Stage]]]
"""Opens the stages with their models inside the executor's event loop, and closes them there."""

Tick = Callable[[], None]
"""Called every `TICK_S` seconds in the event loop: publishes progress, closes the gate when a stop was asked for."""


@asynccontextmanager
async def ticking(tick: Tick) -> AsyncGenerator[None]:
    """Call `tick` regularly while the block runs, and once at its end."""

    async def beat() -> None:
        while True:
            tick()
            await asyncio.sleep(TICK_S)

    beating = asyncio.create_task(beat())
    with afterwards(tick):
        try:
            yield
        finally:
            beating.cancel()


@dataclass(frozen=True, slots=True)
class Outcome:
    """One sample at the end of a phase; `sample` is how it stood then, `rejection` why it goes no further.

    A whole-set stage may reject what never became a sample: then there's a rejection alone.
    """

    ordinal: int
    """Place in the phase's input, or in what a whole-set stage yields."""
    sample: Sample | None
    rejection: Rejection | None = None


class Executor:
    """Runs the per-sample stages of one phase.

    Args: max_rejected is the share of samples that may be lost to failed calls or unusable replies.
    """

    def __init__(
        self, connect: Connect, *, open_samples: int, max_rejected: float, gate: RunGate, meter: Meter, tick: Tick
    ) -> None:
        self._connect = connect
        self._tick = tick
        self._open_samples = open_samples
        self._losses = Losses(max_rejected)
        self._gate = gate
        self._meter = meter

    @contextmanager
    def stream(self, samples: Iterable[tuple[int, Sample]]) -> Generator[Iterator[Outcome]]:
        """An iterator over the outcomes in order of completion, while the event loop runs in a thread of its own.

        Raises (while iterating, when all calls in flight have come back): StoppedError when the gate was closed;
        RunError when a stage broke; DataError, or another of ours, when a sample cannot be read. Leaving the block
        early stops the work.
        """
        exchange = _Exchange()
        with collecting_seldom(), ThreadPoolExecutor(1, thread_name_prefix="preflect-executor") as thread:
            work = thread.submit(uvloop.run, self._main(iter(samples), exchange))
            try:
                yield self._outcomes(exchange, work)
            finally:
                exchange.abandon()

    def _outcomes(self, exchange: _Exchange, work: Future[None]) -> Iterator[Outcome]:
        yield from exchange.read()
        _raise_failure(work)
        if self._gate.closed_by:
            raise self._gate.closed_by

    async def _main(self, samples: Iterator[tuple[int, Sample]], exchange: _Exchange) -> None:
        exchange.opened(asyncio.current_task())
        try:
            async with ticking(self._tick), self._connect() as stages, asyncio.TaskGroup() as workers:
                for number in range(self._open_samples):
                    workers.create_task(self._work(samples, stages, exchange))
                    if number < FIRST:
                        await asyncio.sleep(0)  # requests go out while the next samples are read
            self._losses.judge_all()
        except StoppedError as reason:
            self._gate.close(reason)
        finally:
            exchange.close()

    async def _work(self, samples: Iterator[tuple[int, Sample]], stages: Sequence[Stage], exchange: _Exchange) -> None:
        while self._gate.closed_by is None:
            try:
                drawn = _next(samples)
                if drawn is None:
                    return
                outcome = await self._through(*drawn, stages)
                await exchange.put(outcome)
                self._meter.closed(rejected=outcome.rejection is not None)
                self._losses.add(outcome.sample, outcome.rejection)
            except PreflectError as reason:
                # Calls in flight come back all the same: they are paid for.
                self._gate.close(reason)

    async def _through(self, ordinal: int, sample: Sample, stages: Sequence[Stage]) -> Outcome:
        for stage in stages:
            result = await self._apply(stage, sample)
            if isinstance(result, Dropped):
                return Outcome(ordinal, result.sample, result.rejection)
            sample = result
        return Outcome(ordinal, sample)

    async def _apply(self, stage: Stage, sample: Sample) -> Sample | Dropped:
        self._meter.entered(stage.name)
        since = time.monotonic()
        try:
            result = await stage.run(sample)
        except CallError as error:
            result = sample.reject(stage.name, error.cause, error.reason, error.detail)
        except PreflectError:
            raise
        except Exception as error:
            raise RunError(
                f"stage '{stage.name}' broke on sample {sample.id}: {type(error).__name__}: {error}; "
                "everything is kept, --debug shows where it broke"
            ) from error
        self._meter.left(stage.name, time.monotonic() - since, rejected=not isinstance(result, Sample))
        return Dropped(result, sample) if isinstance(result, Rejection) else result


def _next(samples: Iterator[tuple[int, Sample]]) -> tuple[int, Sample] | None:
    """The next sample with its place; None when there is none. Raises: PreflectError when it cannot be read."""
    try:
        return next(samples, None)
    except PreflectError:
        raise
    except Exception as error:
        raise RunError(f"the next sample cannot be read: {type(error).__name__}: {error}") from error


def _raise_failure(work: Future[None]) -> None:
    """Raises: what ended the event loop before its time; an error that is not ours as a RunError."""
    try:
        work.result()
    except ExceptionGroup as group:
        failure = group.exceptions[0]
        if isinstance(failure, PreflectError):
            raise failure from group
        raise


class _Exchange:
    """Hands outcomes from the event loop to the reading thread, and holds the loop back when that one is slow."""

    def __init__(self) -> None:
        self._outcomes: queue.SimpleQueue[Outcome | None] = queue.SimpleQueue()
        self._room = asyncio.Event()
        self._room.set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._ready = threading.Event()
        self._closed = False

    def opened(self, task: asyncio.Task[None] | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = task
        self._ready.set()

    async def put(self, outcome: Outcome) -> None:
        self._outcomes.put(outcome)
        if self._outcomes.qsize() > UNREAD_LIMIT:
            self._room.clear()
            # Looked at again: the reader may have read them all before it could see that it is waited for.
            if self._outcomes.qsize() <= UNREAD_LIMIT // 2:
                self._room.set()
        await self._room.wait()

    def close(self) -> None:
        self._closed = True
        self._outcomes.put(None)

    def read(self) -> Iterator[Outcome]:
        while (outcome := self._next()) is not None:
            if not self._room.is_set() and self._outcomes.qsize() <= UNREAD_LIMIT // 2:
                self._tell_loop(self._room.set)
            yield outcome

    def _next(self) -> Outcome | None:
        # In turns: a Ctrl-C that another thread has caught reaches this one between two of them.
        while True:
            with suppress(queue.Empty):
                return self._outcomes.get(timeout=TICK_S)

    def abandon(self) -> None:
        self._ready.wait()
        if not self._closed and self._task is not None:
            self._tell_loop(self._task.cancel)

    def _tell_loop(self, action: Callable[[], object]) -> None:
        assert self._loop is not None
        with suppress(RuntimeError):  # the loop has ended: nothing waits for word from here any more
            self._loop.call_soon_threadsafe(action)
