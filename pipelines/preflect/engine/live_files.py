"""What the processes that work on a phase tell each other and the run's own process."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path

import orjson

from preflect import errors
from preflect.engine.progress import Snapshot, combined
from preflect.errors import PreflectError, RunError


class LiveFiles:
    """Files in the run folder: progress and outcome from those at work on a phase, a wish to stop for them."""

    def __init__(self, live: Path) -> None:
        self.endpoints = live / "endpoints.json"
        self._live = live
        self.stop = live / "stop"
        self.outcome = live / "outcome.json"
        self.workers = live / "step-processes"

    def clear(self) -> None:
        """Remove what an earlier phase or sitting left."""
        for stale in (*self._progress_of_all(), self.stop, self.outcome):
            stale.unlink(missing_ok=True)
        shutil.rmtree(self.workers, ignore_errors=True)

    def announced(self) -> int:
        """How many processes work on the phase, or did."""
        return len(self._pids())

    def announce(self) -> None:
        """Say that this process works on the phase."""
        self.workers.mkdir(exist_ok=True)
        (self.workers / str(os.getpid())).touch()

    def tell(self, error: PreflectError | None) -> None:
        """Say how the phase ended; the first word stands."""
        outcome = {"error": type(error).__name__ if error else None, "message": str(error) if error else ""}
        fresh = self.outcome.with_suffix(f".{os.getpid()}")
        try:
            fresh.write_bytes(orjson.dumps(outcome))
            with suppress(FileExistsError):
                self.outcome.hardlink_to(fresh)
        finally:
            fresh.unlink(missing_ok=True)  # else this process's next word would be written over its first

    def lost_worker(self) -> bool:
        """Whether a process that works on the phase is gone, and nobody has told how the phase ended."""
        return not all(map(_is_alive, self._pids())) and not self.outcome.exists()

    def _pids(self) -> list[int]:
        return [int(path.name) for path in self.workers.glob("*")]

    def publish(self, snapshot: Snapshot, share: int = 0) -> None:
        """Say how far this process is."""
        fresh = self._live / f"progress-{share}.tmp"
        fresh.write_bytes(snapshot.to_json())
        fresh.replace(fresh.with_suffix(".json"))

    def snapshot(self) -> Snapshot | None:
        """How far all processes are together; None before the first word of them."""
        told = [Snapshot.from_json(path.read_bytes()) for path in self._progress_of_all()]
        return combined(told) if told else None

    def _progress_of_all(self) -> list[Path]:
        return sorted(self._live.glob("progress-*.json"))

    def raise_failure(self, returncode: int, log: Path) -> None:
        """Raises: what the phase ended with: StoppedError, RunError or another error of ours."""
        if not self.outcome.exists():
            how = f"with exit code {returncode}" if returncode else "before its work was done"
            raise RunError(f"a process of the run ended {how}; see {log}")
        outcome = orjson.loads(self.outcome.read_bytes())
        if outcome["error"]:
            kind = vars(errors).get(outcome["error"], RunError)
            assert issubclass(kind, PreflectError)
            raise kind(f"{outcome['message']}; see {log}" if kind is RunError else outcome["message"])


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def end_with_parent() -> None:
    """Kill this process's whole group when the run's process is gone: its end of our standard input then closes."""
    # Not through sys.stdin: its lock, held here, would break the interpreter at its own end.
    while os.read(sys.stdin.fileno(), 1):
        pass
    with suppress(ProcessLookupError):
        os.killpg(os.getpgrp(), signal.SIGKILL)
