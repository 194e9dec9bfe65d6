"""One batch on its way: from its file at the endpoint to the last of its replies, through kills and resumes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from openai.types import Batch

from preflect.adapters.batch_means import Means
from preflect.adapters.batch_office import BatchOffice
from preflect.adapters.batch_wire import Fault, read_line
from preflect.adapters.chat_wire import BadBodyError
from preflect.ports import SentBatch, SentLine, StoredCall
from preflect.scoring.cost import cost_usd

LOST: Final = Fault(words="the batch ended without a line for it", passing=True)

_LOG: Final = logging.getLogger(__name__)
_TOGETHER: Final = 500
"""Replies that become durable at a time."""


@dataclass(frozen=True, slots=True)
class Trip:
    """Sees batches of one model through.

    A batch is on disk before the endpoint can begin with it, and stays there until all that came of it is in the
    journal; only then may what it left unanswered go out again. So whatever dies when, no request is in two batches.
    """

    office: BatchOffice
    means: Means
    deliver: Callable[[StoredCall], None]
    """Takes each reply, durable by then."""

    async def see_through(self, sent: SentBatch, *, first_try: bool) -> tuple[Batch, dict[str, Fault]]:
        """The batch as it ended, and what became of its requests that have no reply, by key.

        Args: first_try says that the endpoint was never asked to make a batch of this file.
        """
        batches = self.means.batches
        if sent.batch_id is None:
            batches.keep(sent)
            sent = replace(sent, batch_id=await self.office.make(sent.input_file_id, first_try=first_try))
            batches.keep(sent)
        batch = await self.office.ended(sent.batch_id or "")
        faults = await self._take_in(sent, batch)
        batches.drop(sent)
        return batch, faults

    async def _take_in(self, sent: SentBatch, batch: Batch) -> dict[str, Fault]:
        unanswered = {line.key: line for line in sent.lines}
        faults: dict[str, Fault] = {}
        calls: list[StoredCall] = []
        seconds = float((batch.completed_at or batch.created_at) - batch.created_at)
        async for content in self.office.lines(batch):
            try:
                key, outcome = read_line(content)
            except BadBodyError as error:
                _LOG.warning("batch %s: %s", batch.id, error)
                continue
            if isinstance(outcome, Fault):
                if key not in faults:  # the file begins anew where its connection broke
                    await self._lose(outcome, unanswered.get(key))
                faults[key] = outcome
            elif line := unanswered.pop(key, None):
                calls.append(self.means.stored(line, outcome, seconds))
                if outcome.usage is None and self.means.journal.find(key) is None:
                    self.means.meter.uncounted(self.means.model)
            if len(calls) >= _TOGETHER:
                await self._keep(calls)
                calls = []
        await self._keep(calls)
        return {key: faults.get(key, LOST) for key in unanswered}

    async def _lose(self, fault: Fault, line: SentLine | None) -> None:
        """A reply that is no completion is paid for all the same."""
        if fault.billed and line:
            async with self.means.purse.hold(0.0) as paid:
                paid.lose(cost_usd(self.means.price, fault.usage) if fault.usage else line.most_usd)

    async def _keep(self, calls: Sequence[StoredCall]) -> None:
        # A sitting that was killed may have kept some of them.
        new = [call for call in calls if self.means.journal.find(call.key) is None]
        for call in new:
            # What was set aside for it is free again when its caller has the reply: for a moment both count. And it's
            # said before the journal has it, so that at no moment the journal holds more than the budget knows of.
            async with self.means.purse.hold(0.0) as paid:
                paid.settle(call.cost_usd)
        await asyncio.gather(*map(self.means.journal.record, new))
        for call in calls:
            self.deliver(call)
