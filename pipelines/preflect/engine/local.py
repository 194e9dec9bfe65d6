"""The local runner: phases in this process, no start-up; a long replay in as many processes as there are cores."""

from __future__ import annotations

from preflect.engine.phase_work import close_phase, write_stream
from preflect.engine.plan import Phase
from preflect.engine.shares import count_shares, write_in_shares
from preflect.engine.sitting import Sitting


class LocalRunner:
    """Carries phases in the process that calls it."""

    def carry(self, phase: Phase, sitting: Sitting) -> None:
        """Raises: StoppedError when the run stopped early, with what is finished on disk; RunError."""
        sitting.streamed(phase).create()
        if (shares := count_shares(sitting, phase)) > 1:
            write_in_shares(sitting, phase, shares)
        else:
            write_stream(sitting, phase)
        if phase.closing is not None:
            close_phase(sitting, phase)
