"""From a file's columns to the fields of an input row, and which columns the file turned out to have."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, cast, get_args

from preflect.adapters.json_values import is_list, is_object, kind_of, shortened
from preflect.errors import DataError
from preflect.schemas import ColumnPattern, InputSpec
from preflect.schemas.recipe import InputField

MISSING: Final = object()
"""A value that the row does not have, where None is one that it has."""

_NAMES_KEPT: Final = 200
_LISTED: Final = 10


class UnusableValueError(Exception):
    """A value of one row is not what its field wants; becomes a bad row."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(remedy)
        self.reason = reason
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Column:
    """Where one field's value is in a row."""

    field: InputField
    name: str
    mapped: bool
    """True if the recipe names the column; a column under the field's own name may be absent."""
    pattern: re.Pattern[str] | None = None

    def value(self, row: Mapping[str, object]) -> object:
        """The value in `row`, MISSING if there is none. Raises: UnusableValueError: the pattern does not match."""
        found = _reach(row, self.name)
        if self.pattern is None or found is MISSING or found is None:
            return found
        if not isinstance(found, str):
            raise UnusableValueError("wrong_type", f"column {self.name!r} is {kind_of(found)}; a pattern wants text")
        match = self.pattern.search(found)
        value = match and match[1 if self.pattern.groups else 0]
        if not value:
            remedy = f"the pattern {self.pattern.pattern!r} does not match column {self.name!r}: {shortened(found)}"
            raise UnusableValueError("pattern_mismatch", remedy)
        return value.strip()


@dataclass(slots=True)
class ColumnsSeen:
    """What the rows had so far; a mapped column that none of them has is an error of the recipe, not of the rows."""

    columns: tuple[Column, ...]
    rows: int = 0
    names: dict[str, None] = field(default_factory=dict[str, None])
    filled: set[InputField] = field(default_factory=set[InputField])

    def note(self, row: object) -> None:
        """Count a row, and remember what it has if it is an object."""
        self.rows += 1
        if not is_object(row):
            return
        if len(self.names) < _NAMES_KEPT:
            self.names.update(dict.fromkeys(row))
        for column in self.columns:
            if column.field not in self.filled and _reach(row, column.name) is not MISSING:
                self.filled.add(column.field)

    def check(self, path: str) -> None:
        """Raises: DataError: there is no row, or none has a column that the recipe names, or an instruction."""
        if not self.names:
            found = f"none of its {self.rows} rows is an object with named fields" if self.rows else "it holds no row"
            raise DataError(f"{path}: {found}; it should hold one object per instruction")
        for column in self.columns:
            if column.mapped and column.field not in self.filled:
                named = f"{column.name!r}, which input.columns.{column.field} names"
                raise DataError(f"{path}: no row has the column {named}; {self._have()}{self._near(column.name)}")
        if not self.filled & {"instruction", "messages"}:
            raise DataError(
                f"{path}: no row has a column 'instruction' or 'messages'; {self._have()}; "
                "name the right one with input.columns, for example {instruction: question}"
            )

    def notes(self, path: str) -> Iterator[str]:
        """Which columns no field is read from, and what they may be meant for."""
        read = {name if name in self.names else name.partition(".")[0] for name in (c.name for c in self.columns)}
        unread = [name for name in self.names if name not in read]
        if unread:
            more = f" and {len(unread) - _LISTED} more" if len(unread) > _LISTED else ""
            meant = "".join(map(self._meant, unread))
            yield f"{path}: columns that are never read: {', '.join(unread[:_LISTED])}{more}{meant}"

    def _meant(self, name: str) -> str:
        free = [column.field for column in self.columns if column.field not in self.filled]
        near = difflib.get_close_matches(name.lower(), free, n=1, cutoff=0.7)
        return f"; {name!r} may be meant for {near[0]}: --set 'input.columns.{near[0]}={name}'" if near else ""

    def _have(self) -> str:
        return f"the columns are {', '.join(self.names)}"

    def _near(self, wanted: str) -> str:
        near = difflib.get_close_matches(wanted.partition(".")[0], self.names, n=1, cutoff=0.5)
        return f"; did you mean {near[0]!r}?" if near else ""


def columns_of(spec: InputSpec) -> tuple[Column, ...]:
    """The column of each field.

    Raises: DataError: a pattern is not a regular expression.
    """
    return tuple(_column(name, spec.columns.get(name)) for name in cast("tuple[InputField, ...]", get_args(InputField)))


def _column(name: InputField, given: str | ColumnPattern | None) -> Column:
    if given is None:
        return Column(name, name, mapped=False)
    if isinstance(given, str):
        return Column(name, given, mapped=True)
    try:
        return Column(name, given.column, mapped=True, pattern=re.compile(given.pattern) if given.pattern else None)
    except re.error as error:
        raise DataError(f"input.columns.{name}.pattern: {given.pattern!r} is no regular expression: {error}") from error


def _reach(row: Mapping[str, object], name: str) -> object:
    if name in row:
        return row[name]
    if "." not in name:
        return MISSING
    value: object = row
    for part in name.split("."):
        value = _step(value, part)
        if value is MISSING:
            return MISSING
    return value


def _step(value: object, part: str) -> object:
    if is_object(value):
        return value.get(part, MISSING)
    if is_list(value) and part.isdecimal():
        return value[int(part)] if int(part) < len(value) else MISSING
    return MISSING
