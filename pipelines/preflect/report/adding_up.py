"""Counts of one part of the samples, as values that JSON knows, added to those of the parts before."""

from __future__ import annotations

from array import array
from dataclasses import fields, is_dataclass
from typing import Any, cast


def plain(counts: Any) -> Any:
    """A record, table, tuple, array of floats or number as lists and numbers."""
    if is_dataclass(counts):
        return [plain(getattr(counts, field.name)) for field in fields(counts)]
    if isinstance(counts, dict):
        return [(key, plain(value)) for key, value in cast("dict[Any, Any]", counts).items()]
    if isinstance(counts, tuple | array):
        return [plain(value) for value in cast("tuple[Any, ...]", counts)]
    return counts


def added(counts: Any, more: Any) -> Any:
    """`counts` and what `plain` gave of counts of the same kind; records, tables and arrays are added to in place."""
    if is_dataclass(counts):
        for field, value in zip(fields(counts), more, strict=True):
            setattr(counts, field.name, added(getattr(counts, field.name), value))
        return counts
    if isinstance(counts, dict):
        table = cast("dict[Any, Any]", counts)
        for key, value in more:
            table[_key(key)] = added(table[_key(key)], value)
        return table
    if isinstance(counts, array):
        cast("array[float]", counts).extend(more)
        return cast("Any", counts)
    if isinstance(counts, tuple):
        return tuple(added(one, other) for one, other in zip(cast("tuple[Any, ...]", counts), more, strict=True))
    return counts + more


def _key(written: Any) -> Any:
    return tuple(map(_key, cast("list[Any]", written))) if isinstance(written, list) else written
