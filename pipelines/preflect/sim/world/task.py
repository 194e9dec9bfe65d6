"""One task whose truth the simulator knows."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from preflect.schemas import Constraint, GraderSpec

_SPACE = re.compile(r"\s+")
_SENTENCE_END = re.compile(r"(?:(?<=[.?!])|(?<=[.?!]')) (?=[A-Z0-9])")


def fold(text: str) -> str:
    """The text with every run of white space as one blank: what instructions are compared by."""
    return _SPACE.sub(" ", text).strip()


def sentences(folded: str) -> list[str]:
    """The sentences of a folded text, each with its final mark."""
    return _SENTENCE_END.split(folded)


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """What solving an instruction gives: enough to write right and wrong answers."""

    reference: str | None
    grader: GraderSpec | None
    result: str
    """The closing words of a right answer; the reference stands in them."""
    steps: tuple[str, ...] = ()
    """The work that leads there, one line each."""
    facts: tuple[str, ...] = ()
    """What the instruction states, for answers that restate it."""
    decoys: tuple[str, ...] = ()
    """Plausible wrong results, none equal to the reference."""
    variant: Callable[[random.Random], str] | None = field(default=None, compare=False)
    """Writes the result in other words, where there are several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """An instruction with its solution."""

    family: str
    instruction: str
    solution: Solution
    demands: tuple[Constraint, ...] = ()
    """Demands on the form that come on top of the grader."""
    exact: bool = False
    """Without a grader: only the whole model answer counts as right."""

    def __hash__(self) -> int:
        return hash(self.instruction)
