"""The distilabel runner: a phase as a distilabel pipeline in a process of its own.

A streaming `GeneratorStep` holds the executor, a `Step` writes what it yields, and a whole-set stage follows as a
`GlobalStep`. A row is the number of a block of samples, which lie in a file until they are written: what goes over
distilabel itself is made text of, time and again, in a process that all rows pass.
The pipeline's process has its own session and log file, so its log and its signal handlers don't touch the terminal.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import Final

import orjson

from preflect.engine.live_files import LiveFiles
from preflect.engine.plan import Phase
from preflect.engine.sitting import Sitting
from preflect.engine.waiting_blocks import WaitingBlocks
from preflect.errors import InputError, RunError
from preflect.files import write_text_atomically
from preflect.interpreter import python_module

POLL_S: Final = 0.1

START_S: Final = 120.0
"""What the steps get to say that they are there, once the pipeline has: it waits for ever for one that was killed."""
AT_WORK: Final = 3
"""The pipeline's own process, and those of `Stream` and `Write`."""

GRACE_S: Final = 10.0
"""What the pipeline gets to end by itself, once a step has told how the phase ended, or to write one more block."""


SOCKET_PATH_MAX: Final = 103 if sys.platform == "darwin" else 107
"""Bytes that the operating system takes for the path of a socket."""
_SOCKET: Final = "/pymp-xxxxxxxx/listener-xxxxxxxx"
"""What multiprocessing adds to the folder for temporary files."""


def check_temporary_folder(folder: str) -> None:
    """Raises: InputError: the sockets that distilabel's processes talk over can't be made below `folder`."""
    longest, length = SOCKET_PATH_MAX - len(_SOCKET), len(os.fsencode(folder))
    if length > longest:
        raise InputError(
            f"the folder for temporary files, {folder}, has a path of {length} bytes, and {longest} are the most where "
            "distilabel makes its sockets: set TMPDIR to a shorter one, such as /tmp, or run with --engine local"
        )


class DistilabelRunner:
    """Carries phases as distilabel pipelines."""

    def carry(self, phase: Phase, sitting: Sitting) -> None:
        """Raises: what the pipeline's process ended with: StoppedError, RunError or another error of ours."""
        files = LiveFiles(sitting.folder.live_path)
        files.clear()
        WaitingBlocks(sitting.folder).clear()
        write_text_atomically(files.endpoints, orjson.dumps(dict(sitting.endpoints)).decode())
        sitting.streamed(phase).create()
        arguments = (sitting.folder.path, phase.number, sitting.plan.entry)
        with (
            sitting.folder.log_path.open("ab") as log,
            subprocess.Popen(  # noqa: S603  (our own interpreter and module)
                python_module("preflect.adapters.distilabel_pipeline", *arguments),
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
        files.raise_failure(process.returncode, sitting.folder.log_path)


def _follow(process: subprocess.Popen[bytes], files: LiveFiles, sitting: Sitting) -> None:
    """Until the pipeline ends, or distilabel waits for ever for a step that is no more."""
    blocks, starting, ending = WaitingBlocks(sitting.folder), _Still(), _Still()
    while process.poll() is None:
        ended = files.outcome.exists()
        if ended or sitting.stop_requested():
            files.stop.touch()
        if snapshot := files.snapshot():
            sitting.tell(snapshot)
        if ended and ending.seconds_at(len(blocks)) > GRACE_S:
            return
        missing = 0 < (announced := files.announced()) < AT_WORK and starting.seconds_at(announced) > START_S
        if missing or files.lost_worker():
            files.tell(RunError("a process of the distilabel pipeline was killed, perhaps for want of memory"))
            return
        time.sleep(POLL_S)


class _Still:
    """For how long a count has stayed what it is."""

    def __init__(self) -> None:
        self._count: int | None = None
        self._since = 0.0

    def seconds_at(self, count: int) -> float:
        """Since it was first seen to be this."""
        if count != self._count:
            self._count, self._since = count, time.monotonic()
        return time.monotonic() - self._since
