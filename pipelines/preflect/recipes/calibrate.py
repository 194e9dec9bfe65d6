"""Is a student fit for a dataset: what `preflect score --calibrate` does, before a whole run is paid for."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from preflect.errors import DataError
from preflect.recipes.score import DatasetPair, PairScores
from preflect.scoring import ScoreMetric
from preflect.scoring.separation import Separation, separation

_METRICS: Final[tuple[ScoreMetric, ...]] = ("ifd_ppl", "ifd_loss", "r_ifd_ppl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What a student sees of the difference between a dataset's pairs and the same pairs shuffled."""

    student: str
    revision: str
    template: str
    sampled: int
    """Rows that were drawn; a score that one of them lacks, matched or shuffled, is left out of both."""
    scores: Mapping[ScoreMetric, Separation]


def sample_pairs(pairs: Iterable[DatasetPair], count: int, *, seed: int) -> list[DatasetPair]:
    """So many rows with a response, drawn by chance in one pass and kept in the order of the input (Vitter's R)."""
    rng = random.Random(seed)  # noqa: S311  # a repeatable draw, not a secret
    drawn: list[tuple[int, DatasetPair]] = []
    usable = (pair for pair in pairs if pair.instruction and pair.response)
    for number, pair in enumerate(usable):
        place = number if number < count else rng.randrange(number + 1)
        if place < count:
            drawn[place : place + 1] = [(number, pair)]
    return [pair for _, pair in sorted(drawn, key=lambda entry: entry[0])]


def matched_and_shuffled(pairs: Sequence[DatasetPair], *, seed: int) -> list[DatasetPair]:
    """The pairs, and then each with the response of another one that asks something else and was answered otherwise.

    Raises: DataError: there is no other one, for all pairs ask the same or are answered alike.
    """
    order = [*range(len(pairs))]
    random.Random(seed).shuffle(order)  # noqa: S311
    # Over the ring of all pairs, mixed, each takes the next response: so each is taken once, but for those alike.
    ring = [pairs[index] for index in order]
    shuffled = {index: _with_another(pairs[index], (*ring[n + 1 :], *ring[:n])) for n, index in enumerate(order)}
    return [*pairs, *(shuffled[index] for index in range(len(pairs)))]


def _with_another(pair: DatasetPair, others: Iterable[DatasetPair]) -> DatasetPair:
    for other in others:
        if _differ(pair, other):
            return replace(pair, response=other.response)
    raise DataError(
        f"calibration sets each instruction beside another row's response, and row {pair.id} finds none that differs "
        "from its own; it takes a dataset of different instructions and responses"
    )


def _differ(pair: DatasetPair, other: DatasetPair) -> bool:
    if not (pair.instruction and pair.response and other.instruction and other.response):
        return False
    return pair.instruction.id != other.instruction.id and pair.response.text != other.response.text


def calibration(lines: Sequence[PairScores], *, seed: int = 0) -> Calibration:
    """What the scores of `matched_and_shuffled` pairs say. Raises: DataError: there is not one."""
    half = len(lines) // 2
    scores: dict[ScoreMetric, Separation] = {}
    for metric in _METRICS:
        if values := _values(lines[:half], lines[half:], metric):
            scores[metric] = separation(*zip(*values, strict=True), seed=seed)
    if not scores:
        reasons = ", ".join(sorted({line.reason for line in lines if line.reason})) or "no row was drawn"
        raise DataError(f"none of {half} sampled pairs has a score ({reasons}); look at the rows and at the student")
    first = lines[0]
    return Calibration(
        student=first.student, revision=first.revision, template=first.template, sampled=half, scores=scores
    )


def _values(
    matched: Sequence[PairScores], shuffled: Sequence[PairScores], metric: ScoreMetric
) -> list[tuple[float, float]]:
    couples = ((getattr(one, metric), getattr(other, metric)) for one, other in zip(matched, shuffled, strict=True))
    return [(one, other) for one, other in couples if one is not None and other is not None]
