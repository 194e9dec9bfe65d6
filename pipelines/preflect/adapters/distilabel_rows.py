"""Outcomes as rows of a distilabel batch: one JSON column, and a last row that counts them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from preflect.engine.executor import Outcome
from preflect.schemas import Rejection, Sample


@dataclass(frozen=True, slots=True)
class Counted:
    """The end of a stream: how many rows were sent, and whether they're all there are."""

    rows: int
    complete: bool


def row_of(outcome: Outcome) -> dict[str, Any]:
    """The row of one outcome."""
    return {
        "row": orjson.dumps(
            {
                "ordinal": outcome.ordinal,
                "sample": outcome.sample and outcome.sample.model_dump(mode="json"),
                "rejection": outcome.rejection and outcome.rejection.model_dump(mode="json"),
            }
        ).decode()
    }


def end_row(counted: Counted) -> dict[str, Any]:
    """The last row of a stream."""
    return {"row": orjson.dumps(counted).decode()}


def read_row(row: dict[str, Any]) -> Outcome | Counted:
    """What `row_of` or `end_row` made."""
    fields: dict[str, Any] = orjson.loads(row["row"])
    if "complete" in fields:
        return Counted(**fields)
    sample, rejection = fields["sample"], fields["rejection"]
    return Outcome(
        fields["ordinal"],
        Sample.model_validate_json(orjson.dumps(sample)) if sample else None,
        Rejection.model_validate_json(orjson.dumps(rejection)) if rejection else None,
    )
