"""The scores of a whole dataset: what `preflect score` does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

import polars as pl

from preflect.adapters.input_row import BadRow, InputRow
from preflect.ports import Student
from preflect.schemas import Instruction, Response, StudentScore
from preflect.scoring import HELPS_BELOW, score_pair
from preflect.scoring.in_order import in_order


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetPair:
    """One row of a dataset to score: the pair, or why there is none."""

    id: str
    instruction: Instruction | None = None
    response: Response | None = None
    reason: str | None = None
    """`unscorable:…` where the row cannot be used at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairScores:
    """One line of the result; a value that does not exist is None, and `reason` says why."""

    id: str
    ifd_ppl: float | None = None
    ifd_loss: float | None = None
    r_ifd_ppl: float | None = None
    conditioned_tokens: int = 0
    """Scored tokens of the response after the instruction."""
    unconditioned_tokens: int = 0
    """Scored tokens of the response alone."""
    reverse_conditioned_tokens: int = 0
    """Scored tokens of the instruction after the response."""
    reverse_unconditioned_tokens: int = 0
    reason: str | None = None
    student: str
    revision: str
    template: str


SCORE_SCHEMA: Final = pl.Schema(
    {
        "id": pl.String,
        "ifd_ppl": pl.Float64,
        "ifd_loss": pl.Float64,
        "r_ifd_ppl": pl.Float64,
        "conditioned_tokens": pl.Int64,
        "unconditioned_tokens": pl.Int64,
        "reverse_conditioned_tokens": pl.Int64,
        "reverse_unconditioned_tokens": pl.Int64,
        "reason": pl.String,
        "student": pl.String,
        "revision": pl.String,
        "template": pl.String,
    }
)
"""The columns of PairScores as a table."""


def pairs_of_rows(rows: Iterable[InputRow | BadRow]) -> Iterator[DatasetPair]:
    """Rows as they are read, as pairs; a row without an id of its own is named by its number."""
    for row in rows:
        if isinstance(row, BadRow):
            yield DatasetPair(id=str(row.number), reason=f"unscorable:{row.reason}")
            continue
        instruction = Instruction(messages=row.messages, input=row.input)
        response = row.response and Response(instruction_id=instruction.id, text=row.response, origin="dataset")
        yield DatasetPair(id=row.source_id or str(row.number), instruction=instruction, response=response or None)


def score_dataset(pairs: Iterable[DatasetPair], *students: Student, done: int = 0) -> AsyncGenerator[PairScores]:
    """The scores of every pair by each student, in the order of the input and many at a time; one without says why.

    Args: done is how many of these lines are there already; they are left out.
    A response that occurs again with the same instruction is asked about again: what is alike is the student's affair.
    """
    rest = islice(pairs, done // len(students), None)
    asked = islice(((pair, student) for pair in rest for student in students), done % len(students), None)
    return in_order(_scores_of(pair, student) for pair, student in asked)


async def _scores_of(pair: DatasetPair, student: Student) -> PairScores:
    if pair.instruction is None or pair.response is None:
        return _line(pair.id, student, (), pair.reason or "unscorable:no_response")
    forward, reverse = await asyncio.gather(
        score_pair(student, pair.instruction, pair.response, "forward", threshold=HELPS_BELOW),
        score_pair(student, pair.instruction, pair.response, "reverse", threshold=HELPS_BELOW),
    )
    records = (*forward, *reverse)
    reasons = [f"{r.metric} {r.reason}" for r in records if r.value is None]
    return _line(pair.id, student, records, "; ".join(reasons) or None)


def _line(row_id: str, student: Student, records: Iterable[StudentScore], reason: str | None) -> PairScores:
    by_metric = {record.metric: record for record in records}
    forward, loss, reverse = (by_metric.get(metric) for metric in ("ifd_ppl", "ifd_loss", "r_ifd_ppl"))
    return PairScores(
        id=row_id,
        ifd_ppl=forward.value if forward else None,
        ifd_loss=loss.value if loss else None,
        r_ifd_ppl=reverse.value if reverse else None,
        conditioned_tokens=forward.conditioned_tokens if forward else 0,
        unconditioned_tokens=forward.unconditioned_tokens if forward else 0,
        reverse_conditioned_tokens=reverse.conditioned_tokens if reverse else 0,
        reverse_unconditioned_tokens=reverse.unconditioned_tokens if reverse else 0,
        reason=reason,
        student=student.name,
        revision=student.revision,
        template=student.template,
    )
