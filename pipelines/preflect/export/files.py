"""Files that stand whole or not at all, and all of an export together."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson


@contextmanager
def written_together(paths: list[Path]) -> Generator[dict[Path, Path]]:
    """A temporary path for each path; when the block ends well they all take their places, else none does.

    What the block left unwritten is absent afterwards.
    """
    temporary = {path: path.with_name(f".{path.name}.tmp") for path in paths}
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
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
    finally:
        for written in temporary.values():
            written.unlink(missing_ok=True)


def _make_durable(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_lines(path: Path) -> Iterator[Any]:
    """The JSON documents of a file of lines."""
    with path.open("rb") as lines:
        for line in lines:
            yield orjson.loads(line)
