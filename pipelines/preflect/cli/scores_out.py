"""Where the scores of a dataset go, and what they say together."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any, Final

from preflect.adapters.score_table import write_table
from preflect.recipes.score import SCORE_SCHEMA, PairScores

_METRICS: Final = ("ifd_ppl", "ifd_loss", "r_ifd_ppl")


def write_scores(scores: list[PairScores], out: Path | None, *, as_json: bool) -> None:
    """Rows to `out`, or to stdout where it is None; the summary to what is left of stdout and stderr."""
    rows = [asdict(one) for one in scores]
    summary = summarize(scores)
    if out:
        write_table(rows, SCORE_SCHEMA, out)
    if as_json:
        document = {"summary": summary, "out": str(out)} if out else {"summary": summary, "rows": rows}
        print(json.dumps(document, ensure_ascii=False, indent=2))
        return
    if not out:
        print("\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
    print(text_of(summary, out), file=sys.stdout if out else sys.stderr)


def summarize(scores: list[PairScores]) -> dict[str, Any]:
    """Counts, medians and shares below 1 of each score, and the reasons where there is none."""
    first = scores[0]
    found = {metric: [v for one in scores if (v := asdict(one)[metric]) is not None] for metric in _METRICS}
    return {
        "student": first.student,
        "revision": first.revision,
        "template": first.template,
        "rows": len(scores),
        "scored": {metric: len(values) for metric, values in found.items()},
        "median": {metric: median(values) if values else None for metric, values in found.items()},
        "below_one": {metric: _share_below_one(values) for metric, values in found.items()},
        "reasons": dict(Counter(one.reason for one in scores if one.reason).most_common()),
    }


def _share_below_one(values: list[float]) -> float | None:
    return sum(value < 1 for value in values) / len(values) if values else None


def text_of(summary: dict[str, Any], out: Path | None) -> str:
    """The summary for a reader."""
    lines = [f"{summary['rows']:,} rows by {summary['student']} ({summary['template']}, {summary['revision']})"]
    lines += [_metric_line(summary, metric) for metric in _METRICS if summary["scored"][metric]]
    lines += [f"  {count:,} without a score: {reason}" for reason, count in summary["reasons"].items()]
    if summary["student"] == "ppm":
        lines.append("  ppm is a lexical proxy: it sees shared words and phrases, not meaning")
    return "\n".join([*lines, *([f"wrote {out}"] if out else [])])


def _metric_line(summary: dict[str, Any], metric: str) -> str:
    middle, count = summary["median"][metric], summary["scored"][metric]
    return f"  {metric:<9}  median {middle:.4f}, below 1 in {100 * summary['below_one'][metric]:.1f} % of {count:,}"
