"""Likelihoods of token sequences on one or more devices: each sequence once, in batches of alike length."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, Protocol

from preflect.errors import DeviceFullError
from preflect.scoring.spans import Pass

_log = logging.getLogger(__name__)
REMEMBERED: Final = 65_536
"""Results kept: the pairs of one sample share their bare texts, and come by again at its later stages."""


class Device(Protocol):
    """What computes: one copy of a model."""

    budget: int
    """Tokens of a batch at most, padding counted; halved when a batch does not fit into the memory."""
    lanes: int
    """Batches that it computes at once: where it goes on by itself, the next is made ready meanwhile."""

    def mean_nlls(self, batch: Sequence[Pass]) -> Sequence[float]:
        """The mean negative log-likelihood of each sequence's scored tokens, in nats per token.

        Raises: DeviceFullError: the batch does not fit into the memory.
        """
        ...


class Asker(Protocol):
    """Who wants to know what a sequence costs."""

    def gone(self) -> bool:
        """Whether nobody waits for the answer any more."""
        ...

    def answer(self, sequence: Pass, nll: float | Exception) -> None:
        """Take it, from whichever thread has it: the mean negative log-likelihood, or why there is none."""
        ...


@dataclass(eq=False, slots=True)
class _Wanted:
    """One sequence that waits or is computed, and who waits for it."""

    key: bytes
    sequence: Pass
    askers: list[Asker] = field(default_factory=list[Asker])

    def answer(self, nll: float | Exception) -> None:
        for asker in self.askers:
            asker.answer(self.sequence, nll)


@dataclass(eq=False, slots=True)
class _Crew:
    """A device and the threads that hand it batches."""

    device: Device
    lanes: int
    """Batches that it computes at once; one fewer when a single sequence did not fit beside another lane's batch."""
    at_work: int = 0

    def called(self) -> int:
        """How many more threads are wanted; from now on they count as at work."""
        more, self.at_work = max(0, self.lanes - self.at_work), max(self.lanes, self.at_work)
        return more


class DevicePool:
    """Hands sequences to whichever device is free, the longest first; nothing waits for a batch to fill."""

    def __init__(self, devices: Sequence[Device], *, remembered: int = REMEMBERED) -> None:
        self._lock = threading.Lock()
        self._waiting: list[_Wanted] = []
        self._in_work: dict[bytes, _Wanted] = {}
        self._known: OrderedDict[bytes, float] = OrderedDict()
        self._remembered = remembered
        self._crews = [_Crew(device, device.lanes) for device in devices]
        lanes = sum(crew.lanes for crew in self._crews)
        self._threads = ThreadPoolExecutor(max_workers=lanes, thread_name_prefix="student-device")
        self._told = False

    def ask(self, asked: Iterable[tuple[Pass, Asker]]) -> None:
        """Have every sequence computed, and its asker told.

        A sequence that is asked for again, now or later, is not computed again. One whose askers are all gone before
        its turn is not computed at all.
        """
        known: list[tuple[Pass, Asker, float]] = []
        with self._lock:
            for sequence, asker in asked:
                nll = self._want(sequence, asker)
                if nll is not None:
                    known.append((sequence, asker, nll))
            self._waiting.sort(key=_length)
            called = [crew for crew in self._crews for _ in range(crew.called())]
        for crew in called:
            self._threads.submit(self._work, crew)
        for sequence, asker, nll in known:
            asker.answer(sequence, nll)

    def close(self) -> None:
        """Return when all that was asked is answered."""
        self._threads.shutdown()

    def _want(self, sequence: Pass, asker: Asker) -> float | None:
        key = sequence.digest()
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        wanted = self._in_work.get(key)
        if wanted is None:
            wanted = self._in_work[key] = _Wanted(key, sequence)
            self._waiting.append(wanted)
        wanted.askers.append(asker)
        return None

    def _work(self, crew: _Crew) -> None:
        while batch := self._take(crew):
            self._compute(crew, batch)

    def _take(self, crew: _Crew) -> list[_Wanted]:
        """The next batch: as many as the device's budget allows, one at least; none for a lane that is too many."""
        with self._lock:
            batch = self._next(crew.device.budget) if crew.at_work <= crew.lanes else []
            crew.at_work -= not batch
        return batch

    def _next(self, budget: int) -> list[_Wanted]:
        batch: list[_Wanted] = []
        # Sorted by length, so the first one taken is the longest.
        while self._waiting and (not batch or (len(batch) + 1) * _length(batch[0]) <= budget):
            wanted = self._waiting.pop()
            if all(asker.gone() for asker in wanted.askers):
                del self._in_work[wanted.key]
            else:
                batch.append(wanted)
        return batch

    def _compute(self, crew: _Crew, batch: list[_Wanted]) -> None:
        lanes = crew.lanes
        try:
            nlls = crew.device.mean_nlls([wanted.sequence for wanted in batch])
        except DeviceFullError as error:
            self._shrink(crew, lanes, batch, error)
        except Exception as error:  # noqa: BLE001  # whoever asked gets it
            self._fail(batch, error)
        else:
            self._keep(batch, nlls)
            for wanted, nll in zip(batch, nlls, strict=True):
                wanted.answer(nll)

    def _keep(self, batch: list[_Wanted], nlls: Sequence[float]) -> None:
        with self._lock:
            for wanted, nll in zip(batch, nlls, strict=True):
                del self._in_work[wanted.key]
                self._known[wanted.key] = nll
            while len(self._known) > self._remembered:
                self._known.popitem(last=False)

    def _shrink(self, crew: _Crew, lanes: int, batch: list[_Wanted], error: DeviceFullError) -> None:
        """Have the batch tried again with less beside it; it fails only where there was nothing, on one of `lanes`."""
        # In both cases another lane may have seen to it already.
        if len(batch) > 1:
            budget = crew.device.budget = min(crew.device.budget, max(1, len(batch) * _length(batch[0]) // 2))
            self._put_back(batch, f"{error}; going on with batches of {budget} tokens, or fewer if need be")
        elif lanes > 1:
            with self._lock:
                crew.lanes = min(crew.lanes, lanes - 1)
            self._put_back(batch, f"{error}; going on with fewer batches at a time")
        else:
            self._fail(batch, error)

    def _put_back(self, batch: list[_Wanted], warning: str) -> None:
        with self._lock:
            told, self._told = self._told, True
            self._waiting = sorted((*self._waiting, *batch), key=_length)
        if not told:
            _log.warning("%s", warning)

    def _fail(self, batch: list[_Wanted], error: Exception) -> None:
        with self._lock:
            for wanted in batch:
                del self._in_work[wanted.key]
        for wanted in batch:
            wanted.answer(error)


def _length(wanted: _Wanted) -> int:
    return len(wanted.sequence.ids)
