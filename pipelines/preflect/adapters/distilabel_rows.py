"""Outcomes as rows of a distilabel batch: one JSON column, and a last row that counts them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import TypeAdapter

from preflect.engine.executor import Outcome


@dataclass(frozen=True, slots=True)
class Counted:
    """The end of a stream: how many rows were sent, and whether they're all there are."""

    rows: int
    complete: bool


_ROWS: Final[TypeAdapter[Outcome | Counted]] = TypeAdapter(Outcome | Counted)


def row_of(item: Outcome | Counted) -> dict[str, str]:
    """One row."""
    return {"row": _ROWS.dump_json(item).decode()}


def read_row(row: Mapping[str, str]) -> Outcome | Counted:
    """What `row_of` made a row of."""
    return _ROWS.validate_json(row["row"])
