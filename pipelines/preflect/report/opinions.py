"""How far the students agree that a stage asked side by side."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations, groupby
from typing import TypeAlias

from preflect.schemas import Sample, StudentScore

Couple: TypeAlias = tuple[str, str]
"""Two students by their names in the recipe."""
_Scores: TypeAlias = dict[tuple[str, str, str], float]
"""Values by metric, instruction and response."""


def _two_columns() -> tuple[array[float], array[float]]:
    return array("d"), array("d")


@dataclass(slots=True)
class Opinions:
    """Counts of all samples, the rejected ones too: 16 bytes for each score that two students gave."""

    votes: dict[tuple[Couple, str, str], Counter[bool]] = field(default_factory=lambda: defaultdict(Counter[bool]))
    """By students, stage and question: how often both say the same."""
    values: dict[tuple[Couple, str], tuple[array[float], array[float]]] = field(
        default_factory=lambda: defaultdict(_two_columns)
    )
    """By students and metric: the values that both gave, side by side."""

    def add(self, sample: Sample) -> None:
        """Count one more sample."""
        for (stage, question), asked in groupby(sample.opinions, key=lambda one: (one.stage, one.question)):
            for one, other in combinations(asked, 2):
                self.votes[(one.model, other.model), stage, question][one.yes == other.yes] += 1
        for (one, mine), (other, theirs) in combinations(_scores_by_model(sample).items(), 2):
            for what in filter(theirs.__contains__, mine):
                first, second = self.values[(one, other), what[0]]
                first.append(mine[what])
                second.append(theirs[what])


def _scores_by_model(sample: Sample) -> dict[str, _Scores]:
    makers = {one.model: (one.student, one.revision, one.template) for one in sample.opinions}
    return {model: dict(_values(sample.scores, maker)) for model, maker in makers.items()}


def _values(
    scores: tuple[StudentScore, ...], maker: tuple[str, str, str]
) -> Iterator[tuple[tuple[str, str, str], float]]:
    for score in scores:
        if score.value is not None and maker == (score.student, score.revision, score.template):
            yield (score.metric, score.instruction_id, score.response_id), score.value
