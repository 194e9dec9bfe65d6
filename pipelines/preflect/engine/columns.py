"""From records to Parquet columns and back, for any pydantic model, by the types of its fields.

Tuples become lists, records structs, and whatever has no fixed shape (dictionaries, JSON values, unions of records)
becomes a string that holds its JSON.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, chain
from operator import attrgetter
from typing import Annotated, Any, Final, Literal, TypeAlias, Union, get_args, get_origin

import orjson
import polars as pl
from arro3.core import Array, list_array  # pyright: ignore[reportUnknownVariableType] - `array` of an argument has no item type
from pydantic import BaseModel, JsonValue
from pydantic_core import to_json


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value that Parquet holds as it is."""

    dtype: pl.DataType


@dataclass(frozen=True, slots=True)
class Json:
    """A value of no fixed shape, kept as JSON text; None is a missing value only where the field is optional."""

    optional: bool = False


@dataclass(frozen=True, slots=True)
class Many:
    """A list of one shape."""

    item: Shape


@dataclass(frozen=True, slots=True, eq=False)
class Fields:
    """A record; there is one of each, made by `fields_of`."""

    by_name: dict[str, Shape]


Shape: TypeAlias = Scalar | Json | Many | Fields
Recoder: TypeAlias = Callable[[Any], Any]

_SCALARS: Final[dict[Any, pl.DataType]] = {
    str: pl.String(),
    int: pl.Int64(),
    float: pl.Float64(),
    bool: pl.Boolean(),
}


@cache
def fields_of(model: type[BaseModel]) -> Fields:
    """The columns of a record, in the order of its fields."""
    return Fields({name: shape_of(field.annotation) for name, field in model.model_fields.items()})


def shape_of(annotation: Any) -> Shape:
    """How values of this annotation are stored. Raises: TypeError for one that has no place in a table."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is JsonValue or origin is dict:
        return Json()
    scalar = _SCALARS.get(type(arguments[0]) if origin is Literal else annotation)
    if scalar is not None:
        return Scalar(scalar)
    if origin is Annotated:
        return shape_of(arguments[0])
    if origin in {Union, types.UnionType}:
        return _union(tuple(a for a in arguments if a is not type(None)), optional=type(None) in arguments)
    if origin is tuple and arguments[1:] == (...,):
        return Many(shape_of(arguments[0]))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return fields_of(annotation)
    raise TypeError(f"no column can hold {annotation!r}; use a scalar, a record, a tuple[T, ...] or a JSON value")


def _union(members: tuple[Any, ...], *, optional: bool) -> Shape:
    shape = shape_of(members[0]) if len(members) == 1 else Json()
    if optional and isinstance(shape, Many):
        raise TypeError("a list column holds an empty list or items, never None; make the field a plain tuple")
    return Json(optional=optional) if isinstance(shape, Json) else shape


def dtype_of(shape: Shape) -> pl.DataType:
    """The polars type of a column of this shape; every column may hold nulls."""
    match shape:
        case Scalar(dtype):
            return dtype
        case Json():
            return pl.String()
        case Many(item):
            return pl.List(dtype_of(item))
        case Fields(by_name):
            return pl.Struct({name: dtype_of(inner) for name, inner in by_name.items()})


@cache
def table_schema(model: type[BaseModel]) -> pl.Schema:
    """The polars schema of a table with one row per record."""
    return pl.Schema({name: dtype_of(shape) for name, shape in fields_of(model).by_name.items()})


def table_of(model: type[BaseModel], records: Sequence[BaseModel]) -> pl.DataFrame:
    """One row per record of `model`."""
    # Built column by column: polars takes ten times as long over a list of nested dictionaries.
    columns = fields_of(model).by_name.items()
    return pl.DataFrame({name: _series(shape, _values(name, records)) for name, shape in columns})


def _values(name: str, records: Sequence[Any]) -> list[Any]:
    return list(map(attrgetter(name), records))


def _series(shape: Shape, values: Sequence[Any]) -> pl.Series:
    match shape:
        case Scalar(dtype):
            return pl.Series(values, dtype=dtype, strict=True)
        case Json(optional):
            return pl.Series([None if v is None and optional else to_json(v).decode() for v in values], dtype=pl.String)
        case Many(item):
            return _lists(item, values)
        case Fields(by_name):
            return _structs(by_name, values)


def _lists(item: Shape, values: Sequence[Sequence[Any]]) -> pl.Series:
    # Polars itself takes lists apart, and puts none together but by grouping, which takes ten times as long.
    ends = pl.Series(accumulate(map(len, values), initial=0), dtype=pl.Int64)
    items = list(chain.from_iterable(values))
    flat = _series(item, items) if items else _no_items(item)
    return pl.Series(list_array(Array.from_arrow(ends), Array.from_arrow(flat)))


@cache
def _no_items(item: Shape) -> pl.Series:
    # Most lists of most samples are empty, and it takes long to make nothing of a record field by field.
    return _series(item, [])


def _structs(by_name: dict[str, Shape], values: Sequence[Any]) -> pl.Series:
    present = pl.Series([value is not None for value in values], dtype=pl.Boolean)
    if present.all():
        return pl.DataFrame(
            {name: _series(shape, _values(name, values)) for name, shape in by_name.items()}
        ).to_struct()
    columns = {name: _series(shape, _values_or_nothing(name, shape, values)) for name, shape in by_name.items()}
    # A missing record is null itself, so that it differs from a record whose fields are all missing.
    return pl.select(pl.when(present).then(pl.DataFrame(columns).to_struct())).to_series()


def _values_or_nothing(name: str, shape: Shape, records: Sequence[Any]) -> list[Any]:
    nothing = () if isinstance(shape, Many) else None
    get = attrgetter(name)
    return [nothing if record is None else get(record) for record in records]


@cache
def row_to_json(model: type[BaseModel]) -> Callable[[dict[str, Any]], bytes]:
    """A function from a row of `table_of` to the record's JSON; it takes the row over and changes it in place."""
    recode = _recoder(fields_of(model))
    return orjson.dumps if recode is None else lambda row: orjson.dumps(recode(row))


def _recoder(shape: Shape) -> Recoder | None:
    """What puts the JSON columns under `shape` in; None where there are none, so that the rest is never walked."""
    match shape:
        case Scalar():
            return None
        case Json():
            return _as_it_stands
        case Many(item):
            return _recode_items(_recoder(item))
        case Fields(by_name):
            found = {name: _recoder(inner) for name, inner in by_name.items()}
            return _recode_fields([(name, recode) for name, recode in found.items() if recode is not None])


def _as_it_stands(text: str | None) -> orjson.Fragment | None:
    return None if text is None else orjson.Fragment(text)


def _recode_items(recode: Recoder | None) -> Recoder | None:
    return recode and (lambda values: [recode(value) for value in values])


def _recode_fields(recoders: list[tuple[str, Recoder]]) -> Recoder | None:
    def recode_all(record: dict[str, Any] | None) -> dict[str, Any] | None:
        if record is not None:
            for name, recode in recoders:
                record[name] = recode(record[name])
        return record

    return recode_all if recoders else None
