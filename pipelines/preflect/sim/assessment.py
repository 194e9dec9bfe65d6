"""The true quality of any text as an answer to a task of the world, found from the text alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from preflect.grading import grade
from preflect.schemas import ConstraintsGrader
from preflect.sim.wording import FILLER, PLACEHOLDER, REFUSAL, bare
from preflect.sim.world import Task

Fault = Literal["wrong_result", "missed_constraint", "refusal", "truncation", "filler", "placeholder", "empty"]

# By fault: instruction following, honesty, truthfulness, helpfulness, each from 0 to 1.
_ASPECTS: Final = ("instruction_following", "honesty", "truthfulness", "helpfulness")
_TRUTH: Final[Mapping[Fault | None, tuple[float, float, float, float]]] = {
    None: (1.0, 1.0, 1.0, 1.0),
    "filler": (0.75, 0.85, 1.0, 0.2),
    "wrong_result": (0.5, 0.4, 0.0, 0.3),
    "missed_constraint": (0.0, 0.6, 0.7, 0.3),
    "truncation": (0.1, 0.4, 0.4, 0.1),
    "placeholder": (0.1, 0.2, 0.3, 0.0),
    "refusal": (0.0, 0.0, 0.0, 0.0),
    "empty": (0.0, 0.0, 0.0, 0.0),
}
_FILLER_COST: Final = 0.75
"""Share of its quality that a text which is faulty already keeps when it is padded as well."""
_TAIL: Final = 12
"""Characters by which the end of an answer is compared with the end of the model answer."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """What is true of one text."""

    fault: Fault | None
    """The fault that weighs most."""
    aspects: Mapping[str, float]
    """From 0 to 1 by aspect."""

    @property
    def quality(self) -> float:
        """From 0 to 1, the mean of the aspects; 1 is right and clean."""
        return round(sum(self.aspects.values()) / len(self.aspects), 4)


@lru_cache(maxsize=4096)
def assess(task: Task, text: str) -> Assessment:
    """How good a text is as an answer to this task."""
    plain = bare(text)
    fault = _main_fault(task, text.strip(), plain)
    padded = FILLER.search(plain) is not None
    if padded and fault is None:
        fault = "filler"
        padded = False
    factor = _FILLER_COST if padded else 1.0
    return Assessment(fault, {aspect: factor * truth for aspect, truth in zip(_ASPECTS, _TRUTH[fault], strict=True)})


def _main_fault(task: Task, text: str, plain: str) -> Fault | None:
    if not text:
        return "empty"
    if REFUSAL.search(plain):
        return "refusal"
    if PLACEHOLDER.search(plain):
        return "placeholder"
    if _cut_off(task, text, plain):
        return "truncation"
    if task.exact and bare(task.solution.result) not in plain:
        return "wrong_result"
    return next(_failures(task, text), None)


def _cut_off(task: Task, text: str, plain: str) -> bool:
    if not (text[-1].isalnum() or text[-1] in ",-"):
        return False
    tail, whole = _shape(plain[-_TAIL:]), _shape(bare(task.solution.result))
    if whole[-1:].isalnum() or whole[-1:] == "#":
        # A model answer without a final mark: only a piece from its middle is known to be cut off.
        return tail in whole and not whole.endswith(tail)
    return True


def _shape(plain: str) -> str:
    return re.sub(r"\d", "#", plain)


def _failures(task: Task, text: str) -> Iterator[Fault]:
    solution = task.solution
    if solution.grader is not None:
        score = grade(solution.grader, text, solution.reference).score
        if score is not None and score < 1:
            yield "missed_constraint" if isinstance(solution.grader, ConstraintsGrader) else "wrong_result"
    if task.demands:
        score = grade(ConstraintsGrader(constraints=task.demands), text, None).score
        if score is not None and score < 1:
            yield "missed_constraint"
