"""Scores as a table on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import polars as pl

from preflect.errors import InputError
from preflect.files import atomic_write

_WRITERS: Final[Mapping[str, Callable[[pl.DataFrame, Path], object]]] = {
    ".parquet": lambda table, path: table.write_parquet(path),
    ".jsonl": lambda table, path: table.write_ndjson(path),
    ".csv": lambda table, path: table.write_csv(path),
}


def check_table_path(path: Path) -> None:
    """Raises: InputError: `write_table` could not write there; ask before the work, not after it."""
    if path.suffix.lower() not in _WRITERS:
        got = path.suffix or "a name without an extension"
        raise InputError(f"--out {path}: scores are written as {', '.join(_WRITERS)}; got {got}")
    if not path.parent.is_dir():
        raise InputError(f"--out {path}: there is no folder {path.parent}; make it first")


def write_table(rows: Sequence[Mapping[str, str | float | int | None]], schema: pl.Schema, path: Path) -> None:
    """Write the rows in the format that the extension names; the file is whole or absent.

    Raises: InputError: unknown extension, or a place that cannot be written to.
    """
    check_table_path(path)
    table = pl.DataFrame(rows, schema=schema)
    try:
        with atomic_write(path) as unfinished:
            _WRITERS[path.suffix.lower()](table, unfinished)
    except OSError as error:
        raise InputError(f"--out {path}: cannot be written: {error}; choose another place") from error
