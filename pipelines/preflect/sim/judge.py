"""The simulated judge: sees the truth through noise, and favours what it reads first and what is long."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from preflect.schemas import SimulatorRates
from preflect.sim.assessment import Assessment, Fault, assess
from preflect.sim.world import Task

_UNKNOWN_TRUTH: Final = 3.0
"""About this the ratings of answers scatter whose truth nobody knows."""
_MOST_DOUBLINGS: Final = 3.0
_GOOD: Final = 4
_POOR: Final = 2

_SEEN: Final[Mapping[Fault | None, str]] = {
    None: "the result and the form agree with what was asked",
    "wrong_result": "the result does not follow from what is given",
    "missed_constraint": "a demand on the form is not met",
    "refusal": "the task is declined without need",
    "truncation": "the text breaks off before it is finished",
    "filler": "much of it is empty phrases around the answer",
    "placeholder": "a gap was left where the answer belongs",
    "empty": "there is no text",
}
_DOUBT: Final = "some of it seems to be wanting, though it is hard to point at one place"
_TRUST: Final = "it reads as sound, and no fault stands out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One rating as it was given, beside the truth on the same scale from 1 to 5."""

    aspect: str
    given: int
    true: float | None
    rationale: str


def rate(
    task: Task | None, answers: Sequence[str], aspects: Sequence[str], rates: SimulatorRates, rng: random.Random
) -> list[list[Mark]]:
    """The marks of each answer in the order shown, one for each aspect."""
    return [
        [_mark(aspect, assess(task, answer) if task else None, advantage, rates, rng) for aspect in aspects]
        for answer, advantage in zip(answers, _advantages(answers, rates), strict=True)
    ]


def _advantages(answers: Sequence[str], rates: SimulatorRates) -> list[float]:
    """Points that each answer gains or loses by its place and its length."""
    if len(answers) == 1:
        return [0.0]
    lengths = [max(1, len(answer)) for answer in answers]
    gains: list[float] = []
    for place, length in enumerate(lengths):
        others = (sum(lengths) - length) / (len(lengths) - 1)
        doublings = max(-_MOST_DOUBLINGS, min(_MOST_DOUBLINGS, math.log2(length / others)))
        gains.append(rates.length_bias * doublings + (rates.position_bias if place == 0 else 0.0))
    return gains


def _mark(aspect: str, truth: Assessment | None, advantage: float, rates: SimulatorRates, rng: random.Random) -> Mark:
    # An aspect that the simulator has no truth of its own for is judged by the overall quality.
    true = 1 + 4 * truth.aspects.get(aspect, truth.quality) if truth else None
    seen = (_UNKNOWN_TRUTH if true is None else true) + advantage + rng.gauss(0.0, rates.judge_noise)
    given = max(1, min(5, round(seen)))
    return Mark(aspect=aspect, given=given, true=true, rationale=_rationale(aspect, truth, given))


def _rationale(aspect: str, truth: Assessment | None, given: int) -> str:
    said = _SEEN[truth.fault] if truth else "the simulator does not know this task and can only guess"
    if truth and truth.fault is None and given < _GOOD:
        said = _DOUBT
    elif truth and truth.fault is not None and given > _POOR + 1:
        said = _TRUST if truth.fault != "filler" else "the answer itself is there"
    return f"As to {aspect.replace('_', ' ')}: {said}."
