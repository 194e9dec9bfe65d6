"""The local runner: phases in this process, no start-up."""

from __future__ import annotations

from preflect.engine.dataset import BlockWriter
from preflect.engine.phase_work import close_phase, stream_phase
from preflect.engine.plan import Phase
from preflect.engine.sitting import Sitting


class LocalRunner:
    """Carries phases in the process that calls it."""

    def carry(self, phase: Phase, sitting: Sitting) -> None:
        """Raises: StoppedError when the run stopped early, with what is finished on disk; RunError."""
        dataset = sitting.streamed(phase)
        dataset.create()
        with stream_phase(sitting, phase) as outcomes, BlockWriter(dataset) as writer:
            for outcome in outcomes:
                writer.add(outcome)
        if phase.closing is not None:
            close_phase(sitting, phase)
