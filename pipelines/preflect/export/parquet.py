"""Parquet with explicit features, row by row."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import polars as pl
from arro3.core import DataType, Field, Schema
from arro3.io import read_json, write_parquet
from polars.exceptions import PolarsError

from preflect.errors import DataError

Shape = str | list["Shape"] | dict[str, "Shape"]
"""A column's type: `string`, `bool`, `float64`, a list of one shape, or a record of named shapes."""

_SCALARS: Final = {"string": DataType.string(), "bool": DataType.bool(), "float64": DataType.float64()}
_ROW_GROUP: Final = 500


def write_rows(path: Path, rows: Path, shapes: Mapping[str, Shape], note: Mapping[str, Any]) -> None:
    """A Parquet file of these columns from a file with one JSON object a line, of which little is in memory at once.

    The same rows give the same bytes. `note` stands in its metadata, beside what `datasets` would write itself, so
    that it reads the same types whatever the rows hold.
    """
    features = {name: _feature(shape) for name, shape in shapes.items()}
    metadata = {"info": {"features": features}, "preflect": dict(note)}
    write_parquet(
        read_json(rows, Schema(_fields(shapes)), batch_size=_ROW_GROUP),
        path,
        # One key: several would be written in any order.
        key_value_metadata={"huggingface": json.dumps(metadata)},
        skip_arrow_metadata=True,
        max_row_group_size=_ROW_GROUP,
        compression="zstd(3)",
    )


def parquet_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of any Parquet file, as plain values. Raises: DataError when it isn't one."""
    try:
        for batch in pl.scan_parquet(path, glob=False).collect_batches(chunk_size=_ROW_GROUP, maintain_order=True):
            yield from batch.iter_rows(named=True)
    except (PolarsError, OSError) as error:
        raise DataError(f"{path} is not a Parquet file: {error}") from error


def _fields(shapes: Mapping[str, Shape]) -> list[Field]:
    return [Field(name, _type(shape)) for name, shape in shapes.items()]


def _type(shape: Shape) -> DataType:
    match shape:
        case str():
            return _SCALARS[shape]
        case list():
            return DataType.list(_type(shape[0]))
        case dict():
            return DataType.struct(_fields(shape))


def _feature(shape: Shape) -> dict[str, Any]:
    match shape:
        case str():
            return {"dtype": shape, "_type": "Value"}
        case list():
            return {"feature": _feature(shape[0]), "_type": "List"}
        case dict():
            return {name: _feature(inner) for name, inner in shape.items()}
