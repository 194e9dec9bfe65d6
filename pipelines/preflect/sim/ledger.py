"""The truth file: one line for each text and rating, on disk before the reply is sent."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self


class Ledger:
    """Appends lines to a file; without a path it keeps nothing."""

    def __init__(self, path: Path | None) -> None:
        self._file: int | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            self._mend_last_line(path)

    def _mend_last_line(self, path: Path) -> None:
        # A killed predecessor may have left half a line, which must not swallow the first of ours.
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 1))
            if size and file.read(1) != b"\n":
                self._write(b"\n")

    def append(self, lines: Iterable[bytes]) -> None:
        """Hand the lines to the operating system, so that they outlive this process."""
        self._write(b"".join(lines))

    def _write(self, lines: bytes) -> None:
        while self._file is not None and lines:
            lines = lines[os.write(self._file, lines) :]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
