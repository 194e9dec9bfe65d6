"""All families of tasks together: make one, recognise one, make one harder."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from preflect.schemas import Constraint
from preflect.sim.world import tables, writing
from preflect.sim.world.calendar import CLOCK, DATES
from preflect.sim.world.demands import FOR_WRITING_ONLY, draw_demand, read_demand
from preflect.sim.world.purchases import COLLECTING, SHOPPING, TRAVEL
from preflect.sim.world.quantities import QUANTITIES
from preflect.sim.world.sequences import LISTS, STRINGS
from preflect.sim.world.stock import STOCK
from preflect.sim.world.task import Task, fold

_REMEMBERED: Final = 4096
_MOST_DEMANDS: Final = 2
_SENTENCE_START: Final = re.compile(" (?=[A-Z])")
_SENTENCES_LOOKED_AT: Final = 6

PREAMBLES: Final = (
    "Read the following task with care and keep exactly to the form that it asks for.",
    "Solve what is asked below, and check the outcome once more before you write it down.",
    "Below is a task; answer each part of it and leave out nothing that it demands.",
)
"""Openings that make any instruction more explicit without changing its answer."""


@dataclass(frozen=True, slots=True)
class Maker:
    """One kind of task: made from randomness, read from words, varied into a harder one."""

    generate: Callable[[random.Random], Task]
    read: Callable[[str], Task | None]
    harder: Callable[[str, random.Random], str | None]


_STORIES: Final = (STOCK, SHOPPING, TRAVEL, COLLECTING, CLOCK, DATES, QUANTITIES, LISTS, STRINGS)
_MAKERS: Final = (
    *(Maker(story.generate, story.read, story.harder) for story in _STORIES),
    Maker(tables.generate, tables.read, tables.harder),
    Maker(writing.generate, writing.read, writing.harder),
    # Twice as often: their wording has the fewest set phrases.
    Maker(tables.generate, tables.read, tables.harder),
    Maker(writing.generate, writing.read, writing.harder),
)
FAMILIES: Final = ("arithmetic", "units_and_dates", "lists_and_strings", "tables", "writing")


def generate_task(rng: random.Random) -> Task:
    """A new task of any family."""
    return rng.choice(_MAKERS).generate(rng)


@dataclass(slots=True)
class World:
    """Every task of the world's language, whatever its seed, and those of the tables given."""

    known: Mapping[str, Task] = field(default_factory=dict[str, Task])
    """Tasks by folded instruction."""
    _remembered: dict[str, Task | None] = field(default_factory=dict[str, "Task | None"], init=False)

    def recognise(self, instruction: str) -> Task | None:
        """The task that the instruction states, with its truth; None if it is not of this world."""
        folded = fold(instruction)
        if folded not in self._remembered:
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            self._remembered[folded] = self._recognised(folded)
        return self._remembered[folded]

    def _recognised(self, folded: str) -> Task | None:
        bare = _without_preamble(folded)
        said: tuple[Constraint, ...] = ()
        while len(said) <= _MOST_DEMANDS:
            task = self._plain(bare)
            if task is not None:
                return replace(task, instruction=folded, demands=said)
            found = _last_demand(bare)
            if found is None:
                return None
            bare, demand = found
            said = (demand, *said)
        return None

    def _plain(self, folded: str) -> Task | None:
        return self.known.get(folded) or next(filter(None, (maker.read(folded) for maker in _MAKERS)), None)

    def harder(self, instruction: str, rng: random.Random) -> str:
        """A variation of the instruction that asks for more, or says more plainly what it asks for."""
        ways = [maker.harder for maker in _MAKERS] if rng.random() < 0.7 else []  # noqa: PLR2004 - else a demand on the form
        longer = next(filter(None, (harder(instruction, rng) for harder in ways)), None)
        task = self.recognise(instruction)
        present = task.demands if task else ()
        demand = draw_demand(rng, present, FOR_WRITING_ONLY) if len(present) < _MOST_DEMANDS else ""
        return longer or (f"{instruction.rstrip()}\n\n{demand}" if demand else self.explicit(instruction, rng))

    @staticmethod
    def explicit(instruction: str, rng: random.Random) -> str:
        """The instruction behind a preamble that asks for care."""
        bare = instruction
        for preamble in PREAMBLES:
            bare = bare.removeprefix(preamble).lstrip()
        return f"{rng.choice(PREAMBLES)}\n\n{bare}"


def _last_demand(folded: str) -> tuple[str, Constraint] | None:
    """What stands before a demand at the end, and the demand."""
    starts = [match.start() for match in _SENTENCE_START.finditer(folded)]
    for start in reversed(starts[-_SENTENCES_LOOKED_AT:]):
        demand = read_demand(folded[start + 1 :])
        if demand is not None:
            return folded[:start], demand
    return None


def _without_preamble(folded: str) -> str:
    for preamble in PREAMBLES:
        folded = folded.removeprefix(preamble).lstrip()
    return folded
