"""Which rows a filter of the literature keeps, and why the others go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from preflect.ports import Embedder
from preflect.scoring import ScoreMetric

FilterName = Literal["cherry", "superfiltering", "superfiltering_d"]

TextsOf = Callable[[Sequence[int]], Sequence[str]]
"""From rows to their texts."""

METRIC_OF: Final[dict[FilterName, ScoreMetric]] = {
    "cherry": "ifd_loss",
    "superfiltering": "ifd_ppl",
    "superfiltering_d": "ifd_ppl",
}


@dataclass(frozen=True, slots=True)
class Left:
    """Why a row is not kept."""

    reason: str
    """`unscorable`, `not_below_one`, `not_top` or `not_diverse`."""
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Of rows whose score is below 1, the highest: the instruction helps there, and the least.

    Source: Li et al. 2024, Cherry LLM (`cherry`, by the ratio of losses) and Superfiltering (`superfiltering`, by the
    ratio of perplexities under a small student); `superfiltering_d` takes the top `pool` of those and of them the rows
    that stand best for it, by facility location over embeddings of the texts.
    """

    by: FilterName
    keep: float
    """Share of all rows that came in; fewer are kept where fewer are below 1. Around the last one kept, a student in
    half precision may take one row for another: its scores are exact near 1 only."""
    pool: float = 0.2
    """Share of all rows that `superfiltering_d` chooses from."""
    embedder: Embedder

    def choose(self, scores: Sequence[float | str], texts_of: TextsOf) -> list[Left | None]:
        """For each row None, if it is kept, or why it is not.

        Args: of each row its score, or the reason why it has none; texts_of gives the texts of rows, and is asked once,
        by `superfiltering_d`, for those in the pool. Of equal scores the earlier row counts as higher.
        """
        metric, rows = METRIC_OF[self.by], len(scores)
        kept = _share(self.keep, rows)
        pool = max(_share(self.pool, rows), kept) if self.by == "superfiltering_d" else kept
        below = [(-score, row) for row, score in enumerate(scores) if not isinstance(score, str) and score < 1]
        top = [row for _, row in sorted(below)[:pool]]
        chosen = {*(self._diverse(top, kept, texts_of) if self.by == "superfiltering_d" else top)}
        within = {*top}

        def left(row: int, score: float | str) -> Left | None:
            if row in chosen:
                return None
            if isinstance(score, str):
                return Left("unscorable", score)
            if score >= 1:
                return Left("not_below_one", f"{metric} {score:.4f}; it must be below 1")
            if row in within:
                return Left("not_diverse", f"{metric} {score:.4f}; {kept} others stand for the {len(top)} highest")
            return Left("not_top", f"{metric} {score:.4f}; the {pool} highest go on")

        return [left(row, score) for row, score in enumerate(scores)]

    def _diverse(self, rows: Sequence[int], count: int, texts_of: TextsOf) -> list[int]:
        from preflect.scoring.facility_location import facility_location  # noqa: PLC0415  # numpy

        if len(rows) <= count:
            return [*rows]
        vectors = self.embedder.embed(texts_of(rows))
        return [rows[place] for place in facility_location(vectors, count)]


def _share(share: float, rows: int) -> int:
    return max(round(share * rows), 1)
