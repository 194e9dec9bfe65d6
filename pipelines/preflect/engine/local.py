"""The local runner: phases in this process, no start-up; of a long stream the files are written by another.

A long replay takes as many processes as there are cores.
"""

from __future__ import annotations

from preflect.engine.phase_work import close_phase, write_stream
from preflect.engine.plan import Phase
from preflect.engine.shares import count_shares, write_in_shares
from preflect.engine.sitting import Sitting
from preflect.engine.writer_beside import is_worth_it, write_beside


class LocalRunner:
    """Carries phases in the process that calls it, and in others beside it where that is quicker."""

    def carry(self, phase: Phase, sitting: Sitting) -> None:
        """Raises: StoppedError when the run stopped early, with what is finished on disk; RunError."""
        sitting.streamed(phase).create()
        if (shares := count_shares(sitting, phase)) > 1:
            write_in_shares(sitting, phase, shares)
        elif is_worth_it(sitting, phase):
            write_beside(sitting, phase)
        else:
            write_stream(sitting, phase)
        if phase.closing is not None:
            close_phase(sitting, phase)
