"""`run.log`: when each sitting of a run began and how it ended, and what was warned of meanwhile."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Final

from preflect.engine.afterwards import afterwards
from preflect.engine.run_folder import RunFolder

_LOGGER: Final = logging.getLogger("preflect")


@contextmanager
def logged(folder: RunFolder) -> Generator[None]:
    """Keep the log of one sitting while the block runs: on a terminal, warnings would break the progress display."""
    manifest = folder.manifest()
    _write(folder, f"{manifest.name}: begun, engine {manifest.engine}, preflect {version('preflect')}")
    warnings = _Warnings(folder)
    _LOGGER.addHandler(warnings)
    with afterwards(lambda: _end(folder, warnings)):
        yield


def _end(folder: RunFolder, warnings: logging.Handler) -> None:
    _LOGGER.removeHandler(warnings)
    manifest = folder.manifest()
    why = f": {manifest.message}" if manifest.message else ""
    _write(folder, f"{manifest.name}: {manifest.status} after {manifest.seconds:.1f} s in all{why}")


class _Warnings(logging.Handler):
    def __init__(self, folder: RunFolder) -> None:
        super().__init__(logging.WARNING)
        self._folder = folder

    def emit(self, record: logging.LogRecord) -> None:
        _write(self._folder, f"{record.levelname.lower()}: {record.getMessage()}")


def _write(folder: RunFolder, line: str) -> None:
    # On a full disk the run tells what is wrong itself.
    with suppress(OSError), folder.log_path.open("a", encoding="utf-8", errors="backslashreplace") as log:
        log.write(f"{datetime.now(UTC).isoformat(timespec='seconds')} {' '.join(line.split())}\n")
