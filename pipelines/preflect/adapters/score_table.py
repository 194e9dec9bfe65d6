"""Scores, and rows chosen by them, as a table on disk."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Final, cast

import orjson
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

    with _written(path) as unfinished:
        _WRITERS[path.suffix.lower()](register_io_source(tables, schema=schema), unfinished)


def write_rows(rows: Iterable[object], path: Path) -> None:
    """Write rows of any columns; the file is whole or absent. JSON lines are written as they come, tables in one piece.

    Raises: InputError: as `write_table`, or rows that make no table.
    """
    check_table_path(path)
    with _written(path) as unfinished:
        if path.suffix.lower() == ".jsonl":
            options = orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS
            with unfinished.open("wb") as lines:
                lines.writelines(orjson.dumps(row, default=str, option=options) for row in rows)
        else:
            table = pl.DataFrame([cast("Row", row) for row in rows], infer_schema_length=None)
            _WRITERS[path.suffix.lower()](table.lazy(), unfinished)


@contextmanager
def _written(path: Path) -> Generator[Path]:
    try:
        with atomic_write(path) as unfinished:
            yield unfinished
    except (OSError, TypeError, pl.exceptions.PolarsError) as error:
        raise InputError(
            f"--out {path}: cannot be written: {error}; choose another place, or .jsonl, which takes any rows"
        ) from error
