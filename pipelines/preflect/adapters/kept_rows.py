"""Rows of a dataset that were chosen, written as the dataset has them."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, cast

import orjson
import polars as pl

from preflect.adapters.input_row import RawRow
from preflect.adapters.input_sources import resolve
from preflect.adapters.reading import raw_rows
from preflect.adapters.score_table import as_table, sink, writing, written
from preflect.schemas import InputSpec

_TRIED: Final = 100
_AT_A_TIME: Final = 1024
_AS_IT_COMES: Final = orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS


def check_rows(rows: InputSpec, out: Path) -> None:
    """See whether the first rows can be written in `out`'s format. Raises: InputError: they cannot; as `raw_rows`."""
    if out.suffix.lower() == ".jsonl":
        return  # It takes any rows.
    few = rows.evolve(limit=min(rows.limit or _TRIED, _TRIED))
    # What cannot be read must not be taken for what cannot be written.
    deque(raw_rows(few), maxlen=0)
    with TemporaryDirectory() as folder, writing(out):
        _write(few, range(_TRIED), Path(folder) / out.name, out.suffix)


def write_kept(rows: InputSpec, kept: Container[int], out: Path) -> None:
    """Write the rows at these places, from 0, in their order; the file is whole or absent.

    JSON lines are written as rows come, and so is a table that comes from Parquet, with its types; other rows make a
    table in one piece, with the types that their values show.

    Raises: InputError: a place that cannot be written to, or rows that make no table.
    """
    with written(out) as unfinished:
        _write(rows, kept, unfinished, out.suffix)


def _write(rows: InputSpec, kept: Container[int], path: Path, suffix: str) -> None:
    source = resolve(rows.path)
    if suffix.lower() == ".jsonl":
        with path.open("wb") as lines:
            lines.writelines(orjson.dumps(row, default=str, option=_AS_IT_COMES) for row in _values(rows, kept))
    elif isinstance(source, Path) and source.suffix.lower() == ".parquet":
        table = pl.scan_parquet(source, glob=False, n_rows=rows.limit)
        sink(as_table(_parts(table, kept), table.collect_schema()), path, suffix)
    else:
        values = cast("list[dict[str, object]]", [*_values(rows, kept)])
        sink(pl.DataFrame(values, infer_schema_length=None).lazy(), path, suffix)


def _values(rows: InputSpec, kept: Container[int]) -> Iterator[object]:
    for place, row in enumerate(raw_rows(rows)):
        if place in kept and isinstance(row, RawRow):
            yield row.value


def _parts(table: pl.LazyFrame, kept: Container[int]) -> Iterator[pl.DataFrame]:
    start = 0
    for part in table.collect_batches(chunk_size=_AT_A_TIME, maintain_order=True):
        yield part.filter([place in kept for place in range(start, start + part.height)])
        start += part.height
