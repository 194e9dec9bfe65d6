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


class DevicePool:
    """Hands sequences to whichever device is free, the longest first; nothing waits for a batch to fill."""

    def __init__(self, devices: Sequence[Device], *, remembered: int = REMEMBERED) -> None:
        self._lock = threading.Lock()
        self._waiting: list[_Wanted] = []
        self._in_work: dict[bytes, _Wanted] = {}
        self._known: OrderedDict[bytes, float] = OrderedDict()
        self._remembered = remembered
        self._idle = [device for device in devices for _ in range(device.lanes)]
        self._threads = ThreadPoolExecutor(max_workers=len(self._idle), thread_name_prefix="student-device")
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
            started, self._idle = self._idle, []
        for device in started:
            self._threads.submit(self._work, device)
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

    def _work(self, device: Device) -> None:
        while batch := self._take(device):
            self._compute(device, batch)

    def _take(self, device: Device) -> list[_Wanted]:
        """The next batch: as many as the device's budget allows, and one at least."""
        batch: list[_Wanted] = []
        with self._lock:
            # Sorted by length, so the first one taken is the longest.
            while self._waiting and (not batch or (len(batch) + 1) * _length(batch[0]) <= device.budget):
                wanted = self._waiting.pop()
                if all(asker.gone() for asker in wanted.askers):
                    del self._in_work[wanted.key]
                else:
                    batch.append(wanted)
            if not batch:
                self._idle.append(device)
        return batch

    def _compute(self, device: Device, batch: list[_Wanted]) -> None:
        try:
            nlls = device.mean_nlls([wanted.sequence for wanted in batch])
        except DeviceFullError as error:
            self._halve(device, batch, error)
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

    def _halve(self, device: Device, batch: list[_Wanted], error: DeviceFullError) -> None:
        if len(batch) == 1:
            self._fail(batch, error)
            return
        # Another lane may have halved it already.
        device.budget = min(device.budget, max(1, len(batch) * _length(batch[0]) // 2))
        with self._lock:
            told, self._told = self._told, True
            self._waiting = sorted((*self._waiting, *batch), key=_length)
        if not told:
            _log.warning("%s; going on with batches of %d tokens, or fewer if need be", str(error), device.budget)

    def _fail(self, batch: list[_Wanted], error: Exception) -> None:
        with self._lock:
            for wanted in batch:
                del self._in_work[wanted.key]
        for wanted in batch:
            wanted.answer(error)


def _length(wanted: _Wanted) -> int:
    return len(wanted.sequence.ids)
