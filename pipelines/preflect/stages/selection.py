"""What both selections do with the student's scores."""

from __future__ import annotations

from collections.abc import Iterable

from preflect.schemas import Sample, StudentScore
from preflect.scoring import ScoreMetric


def of_metric(scores: Iterable[StudentScore], metric: ScoreMetric) -> StudentScore:
    """The score of this metric. Raises: KeyError."""
    by_metric: dict[str, StudentScore] = {score.metric: score for score in scores}
    return by_metric[metric]


def shown(score: StudentScore) -> str:
    """The value for a person to read, or why there is none."""
    return f"{score.value:.4f}" if score.value is not None else score.reason or "unscorable"


def with_new_scores(sample: Sample, *scores: StudentScore) -> Sample:
    """The sample with those scores that it has not got yet."""
    new = tuple(score for score in dict.fromkeys(scores) if score not in sample.scores)
    return sample.evolve(scores=(*sample.scores, *new))
