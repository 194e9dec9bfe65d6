"""The stream of a replayed phase in several processes: `python -m preflect.engine.shares` is each of them.

A replay asks nobody, so there is no limit, no rate and no money that its processes would have to agree on. Each takes
blocks of its own and writes them; Python computes on one core at a time, and a replay does nothing but compute.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from pkgutil import resolve_name
from typing import Final

from preflect.engine.live_files import LiveFiles, end_with_parent
from preflect.engine.lock import shared_use
from preflect.engine.phase_work import rows_into, write_stream
from preflect.engine.plan import Phase, Plan
from preflect.engine.run_folder import RunFolder
from preflect.engine.sitting import Share, Sitting
from preflect.errors import PreflectError, RunError
from preflect.interpreter import born_deaf, count_cores, python_module
from preflect.schemas import ChatModelSpec, PpmStudent

FEWEST: Final = 2048
"""Samples that are worth a process of their own: it takes a second to start."""
POLL_S: Final = 0.1


def count_shares(sitting: Sitting, phase: Phase) -> int:
    """How many processes the phase's stream is worth: one wherever anybody may be asked, or a student takes room."""
    recipe, stages = sitting.plan.recipe, phase.stages
    models = [recipe.models[name] for place in stages for name in recipe.stages[place].model_names]
    if not stages or sitting.plan.replay is None or not all(isinstance(m, ChatModelSpec | PpmStudent) for m in models):
        return 1
    return min(count_cores(), rows_into(sitting, phase) // FEWEST)


def write_in_shares(sitting: Sitting, phase: Phase, shares: int) -> None:
    """Run the phase's stream in so many processes. Raises: StoppedError, RunError."""
    folder = sitting.folder
    files = LiveFiles(folder.live_path)
    files.clear()
    command = python_module(__name__, folder.path, phase.number, sitting.plan.entry, shares)
    with folder.log_path.open("ab") as log, ExitStack() as started:
        start = partial(subprocess.Popen, stdin=subprocess.PIPE, stdout=log, stderr=log)
        with born_deaf():
            processes = [started.enter_context(start([*command, str(number)])) for number in range(shares)]
        try:
            _follow(processes, files, sitting)
        finally:
            for process in processes:
                process.kill()
    if any(process.returncode for process in processes) or files.outcome.exists():
        files.raise_failure(max(abs(process.returncode) for process in processes), folder.log_path)


def _follow(processes: Sequence[subprocess.Popen[bytes]], files: LiveFiles, sitting: Sitting) -> None:
    while any(process.poll() is None for process in processes):
        if files.outcome.exists() or any(process.poll() for process in processes) or sitting.stop_requested():
            files.stop.touch()
        if snapshot := files.snapshot():
            sitting.tell(snapshot)
        time.sleep(POLL_S)


def main(arguments: Sequence[str]) -> None:
    """Run path, phase number, the plan's entry, shares and which of them, as `write_in_shares` gives them."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    run_path, phase_number, entry, shares, number = arguments
    folder = RunFolder(Path(run_path))
    files = LiveFiles(folder.live_path)
    try:
        with shared_use(folder.live_path):
            plan: Plan = resolve_name(entry)(run_path)
            sitting = Sitting(
                plan=plan,
                folder=folder,
                endpoints={},
                stop_requested=files.stop.exists,
                publish=partial(files.publish, share=int(number)),
                share=Share(int(number), int(shares)),
            )
            write_stream(sitting, plan.phases[int(phase_number)])
    except PreflectError as error:
        files.tell(error)
    except Exception as error:
        files.tell(RunError(f"a process of the replay broke: {type(error).__name__}: {error}"))
        raise


if __name__ == "__main__":
    main(sys.argv[1:])
