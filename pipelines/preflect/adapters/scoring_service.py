"""A student as a service of the stream: questions that come together are computed together, and none waits for more."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, Protocol

from preflect.adapters.device_pool import Asker
from preflect.errors import UnscorableError
from preflect.ports import NllPair, ScoreQuery
from preflect.scoring.ifd import no_score
from preflect.scoring.sequences import Laid
from preflect.scoring.spans import Pass

_CHARS_PER_TOKEN: Final = 3
"""Roughly, to know when a window is full before it is tokenised."""


class Pool(Protocol):
    """Who has sequences computed."""

    def ask(self, asked: Iterable[tuple[Pass, Asker]]) -> None:
        """Have every sequence computed, a sequence that is asked for again not again, and its asker told."""
        ...


LayOut = Callable[[Sequence[ScoreQuery]], Sequence[Laid]]


class ScoringService:
    """Gathers questions in windows, lays each window's texts out at once, and leaves the sequences to a pool.

    It may be asked from several event loops.
    """

    def __init__(self, lay_out: LayOut, pool: Pool, *, window_tokens: int, patience_s: float = 0.02) -> None:
        """Args: a window closes when it holds about `window_tokens`, or `patience_s` after its first question."""
        self._lay_out = lay_out
        self._pool = pool
        self._window_chars = window_tokens * _CHARS_PER_TOKEN
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._waiting: deque[_Question] = deque()
        self._chars = 0
        self._full = threading.Event()
        self._outbox = _Outbox()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="student-texts")

    async def score(self, query: ScoreQuery) -> NllPair:
        """The pair's likelihoods. Raises: whatever the tokenizer or the device failed with."""
        question = _Question(query, self._outbox, asyncio.get_running_loop().create_future())
        self._ask(question)
        return await question.future

    def _ask(self, question: _Question) -> None:
        with self._lock:
            self._waiting.append(question)
            self._chars += question.chars
            if self._chars >= self._window_chars:
                self._full.set()
            opens = len(self._waiting) == 1
        if opens:
            self._thread.submit(self._close)

    def _close(self) -> None:
        self._full.wait(self._patience_s)
        questions = [question for question in self._window() if not question.gone()]
        try:
            laid = self._lay_out([question.query for question in questions])
        except Exception as error:  # noqa: BLE001  # whoever asked gets it
            for question in questions:
                question.settle(error)
        else:
            self._compute(questions, laid)

    def _window(self) -> list[_Question]:
        """As much as fills a window; where that leaves something, the next one follows."""
        window: list[_Question] = []
        chars = 0
        with self._lock:
            while self._waiting and chars < self._window_chars:
                window.append(self._waiting.popleft())
                chars += window[-1].chars
            self._chars -= chars
            if self._waiting:
                self._thread.submit(self._close)
            if self._chars < self._window_chars:
                self._full.clear()
        return window

    def _compute(self, questions: Sequence[_Question], laid: Sequence[Laid]) -> None:
        asked: list[tuple[Pass, _Question]] = []
        for question, passes in zip(questions, laid, strict=True):
            if isinstance(passes, UnscorableError):
                question.settle(no_score(passes.reason))
            else:
                question.passes = passes
                asked += ((one, question) for one in passes)
        self._pool.ask(asked)


@dataclass(eq=False, slots=True)
class _Question:
    """Implements `preflect.adapters.device_pool.Asker` for a query."""

    query: ScoreQuery
    outbox: _Outbox
    future: asyncio.Future[NllPair]
    passes: tuple[Pass, ...] = ()
    nlls: list[float | None] = field(default_factory=lambda: [None, None])
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def chars(self) -> int:
        query = self.query
        return 2 * len(query.response) + 2 * len(query.instruction) + len(query.input or "")

    def gone(self) -> bool:
        return self.future.cancelled()

    def answer(self, sequence: Pass, nll: float | Exception) -> None:
        if isinstance(nll, Exception):
            self.settle(nll)
            return
        # Each pass may be brought by a thread of its own, both at once.
        with self.lock:
            # Both passes may be one and the same.
            self.nlls = [nll if one == sequence else known for one, known in zip(self.passes, self.nlls, strict=True)]
            complete = None not in self.nlls
        if complete:
            self.settle(self._pair())

    def settle(self, outcome: NllPair | Exception) -> None:
        self.outbox.put(self.future, outcome)

    def _pair(self) -> NllPair:
        tokens = [one.tokens for one in self.passes]
        return NllPair(
            conditioned=self.nlls[0],
            unconditioned=self.nlls[1],
            conditioned_tokens=tokens[0],
            unconditioned_tokens=tokens[1],
        )


_Outcome = tuple[asyncio.Future[NllPair], NllPair | Exception]


class _Outbox:
    """Brings outcomes to the event loops that wait for them: those of a batch together, which is cheap."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._outcomes: dict[asyncio.AbstractEventLoop, list[_Outcome]] = {}

    def put(self, future: asyncio.Future[NllPair], outcome: NllPair | Exception) -> None:
        loop = future.get_loop()
        with self._lock:
            outcomes = self._outcomes.setdefault(loop, [])
            outcomes.append((future, outcome))
            called = len(outcomes) > 1
        if called:
            return
        try:
            loop.call_soon_threadsafe(self._deliver, loop)
        except RuntimeError:
            # The loop is closed, and whoever asked is gone.
            self._taken(loop)

    def _deliver(self, loop: asyncio.AbstractEventLoop) -> None:
        for future, outcome in self._taken(loop):
            if future.done():
                continue
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

    def _taken(self, loop: asyncio.AbstractEventLoop) -> list[_Outcome]:
        with self._lock:
            return self._outcomes.pop(loop, [])
