"""Parquet with explicit features, row by row."""

# pyarrow ships no types; nothing of it leaves this file.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from preflect.errors import DataError

Shape = str | list["Shape"] | dict[str, "Shape"]
"""A column's type: `string`, `bool`, `float64`, a list of one shape, or a record of named shapes."""

_SCALARS: Final = {"string": pa.string(), "bool": pa.bool_(), "float64": pa.float64()}
_ROW_GROUP: Final = 500


class ParquetRows:
    """A Parquet file that takes rows one by one; the same rows give the same bytes.

    Without rows there is no file: `datasets` can't load a folder in which one file is empty.
    """

    def __init__(self, path: Path, shapes: Mapping[str, Shape], note: Mapping[str, Any]) -> None:
        """The file will have these columns; `note` goes into its metadata under `preflect`."""
        features = {name: _feature(shape) for name, shape in shapes.items()}
        # What `datasets` would write itself, so that it reads the same types whatever the rows hold.
        metadata = {"huggingface": json.dumps({"info": {"features": features}}), "preflect": json.dumps(note)}
        self._schema = pa.schema([(name, _arrow(shape)) for name, shape in shapes.items()], metadata=metadata)
        self._path = path
        self._writer: pq.ParquetWriter | None = None
        self._waiting: list[Mapping[str, Any]] = []
        self.rows = 0

    def add(self, row: Mapping[str, Any]) -> None:
        """Write the row with the next group."""
        self._waiting.append(row)
        self.rows += 1
        if len(self._waiting) == _ROW_GROUP:
            self._flush()

    def close(self) -> None:
        """Write what waits, and the file's end."""
        self._flush()
        if self._writer is not None:
            self._writer.close()

    def _flush(self) -> None:
        if not self._waiting:
            return
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, self._schema, compression="zstd")
        self._writer.write_table(pa.Table.from_pylist(self._waiting, schema=self._schema))
        self._waiting = []


def parquet_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of any Parquet file, as plain values. Raises: DataError when it isn't one."""
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_ROW_GROUP):
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} is not a Parquet file: {error}") from error


def _arrow(shape: Shape) -> pa.DataType:
    match shape:
        case str():
            return _SCALARS[shape]
        case list():
            return pa.list_(_arrow(shape[0]))
        case dict():
            return pa.struct([(name, _arrow(inner)) for name, inner in shape.items()])


def _feature(shape: Shape) -> dict[str, Any]:
    match shape:
        case str():
            return {"dtype": shape, "_type": "Value"}
        case list():
            return {"feature": _feature(shape[0]), "_type": "List"}
        case dict():
            return {name: _feature(inner) for name, inner in shape.items()}
