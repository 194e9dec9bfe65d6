"""Samples and rejections in Parquet: written whole, read row by row, nothing lost and the same bytes each time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final, TypeVar

import polars as pl
from polars.io.plugins import register_io_source
from pydantic import BaseModel, ValidationError

from preflect.engine.columns import row_to_json, table_of, table_schema
from preflect.errors import DataError, RunError
from preflect.files import atomic_write
from preflect.schemas import Rejection, Sample

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

ROW_GROUP: Final = 256
"""Rows written and read at a time: what bounds the memory, at about 15 KB a sample."""
_FILES_AT_ONCE: Final = 64
"""Files that are counted together: opening each by itself takes longer than reading it."""

_REJECTIONS: Final = pl.Schema({**table_schema(Rejection), "sample": pl.String()})


def write_samples(path: Path, samples: Iterable[Sample]) -> None:
    """Write one Parquet file, whole or not at all, with one row per sample in the order given."""
    write_table(path, table_schema(Sample), samples, partial(table_of, Sample))


def read_samples(paths: Iterable[Path]) -> Iterator[Sample]:
    """The samples of several files, in the order of the files and of their rows.

    Raises: DataError for a file that is missing, damaged or of another version.
    """
    to_json = row_to_json(Sample)
    for path in paths:
        for number, row in _rows(path):
            yield _validated(Sample, to_json(row), path, number)


def count_rows(paths: Iterable[Path]) -> int:
    """How many rows there are, without reading them. Raises: DataError as `read_samples` does."""
    return sum(int(_collected(path, pl.scan_parquet(path).select(pl.len())).item()) for path in paths)


def causes_of_loss(samples: Sequence[Path], rejections: Path) -> frozenset[str]:
    """Why samples were rejected, and why samples that went on lost candidates, in the files of each.

    Raises: DataError as `read_samples` does.
    """
    of_candidates = pl.col("rejections").list.eval(pl.element().struct.field("cause")).alias("cause")
    rejected = _collected(rejections, pl.scan_parquet(rejections).select(pl.col("cause").unique()))
    lost = _collected(
        rejections.parent, pl.scan_parquet([*samples], glob=False).select(of_candidates.explode().unique())
    )
    return frozenset(rejected["cause"]) | frozenset(lost["cause"].drop_nulls())


def lost_candidates(paths: Iterable[Path]) -> Iterator[tuple[str, str, int]]:
    """Stage, reason and number of the candidates that samples lost on their way, some files at a time.

    Raises: DataError as `read_samples` does.
    """
    rest = iter(paths)
    while some := list(islice(rest, _FILES_AT_ONCE)):
        files = pl.scan_parquet(some, glob=False)
        each = files.select(pl.col("rejections").explode().struct.unnest()).drop_nulls("stage")
        counts = each.group_by("stage", "reason").len().sort("stage", "reason")
        yield from _collected(some[0].parent, counts).iter_rows()


def write_rejections(path: Path, rows: Iterable[tuple[Rejection, Sample | None]]) -> None:
    """Write what was rejected, each with the sample as it stood where there was one, as JSON in column `sample`."""
    write_table(path, _REJECTIONS, rows, _rejection_table)


def read_rejections(path: Path) -> Iterator[tuple[Rejection, Sample | None]]:
    """What `write_rejections` wrote, in its order. Raises: DataError as `read_samples` does."""
    to_json = row_to_json(Rejection)
    for number, row in _rows(path):
        sample: str | None = row.pop("sample", None)
        rejection = _validated(Rejection, to_json(row), path, number)
        yield rejection, None if sample is None else _validated(Sample, sample, path, number)


def _rejection_table(rows: list[tuple[Rejection, Sample | None]]) -> pl.DataFrame:
    texts = [None if sample is None else sample.model_dump_json() for _, sample in rows]
    table = table_of(Rejection, [rejection for rejection, _ in rows])
    return table.with_columns(pl.Series("sample", texts, dtype=pl.String))


def write_table(
    path: Path,
    schema: pl.Schema,
    items: Iterable[T],
    to_table: Callable[[list[T]], pl.DataFrame],
    row_group: int = ROW_GROUP,
) -> None:
    """Write one Parquet file, whole or not at all, from as many items at a time as a row group has.

    Raises: RunError when it cannot be written.
    """

    def tables(
        _columns: list[str] | None, _predicate: pl.Expr | None, _rows: int | None, _size: int | None
    ) -> Iterator[pl.DataFrame]:
        return map(to_table, _batches(items, row_group))

    with atomic_write(path) as temporary:
        # Streamed table by table: a whole run's rejections need not fit in memory.
        try:
            register_io_source(tables, schema=schema).sink_parquet(temporary, row_group_size=row_group)
        except pl.exceptions.ComputeError as error:
            raise RunError(f"cannot write {path}: {error}") from error


def read_schema(path: Path) -> pl.Schema:
    """The columns of a file. Raises: DataError as `read_samples` does."""
    return _collected(path, pl.scan_parquet(path).head(0)).schema


def read_tables(path: Path, row_group: int = ROW_GROUP) -> Iterator[pl.DataFrame]:
    """The rows of a file, so many at a time. Raises: DataError as `read_samples` does."""
    table = pl.scan_parquet(path)
    for start in range(0, count_rows([path]), row_group):
        yield _collected(path, table.slice(start, row_group))


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    return enumerate(chain.from_iterable(table.iter_rows(named=True) for table in read_tables(path)))


def _collected(path: Path, table: pl.LazyFrame) -> pl.DataFrame:
    try:
        return table.collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path}: not a Parquet file that can be read ({error}); restore it or run again") from error


def _validated(model: type[M], text: str | bytes, path: Path, number: int) -> M:
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise DataError(
            f"{path}: row {number + 1} is not a {model.__name__} of this version of preflect ({error}); "
            "read it with the version that wrote it, or run again"
        ) from error
