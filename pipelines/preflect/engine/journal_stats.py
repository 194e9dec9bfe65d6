"""What a journal holds: calls, tokens, cost and latency by stage and model, and the room they take."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from preflect.engine.journal import LOST_USD
from preflect.engine.journal_file import counter, plain_bytes, reading

_READ: Final = 8192
_TOTALS: Final = ("prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens", "cost_usd")
_SCHEMA: Final = pl.Schema(
    {
        "stage": pl.String(),
        "model": pl.String(),
        "finish_reason": pl.String(),
        "latency_s": pl.Float64(),
        "imported": pl.Int64(),
        **dict.fromkeys(_TOTALS[:-1], pl.Int64()),
        "cost_usd": pl.Float64(),
    }
)
_SIZES: Final = """
SELECT total(length(CAST(text AS BLOB))) + total(length(CAST(thinking AS BLOB))),
    total(plain_bytes(text)) + total(plain_bytes(thinking))
FROM listed
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStats:
    """The calls of one model by one stage."""

    stage: str
    model: str
    calls: int
    imported: int
    """Of the calls, those that were made and paid elsewhere."""
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    cost_usd: float
    """Wherever it was paid."""
    latency_median_s: float
    latency_p95_s: float
    latency_p99_s: float
    finish_reasons: dict[str, int]
    """Calls by finish reason, the most frequent first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalStats:
    """A whole journal."""

    groups: tuple[CallStats, ...]
    """By stage and model."""
    paid_here_usd: float
    """What the calls cost that were not imported."""
    lost_usd: float
    """Beside it, what requests may have cost that brought no usable reply."""
    bytes_on_disk: int
    text_bytes: int
    """Of all texts, in UTF-8."""
    stored_text_bytes: int
    """What the same texts take in the file."""


def journal_stats(path: Path) -> JournalStats:
    """Raises: InputError when it is no journal, or damaged."""
    with reading(path) as journal:
        journal.create_function("plain_bytes", 1, plain_bytes, deterministic=True)
        stored, plain = journal.execute(_SIZES).fetchone()
        lost_usd = counter(journal, LOST_USD)
        calls = pl.concat([pl.DataFrame(schema=_SCHEMA), *_tables(journal)])
    return JournalStats(
        groups=tuple(_grouped(calls)),
        paid_here_usd=float(calls.filter(pl.col("imported") == 0)["cost_usd"].sum()),
        lost_usd=lost_usd,
        bytes_on_disk=sum(file.stat().st_size for file in _files(path) if file.exists()),
        text_bytes=int(plain),
        stored_text_bytes=int(stored),
    )


def _files(path: Path) -> Iterator[Path]:
    yield from (path.with_name(path.name + beside) for beside in ("", "-wal", "-shm"))


def _tables(journal: sqlite3.Connection) -> Iterator[pl.DataFrame]:
    rows = journal.execute(f"SELECT {', '.join(_SCHEMA)} FROM listed")  # noqa: S608  (column names are our own)
    while some := rows.fetchmany(_READ):
        yield pl.DataFrame(some, schema=_SCHEMA, orient="row")


def _grouped(calls: pl.DataFrame) -> Iterator[CallStats]:
    latency = pl.col("latency_s")
    groups = calls.group_by("stage", "model").agg(
        pl.len().alias("calls"),
        pl.col("imported", *_TOTALS).sum(),
        latency.median().alias("latency_median_s"),
        latency.quantile(0.95, "linear").alias("latency_p95_s"),
        latency.quantile(0.99, "linear").alias("latency_p99_s"),
        pl.col("finish_reason").value_counts(sort=True).alias("finish_reasons"),
    )
    for row in groups.sort("stage", "model").iter_rows(named=True):
        reasons = {reason["finish_reason"]: reason["count"] for reason in row.pop("finish_reasons")}
        yield CallStats(**row, finish_reasons=reasons)
