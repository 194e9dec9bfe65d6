"""Where the scores of a dataset go, and what they say together."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from preflect.cli.output import write_out
from preflect.recipes.score import PairScores

METRICS: Final = ("ifd_ppl", "ifd_loss", "r_ifd_ppl")


@dataclass(slots=True)
class Metric:
    """The values of one score, to four digits, so that a million rows take no more room than a thousand."""

    values: Counter[float] = field(default_factory=Counter[float])
    below_one: int = 0

    def add(self, value: float) -> None:
        """Count one value in."""
        self.values[float(f"{value:.4g}")] += 1
        self.below_one += value < 1

    @property
    def count(self) -> int:
        """How many values there are."""
        return self.values.total()

    @property
    def median(self) -> float | None:
        """The middle value, or the mean of the middle two; None where there is none."""
        last = self.count - 1
        return (self._at(last // 2) + self._at((last + 1) // 2)) / 2 if self.values else None

    def _at(self, rank: int) -> float:
        for value in sorted(self.values):
            rank -= self.values[value]
            if rank < 0:
                return value
        raise IndexError(rank)


class Summary:
    """Counts, medians and shares below 1 of each score, and the reasons where there is none."""

    def __init__(self) -> None:
        self.rows = 0
        self._metrics = {name: Metric() for name in METRICS}
        self._reasons: Counter[str] = Counter()
        self._student = self._revision = self._template = ""

    def add(self, scores: PairScores) -> None:
        """Count one row in."""
        self.rows += 1
        self._student, self._revision, self._template = scores.student, scores.revision, scores.template
        for name, value in values_of(scores):
            if value is not None:
                self._metrics[name].add(value)
        if scores.reason:
            self._reasons[scores.reason] += 1

    @property
    def name(self) -> str:
        """The student's."""
        return self._student

    def document(self) -> dict[str, Any]:
        """For a machine."""
        return {
            "student": self._student,
            "revision": self._revision,
            "template": self._template,
            "rows": self.rows,
            "scored": {name: metric.count for name, metric in self._metrics.items()},
            "median": {name: metric.median for name, metric in self._metrics.items()},
            "below_one": {name: m.below_one / m.count if m.count else None for name, m in self._metrics.items()},
            "reasons": dict(self._reasons.most_common()),
        }


def values_of(scores: PairScores) -> Iterator[tuple[str, float | None]]:
    """Each metric with its value."""
    return zip(METRICS, (scores.ifd_ppl, scores.ifd_loss, scores.r_ifd_ppl), strict=True)


def summary_text(summary: dict[str, Any]) -> str:
    """The summary for a reader."""
    lines = [f"{summary['rows']:,} rows by {summary['student']} ({summary['template']}, {summary['revision']})"]
    lines += [_metric_line(summary, metric) for metric in METRICS if summary["scored"][metric]]
    lines += [f"  {count:,} without a score: {reason}" for reason, count in summary["reasons"].items()]
    if summary["student"] == "ppm":
        lines.append("  ppm is a lexical proxy: it sees shared words and phrases, not meaning")
    return "\n".join(lines)


def _metric_line(summary: dict[str, Any], metric: str) -> str:
    middle, count = summary["median"][metric], summary["scored"][metric]
    return f"  {metric:<9}  median {middle:.4f}, below 1 in {100 * summary['below_one'][metric]:.1f} % of {count:,}"


def print_line(scores: PairScores) -> None:
    """One row as a line of JSON, out of the process at once."""
    write_out(_json(scores) + "\n")


def print_rows(summary: dict[str, Any], rows: Iterable[PairScores]) -> None:
    """One JSON document of the summary and the rows, which are never in memory all at once."""
    head = json.dumps({"summary": summary, "rows": []}, ensure_ascii=False, indent=2)
    write_out(head.removesuffix("]\n}"))
    for number, row in enumerate(rows):
        write_out(f"{',' if number else ''}\n    {_json(row)}", at_once=False)
    write_out("\n  ]\n}\n")


def _json(scores: PairScores) -> str:
    return json.dumps(asdict(scores), ensure_ascii=False)
