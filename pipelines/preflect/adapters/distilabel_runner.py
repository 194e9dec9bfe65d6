"""The distilabel runner: a phase as a distilabel pipeline in a process of its own.

A streaming `GeneratorStep` holds the executor, a `Step` writes what it yields, and a whole-set stage follows as a
`GlobalStep`. Rows travel as one JSON column; blocks on disk are the result, and the pipeline's rows are only counted.
The pipeline's process has its own session and log file, so its log and its signal handlers don't touch the terminal.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import orjson

from preflect import errors
from preflect.engine.files import write_text_atomically
from preflect.engine.plan import Phase
from preflect.engine.progress import Snapshot
from preflect.engine.sitting import Sitting
from preflect.errors import PreflectError, RunError

POLL_S: Final = 0.1


class LiveFiles:
    """What the run's process and the pipeline's tell each other, as files in the run folder."""

    def __init__(self, live: Path) -> None:
        self.endpoints = live / "endpoints.json"
        self.progress = live / "progress.json"
        self.stop = live / "stop"
        self.outcome = live / "outcome.json"


class DistilabelRunner:
    """Carries phases as distilabel pipelines."""

    def carry(self, phase: Phase, sitting: Sitting) -> None:
        """Raises: what the pipeline's process ended with: StoppedError, RunError or another error of ours."""
        files = LiveFiles(sitting.folder.live_path)
        for stale in (files.progress, files.stop, files.outcome):
            stale.unlink(missing_ok=True)
        write_text_atomically(files.endpoints, orjson.dumps(dict(sitting.endpoints)).decode())
        sitting.streamed(phase).create()
        arguments = [str(sitting.folder.path), str(phase.number), sitting.plan.entry]
        with (
            sitting.folder.log_path.open("ab") as log,
            subprocess.Popen(  # noqa: S603  (our own interpreter and module)
                [sys.executable, "-m", "preflect.adapters.distilabel_pipeline", *arguments],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            ) as process,
        ):
            try:
                _follow(process, files, sitting)
            finally:
                # Steps that outlive their pipeline would go on paying.
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        _raise_failure(files, process.returncode, sitting.folder.log_path)


def _follow(process: subprocess.Popen[bytes], files: LiveFiles, sitting: Sitting) -> None:
    while process.poll() is None:
        if sitting.stop_requested():
            files.stop.touch()
        if files.progress.exists():
            sitting.publish(Snapshot.from_json(files.progress.read_bytes()))
        time.sleep(POLL_S)


def _raise_failure(files: LiveFiles, returncode: int, log: Path) -> None:
    if not files.outcome.exists():
        raise RunError(f"the distilabel pipeline ended with exit code {returncode}; see {log}")
    outcome = orjson.loads(files.outcome.read_bytes())
    if outcome["error"]:
        kind = vars(errors).get(outcome["error"], RunError)
        assert issubclass(kind, PreflectError)
        raise kind(outcome["message"])
