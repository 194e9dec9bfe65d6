"""A stream's whole blocks, written beside it: `python -m preflect.engine.writer_beside` writes them.

Python computes on one core at a time. Where models answer hundreds of times a second their calls need all of it, and to
check and write a sample takes a fourth of what its call takes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from pkgutil import resolve_name
from typing import Final, Self

from preflect.engine.dataset import BLOCK
from preflect.engine.executor import Outcome
from preflect.engine.lock import shared_use
from preflect.engine.phase_work import rows_into, write_stream
from preflect.engine.plan import Phase, Plan
from preflect.engine.run_folder import RunFolder
from preflect.engine.sitting import Sitting
from preflect.engine.waiting_blocks import WaitingBlocks
from preflect.errors import PreflectError, RunError, StoppedError
from preflect.interpreter import born_deaf, collecting_seldom, count_cores, python_module

FEWEST: Final = 3 * BLOCK
"""Samples that are worth it: the other Python takes a second to start."""


def is_worth_it(sitting: Sitting, phase: Phase) -> bool:
    """Whether there is enough to write, and a core that would write it."""
    return bool(phase.stages) and count_cores() > 1 and rows_into(sitting, phase) >= FEWEST


def write_beside(sitting: Sitting, phase: Phase) -> None:
    """As `write_stream`, with whole blocks written by another Python. Raises: StoppedError, RunError."""
    with WriterBeside(sitting, phase) as writer:
        write_stream(sitting, phase, writer.write)


class WriterBeside:
    """Writes the blocks that it's given, however the `with` block ends, which waits for that.

    When this program is killed the writer goes on to the last of them, and keeps the next sitting out until then.
    """

    def __init__(self, sitting: Sitting, phase: Phase) -> None:
        self._folder = sitting.folder
        self._waiting = WaitingBlocks(sitting.folder)
        self._command = python_module(__name__, sitting.folder.path, phase.number, sitting.plan.entry)
        self._python: subprocess.Popen[bytes] | None = None

    def write(self, block: int, outcomes: list[Outcome]) -> None:
        """Have the block written. Raises: RunError when an earlier one could not be."""
        python = self._python = self._python or self._start()
        if python.poll() is not None:
            self._end(python)
        self._waiting.put(block, outcomes)
        assert python.stdin is not None
        with suppress(BrokenPipeError):  # looked at when the next is given, and at the end
            python.stdin.write(f"{block}\n".encode())
            python.stdin.flush()

    def _start(self) -> subprocess.Popen[bytes]:
        self._waiting.clear()
        # It has the lock before its first line runs: this program may be killed, and the run resumed, before that.
        with self._folder.log_path.open("ab") as log, shared_use(self._folder.live_path) as held, born_deaf():
            return subprocess.Popen(  # noqa: S603  (our own interpreter and module)
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, pass_fds=[held]
            )

    def _end(self, python: subprocess.Popen[bytes]) -> None:
        """Wait for it. Raises: RunError when it could not write what it was given."""
        self._python = None
        told, _ = python.communicate()
        if python.returncode:
            ended = f"what writes the samples ended with exit code {python.returncode}; see {self._folder.log_path}"
            raise RunError(told.decode().strip() or ended)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._python is None:
            return
        try:
            self._end(self._python)
        except RunError:
            if kind is None or issubclass(kind, StoppedError):  # any other failure is the first, and the one to tell of
                raise


def main(arguments: Sequence[str]) -> None:
    """Run path, phase number and the plan's entry, as `WriterBeside` gives them; blocks' numbers on standard input.

    Why a block could not be written stands on standard output.
    """
    run_path, phase_number, entry = arguments
    folder = RunFolder(Path(run_path))
    try:
        plan: Plan = resolve_name(entry)(run_path)
        sitting = Sitting(plan=plan, folder=folder, endpoints={}, stop_requested=bool, publish=lambda _: None)
        dataset, waiting = sitting.streamed(plan.phases[int(phase_number)]), WaitingBlocks(folder)
        for line in sys.stdin:
            waiting.write(int(line), dataset)
    except PreflectError as error:
        print(error, flush=True)  # noqa: T201  (to the run's own program)
        sys.exit(1)
    except Exception as error:
        print(f"the samples cannot be written: {type(error).__name__}: {error}", flush=True)  # noqa: T201  (the same)
        raise


if __name__ == "__main__":
    with collecting_seldom():
        main(sys.argv[1:])
    # All is on disk, and the run waits for this process: Python's tidying up takes a quarter of a second.
    os._exit(0)
