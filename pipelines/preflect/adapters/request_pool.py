"""Likelihoods of token sequences from a server: each sequence is a request, and asked for once."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, Final

from preflect.adapters.device_pool import REMEMBERED, Asker
from preflect.adapters.http_thread import HttpThread
from preflect.scoring.spans import Pass


class RequestPool:
    """Implements `preflect.adapters.scoring_service.Pool`, with so many requests in flight at most.

    All but `ask` happens in the thread of the requests, so nothing needs a lock.
    """

    def __init__(
        self,
        http: HttpThread,
        mean_nll: Callable[[Pass], Coroutine[Any, Any, float]],
        *,
        concurrency: int,
        remembered: int = REMEMBERED,
    ) -> None:
        self._http = http
        self._mean_nll = mean_nll
        self._turns = asyncio.Semaphore(concurrency)
        self._open: Final[dict[bytes, list[Asker]]] = {}
        self._known: Final[OrderedDict[bytes, float]] = OrderedDict()
        self._remembered = remembered
        self._tasks: Final[set[asyncio.Task[None]]] = set()

    def ask(self, asked: Iterable[tuple[Pass, Asker]]) -> None:
        """Have every sequence computed, and its asker told; those whose askers are gone by their turn are left out."""
        self._http.call(self._take_in, tuple(asked))

    def _take_in(self, asked: Sequence[tuple[Pass, Asker]]) -> None:
        for sequence, asker in asked:
            key = sequence.digest()
            if key in self._known:
                self._known.move_to_end(key)
                asker.answer(sequence, self._known[key])
            elif key in self._open:
                self._open[key].append(asker)
            else:
                self._open[key] = [asker]
                task = asyncio.create_task(self._see_to(key, sequence))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _see_to(self, key: bytes, sequence: Pass) -> None:
        outcome: float | Exception | None = None
        async with self._turns:
            if not all(asker.gone() for asker in self._open[key]):
                outcome = await self._outcome(key, sequence)
        askers = self._open.pop(key)
        if outcome is not None:
            for asker in askers:
                asker.answer(sequence, outcome)

    async def _outcome(self, key: bytes, sequence: Pass) -> float | Exception:
        try:
            nll = await self._mean_nll(sequence)
        except Exception as error:  # noqa: BLE001  # whoever asked gets it
            return error
        self._known[key] = nll
        if len(self._known) > self._remembered:
            self._known.popitem(last=False)
        return nll
