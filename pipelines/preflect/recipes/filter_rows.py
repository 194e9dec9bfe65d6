"""From a dataset and its scores to the rows that a filter keeps: what `preflect filter` does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from preflect.adapters.input_row import BadRow
from preflect.adapters.input_sources import check_not_read
from preflect.adapters.kept_rows import check_rows, write_kept
from preflect.adapters.reading import read_rows
from preflect.adapters.score_table import check_table_path, write_table
from preflect.curation.choice import METRIC_OF, Filter
from preflect.recipes.score import PairScores
from preflect.schemas import InputSpec
from preflect.scoring import conversation_text

_REJECTED: Final = pl.Schema({"row": pl.Int64, "id": pl.String, "reason": pl.String, "detail": pl.String})


@dataclass(frozen=True, slots=True, kw_only=True)
class Filtered:
    """What came of a filter, and where it is."""

    rows: int
    kept: int
    rejected: dict[str, int]
    """How many rows were left for which reason."""
    out: str
    rejected_out: str


def check_out(rows: InputSpec, out: Path) -> None:
    """Ask before the work. Raises: InputError: what is kept, or why the rest is not, has no place or format there."""
    check_table_path(out)
    check_table_path(_rejected(out))
    check_not_read(rows.path, out, _rejected(out))
    check_rows(rows, out)


def filter_rows(rows: InputSpec, scored: Iterable[PairScores], chosen: Filter, out: Path) -> Filtered:
    """Write the rows that are kept, as they are, to `out`, and beside it why each other one is not."""
    lines = [(line.id, _score(line, chosen)) for line in scored]
    fates = chosen.choose([score for _, score in lines], lambda places: _texts(rows, places))
    left = (
        {"row": place, "id": row_id, "reason": fate.reason, "detail": fate.detail}
        for place, ((row_id, _), fate) in enumerate(zip(lines, fates, strict=True), start=1)
        if fate
    )
    write_table(left, _REJECTED, _rejected(out))
    write_kept(rows, {place for place, fate in enumerate(fates) if fate is None}, out)
    reasons = Counter(fate.reason for fate in fates if fate)
    return Filtered(
        rows=len(lines),
        kept=len(lines) - reasons.total(),
        rejected=dict(reasons.most_common()),
        out=str(out),
        rejected_out=str(_rejected(out)),
    )


def _rejected(out: Path) -> Path:
    return out.with_name(f"{out.stem}.rejected.jsonl")


def _score(line: PairScores, chosen: Filter) -> float | str:
    value: float | None = getattr(line, METRIC_OF[chosen.by])
    return line.reason or "unscorable" if value is None else value


def _texts(rows: InputSpec, places: Sequence[int]) -> list[str]:
    """Instruction, input and response of these rows, in that order of rows; one pass over the dataset."""
    wanted = {*places}
    found = dict(_texts_of(rows, wanted))
    return [found[place] for place in places]


def _texts_of(rows: InputSpec, wanted: set[int]) -> Iterator[tuple[int, str]]:
    for place, row in enumerate(read_rows(rows)):
        if place in wanted and not isinstance(row, BadRow):
            yield place, "\n".join(filter(None, (conversation_text(row.messages), row.input, row.response)))
