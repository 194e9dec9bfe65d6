"""Scores as a table on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Final

import polars as pl
from polars.io.plugins import register_io_source

from preflect.errors import InputError
from preflect.files import atomic_write

Row = Mapping[str, str | float | int | None]

_AT_A_TIME: Final = 8192
"""Rows in memory while a table is written, and in a row group of Parquet."""
_WRITERS: Final[Mapping[str, Callable[[pl.LazyFrame, Path], object]]] = {
    ".parquet": lambda table, path: table.sink_parquet(path, row_group_size=_AT_A_TIME),
    ".jsonl": lambda table, path: table.sink_ndjson(path),
    ".csv": lambda table, path: table.sink_csv(path),
}


def check_table_path(path: Path) -> None:
    """Raises: InputError: `write_table` could not write there; ask before the work, not after it."""
    if path.suffix.lower() not in _WRITERS:
        got = path.suffix or "a name without an extension"
        raise InputError(f"--out {path}: scores are written as {', '.join(_WRITERS)}; got {got}")
    if not path.parent.is_dir():
        raise InputError(f"--out {path}: there is no folder {path.parent}; make it first")


def write_table(rows: Iterable[Row], schema: pl.Schema, path: Path) -> None:
    """Write the rows as they come, in the format that the extension names; the file is whole or absent.

    Raises: InputError: unknown extension, or a place that cannot be written to.
    """
    check_table_path(path)

    def tables(
        _columns: list[str] | None, _predicate: pl.Expr | None, _rows: int | None, _size: int | None
    ) -> Iterator[pl.DataFrame]:
        remaining = iter(rows)
        while some := [*islice(remaining, _AT_A_TIME)]:
            yield pl.DataFrame(some, schema=schema)

    try:
        with atomic_write(path) as unfinished:
            _WRITERS[path.suffix.lower()](register_io_source(tables, schema=schema), unfinished)
    except OSError as error:
        raise InputError(f"--out {path}: cannot be written: {error}; choose another place") from error
