"""Scores as a table on disk."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
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
    if path.is_dir():
        raise InputError(f"--out {path}: is a folder; name a file, in it or elsewhere")


def write_table(rows: Iterable[Row], schema: pl.Schema, path: Path) -> None:
    """Write the rows as they come, in the format that the extension names; the file is whole or absent.

    Raises: InputError: unknown extension, or a place that cannot be written to.
    """
    check_table_path(path)
    remaining = iter(rows)
    parts = iter(lambda: [*islice(remaining, _AT_A_TIME)], [])
    with written(path) as unfinished:
        sink(as_table((pl.DataFrame(part, schema=schema) for part in parts), schema), unfinished, path.suffix)


def as_table(parts: Iterator[pl.DataFrame], schema: pl.Schema) -> pl.LazyFrame:
    """Parts that are made one at a time, as one table to be read once."""

    def all_of_them(*_asked: object) -> Iterator[pl.DataFrame]:
        return parts

    return register_io_source(all_of_them, schema=schema)


def sink(table: pl.LazyFrame, path: Path, suffix: str) -> None:
    """Write a table in the format that this extension names. Raises: PolarsError, OSError."""
    _WRITERS[suffix.lower()](table, path)


@contextmanager
def written(path: Path) -> Generator[Path]:
    """A temporary file for the block to write, which then takes its place. Raises: as `writing`."""
    with writing(path), atomic_write(path) as unfinished:
        yield unfinished


@contextmanager
def writing(path: Path) -> Generator[None]:
    """Raises: InputError: what the block raises, where a place cannot be written to or rows make no such table."""
    try:
        yield
    except (OSError, TypeError, pl.exceptions.PolarsError) as error:
        raise InputError(
            f"--out {path}: cannot be written: {error}; choose another place, or .jsonl, which takes any rows"
        ) from error
