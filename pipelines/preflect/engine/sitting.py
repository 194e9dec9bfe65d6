"""One sitting of a run: from its start, or a resume, to its end or the next stop."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from preflect.engine.afterwards import afterwards
from preflect.engine.batches import BatchNotes
from preflect.engine.budget import Budget
from preflect.engine.dataset import Dataset
from preflect.engine.gate import RunGate
from preflect.engine.journal import LOST_USD, Journal, open_journal
from preflect.engine.meter import Meter
from preflect.engine.plan import Phase, Plan, Wiring
from preflect.engine.progress import Snapshot
from preflect.engine.run_folder import RunFolder
from preflect.engine.traffic import keep_traffic
from preflect.errors import InterruptedRunError, RunError
from preflect.schemas import ChatModelSpec, Rejection, Sample


@dataclass(frozen=True, slots=True)
class Share:
    """Which blocks of a phase a process works on: every `of`-th, from `number` on."""

    number: int = 0
    of: int = 1

    def has(self, block: int) -> bool:
        """Whether the block is of this share."""
        return block % self.of == self.number


@dataclass(frozen=True, slots=True, kw_only=True)
class Sitting:
    """A plan, its folder, and the way to and from whoever watches it."""

    plan: Plan
    folder: RunFolder
    endpoints: Mapping[str, str]
    stop_requested: Callable[[], bool]
    publish: Callable[[Snapshot], None]
    share: Share = Share()
    """What this process carries of a phase that several share."""

    def tell(self, snapshot: Snapshot) -> None:
        """Publish the counts; that whoever watches has gone, or his disk is full, is no reason to end the run."""
        with suppress(OSError):
            self.publish(snapshot)

    def streamed(self, phase: Phase) -> Dataset:
        """What the phase's per-sample stages leave."""
        return self._dataset(phase, closed=False, last=phase.closing is None and self._is_last(phase))

    def result(self, phase: Phase) -> Dataset:
        """What the phase as a whole leaves."""
        return self._dataset(phase, closed=phase.closing is not None, last=self._is_last(phase))

    def _dataset(self, phase: Phase, *, closed: bool, last: bool) -> Dataset:
        # A simulated run is compared with a truth that is whole only at its end.
        digested = last and not self.plan.simulated
        return self.folder.phase(
            phase.number, closed=closed, last=last, on_block=self._keep_digest if digested else None
        )

    def _keep_digest(self, block: str, samples: Sequence[Sample]) -> None:
        self.folder.digests_path.mkdir(exist_ok=True)
        (self.folder.digests_path / block).write_bytes(self.plan.ending.digest(self.plan.recipe, samples))

    def _is_last(self, phase: Phase) -> bool:
        return phase.number == len(self.plan.phases) - 1

    def input_of(self, phase: Phase) -> Iterator[Sample]:
        """The samples that go into the phase, in order."""
        if phase.number > 0:
            return self.result(self.plan.phases[phase.number - 1]).samples()
        return self._rows()

    def _rows(self) -> Iterator[Sample]:
        """The input's samples; why its other rows are none is written down when it has been read to its end."""
        rejected: list[tuple[Rejection, None]] = []
        for row in self.plan.read():
            if isinstance(row, Rejection):
                rejected.append((row, None))
            else:
                yield row.evolve(simulated=True) if self.plan.simulated else row
        if self.share.number == 0:  # every share reads the whole input, and one file is for one writer
            self._keep(rejected)

    def _keep(self, rejected: list[tuple[Rejection, None]]) -> None:
        from preflect.engine.storage import write_rejections  # noqa: PLC0415  # polars

        write_rejections(self.folder.input_rejections_path, rejected)

    @contextmanager
    def tools(self, total: int | None) -> Generator[Tools]:
        """Journal, money, gate and counts, open while the block runs."""
        limits = self.plan.recipe.limits
        with open_journal(self.folder.journal_path) as journal:
            journal.lose_reserved()
            budget = Budget(limits.budget_usd, journal.spent_usd(), journal.reserve)
            meter = Meter(total)
            models = self.plan.recipe.models
            meter.expect(self.plan.names, [name for name in models if isinstance(models[name], ChatModelSpec)])
            if self.plan.simulated:
                journal.mark_simulated()
            tools = Tools(sitting=self, journal=journal, budget=budget, gate=RunGate(), meter=meter)
            with afterwards(tools.keep_counts):
                yield tools


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What one process needs to work on a phase."""

    sitting: Sitting
    journal: Journal
    budget: Budget
    gate: RunGate
    meter: Meter

    @property
    def wiring(self) -> Wiring:
        """The same for the models."""
        return Wiring(
            folder=self.sitting.folder,
            journal=self.journal,
            batches=BatchNotes(self.sitting.folder.batches_path),
            purse=self.budget,
            gate=self.gate,
            meter=self.meter,
            endpoints=self.sitting.endpoints,
            replay=self.sitting.plan.replay is not None,
        )

    def tick(self) -> None:
        """Close the gate if a stop was asked for; write losses down, and publish the counts."""
        if self.sitting.stop_requested():
            self.gate.close(InterruptedRunError("stopped on request; calls in flight were waited for"))
        try:
            self.keep_losses()
            self.budget.ease()
        except RunError as reason:
            self.gate.close(reason)
        self.sitting.tell(self.meter.snapshot())

    def keep_losses(self) -> None:
        """Write down what was spent on requests without a usable reply, so that later sittings count it in."""
        if lost_usd := self.budget.lost_usd:
            self.journal.add_to_counter(LOST_USD, lost_usd)
            self.budget.forget_lost()

    def keep_counts(self) -> None:
        """Write down what is to be known of this work when it's over."""
        self.keep_losses()
        self.journal.release()
        for stage, seconds in self.meter.stage_seconds().items():
            self.journal.add_to_counter(f"stage_seconds:{stage}", seconds)
        keep_traffic(self.journal, self.meter.snapshot())
