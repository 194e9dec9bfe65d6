"""Files that are whole or absent, whatever dies while they are written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path


@contextmanager
def atomic_write(path: Path) -> Generator[Path]:
    """The path of a temporary file beside `path`, for the block to write.

    When the block ends the file is made durable and takes its place; when it raises, what stood there before stays.
    """
    with written_together([path]) as temporary:
        yield temporary[path]


def write_text_atomically(path: Path, text: str) -> None:
    """Replace the file with `text` in UTF-8, line ends as they are, or leave it as it was."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(text.encode())


@contextmanager
def written_together(paths: Sequence[Path]) -> Generator[dict[Path, Path]]:
    """A temporary path for each path; when the block ends they all take their places, when it raises none does.

    What the block left unwritten is absent afterwards. Each file is whole at any moment. Only where the process is
    killed while the files take their places, which is after all is written, some are new and the others old.
    """
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as folders:
        temporary = {path: folders.enter_context(_temporary(path)) for path in paths}
        yield temporary
        filled = {path: written for path, written in temporary.items() if written.exists()}
        for written in filled.values():
            _make_durable(written)
        for path in paths:
            if path in filled:
                filled[path].replace(path)
            else:
                path.unlink(missing_ok=True)
        for folder in {path.parent for path in paths}:
            _make_durable(folder)


@contextmanager
def _temporary(path: Path) -> Generator[Path]:
    """A path in a folder of its own beside `path`.

    Nobody else writes there, nor finds what a killed process left, and what SQLite puts beside a file goes with it.
    """
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent) as folder:
        yield Path(folder) / f"{path.name}.tmp"


def _make_durable(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
