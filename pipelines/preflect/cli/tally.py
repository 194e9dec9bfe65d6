"""What the scores of one student or of several say together."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import asdict
from itertools import combinations
from math import nan
from pathlib import Path
from typing import Any

from preflect.cli.scores_out import METRICS, Summary, summary_text, values_of
from preflect.recipes.score import PairScores


class Tally:
    """Counts lines in, of which each row has one by each student, always in the same order."""

    def __init__(self, students: int = 1) -> None:
        self.lines = self.unscorable = 0
        self._each = [Summary() for _ in range(students)]
        # Ranks take all values: with several students, 8 bytes for each score.
        self._values = [{metric: array("d") for metric in METRICS} for _ in range(students if students > 1 else 0)]

    def add(self, scores: PairScores) -> None:
        """Count one line in."""
        place = self.lines % len(self._each)
        self.lines += 1
        self.unscorable += scores.reason is not None
        self._each[place].add(scores)
        if self._values:
            for metric, value in values_of(scores):
                self._values[place][metric].append(nan if value is None else value)

    def document(self) -> dict[str, Any]:
        """For a machine: the summary of the only student, or those of all and how far they agree."""
        documents = [summary.document() for summary in self._each]
        return {"students": documents, "agreement": [*self._agreement()]} if self._values else documents[0]

    def _agreement(self) -> Iterator[dict[str, Any]]:
        from preflect.scoring.agreement import agreement

        for one, other in combinations(range(len(self._each)), 2):
            names = [self._each[place].name for place in (one, other)]
            for metric in METRICS:
                found = agreement(self._values[one][metric], self._values[other][metric])
                yield {"between": names, "metric": metric, **asdict(found)}


def text_of(document: dict[str, Any], out: Path | None) -> str:
    """The document of a tally, for a reader."""
    lines = [*map(summary_text, document.get("students", [document]))]
    lines += [_agreement_line(found) for found in document.get("agreement", []) if found["rows"]]
    return "\n".join([*lines, *([f"wrote {out}"] if out else [])])


def _agreement_line(found: dict[str, Any]) -> str:
    between, spearman = " and ".join(found["between"]), found["spearman"]
    ranks = "no rank correlation" if spearman is None else f"rank correlation {spearman:.3f}"
    apart = f"apart about 1 in {100 * found['disagree']:.1f} % of {found['rows']:,}"
    return f"{between}: {found['metric']:<9}  {ranks} (Spearman), {apart}"
