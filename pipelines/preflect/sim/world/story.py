"""Tasks told beat by beat: written from a script, read back into the same script, solved from the script alone."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from preflect.sim.world.phrase import Phrase, Values, read_first
from preflect.sim.world.task import Solution, Task, fold, sentences

LONGEST_SCRIPT: Final = 9
"""Beats after which a story isn't made longer."""


@dataclass(frozen=True, slots=True)
class Beat:
    """One thing that happens, or is asked."""

    act: str
    values: Values


Script = tuple[Beat, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One kind of task: how its acts are put into words, how a script is drawn, solved and made harder."""

    family: str
    lines: Mapping[str, tuple[Phrase, ...]]
    """Ways of saying each act."""
    draw: Callable[[random.Random], Script]
    solve: Callable[[Script], Solution | None]
    """None where the script makes no sense."""
    further: Callable[[Script, random.Random], Beat | None]
    """One more beat that may stand before the last one, the question."""

    def generate(self, rng: random.Random) -> Task:
        """A new task of this kind."""
        return self._told(self.draw(rng), rng)

    def read(self, instruction: str) -> Task | None:
        """The task that these words state, its truth computed from them; None if they are no such story."""
        script = self._script_of(fold(instruction))
        solution = self.solve(script) if script else None
        return Task(family=self.family, instruction=instruction, solution=solution) if solution else None

    def harder(self, instruction: str, rng: random.Random) -> str | None:
        """The same story with one more beat, or None where it cannot grow."""
        script = self._script_of(fold(instruction))
        if not script or len(script) >= LONGEST_SCRIPT:
            return None
        beat = self.further(script, rng)
        if beat is None:
            return None
        *before, question = sentences(fold(instruction))
        return " ".join((*before, self._say(beat, rng), question))

    def _told(self, script: Script, rng: random.Random) -> Task:
        solution = self.solve(script)
        if solution is None:
            raise ValueError(f"{self.family}: the drawn script {script} has no solution; mend its draw function")
        said: list[str] = []
        used: set[str] = set()
        for beat in script:
            # Two beats of one act are put differently as long as there is another way.
            fresh = [way for way in self.lines[beat.act] if way.template not in used] or list(self.lines[beat.act])
            way = rng.choice(fresh)
            used.add(way.template)
            said.append(way.write(beat.values))
        instruction = " ".join(said)
        return Task(family=self.family, instruction=instruction, solution=solution)

    def _say(self, beat: Beat, rng: random.Random) -> str:
        return rng.choice(self.lines[beat.act]).write(beat.values)

    def _script_of(self, folded: str) -> Script | None:
        beats: list[Beat] = []
        for sentence in sentences(folded):
            beat = self._beat_of(sentence)
            if beat is None:
                return None
            beats.append(beat)
        return tuple(beats)

    def _beat_of(self, sentence: str) -> Beat | None:
        for act, ways in self.lines.items():
            values = read_first(ways, sentence)
            if values is not None:
                return Beat(act, values)
        return None


def asked_last(script: Script, opening: str, questions: Sequence[str]) -> bool:
    """Whether the script opens once, asks once, and does so at its end."""
    acts = [beat.act for beat in script]
    return (
        len(acts) > 2  # noqa: PLR2004 - an opening, something that happens, a question
        and acts[0] == opening
        and acts.count(opening) == 1
        and acts[-1] in questions
        and not any(act in questions for act in acts[:-1])
    )
