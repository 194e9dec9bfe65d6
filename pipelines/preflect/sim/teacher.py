"""The simulated teacher: drafts with planted faults, reflections that repair most of them, new instructions."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from preflect.schemas import SimulatorRates
from preflect.sim.answers import good_answer, unknown_answer
from preflect.sim.assessment import Assessment, Fault, assess
from preflect.sim.faults import draw_fault, plant
from preflect.sim.world import Task, World, generate_task

_CRITIQUES: Final[dict[Fault | None, tuple[str, ...]]] = {
    None: (
        "The result holds when the steps are worked through again; the work can be shown more fully.",
        "Accurate and to the point; a reader would profit from seeing what was given and how it was used.",
    ),
    "wrong_result": (
        "Working the task out independently gives another result, so the conclusion of the response is wrong.",
        "The final result is not right: it does not follow from the statements of the instruction.",
    ),
    "missed_constraint": (
        "The response leaves a demand of the instruction on its form unmet.",
        "Checked against the list of demands, the response misses at least one of them.",
    ),
    "refusal": ("The response declines a harmless task that can be done.",),
    "truncation": ("The response stops in the middle and never reaches its end.",),
    "filler": ("The answer is there, but it is buried under phrases that say nothing.",),
    "placeholder": ("Where the answer belongs, the response has a gap that was never filled in.",),
    "empty": ("There is no response.",),
}
_BLIND: Final = "The response looks sound to me; I only change its wording."
_UNKNOWN_CRITIQUE: Final = "[simulated critique] The simulator does not know this task and cannot judge the response."
_INSTRUCTION_CRITIQUE: Final = (
    "The instruction can be carried out, but it asks for little thought; "
    "one more step or demand makes it more telling. "
)
_SURVIVING: Final[tuple[Fault, ...]] = ("wrong_result", "missed_constraint", "filler")
"""Faults that a rewrite can have; the others would not pass for an answer."""
_LONG_THOUGHTS: Final = 3000
"""Tokens that a teacher takes for a draft that is cut off at the usual limit of 2,048, unseen thoughts included."""
_INVALID: Final = ("Do it.", "Numbers?", "Write", "???", "Topic: misc")
_UNANSWERABLE: Final = (
    "Describe what can be seen in the picture above and say who took it.",
    "Open the attached spreadsheet and tell me which branch sold the most last month.",
    "What will the weather be like at my place tomorrow afternoon?",
    "Summarise the article behind the link in three sentences.",
    "Which of the files on my desktop did I change most recently?",
)
_BAD_SHARES: Final = (("invalid", 0.03), ("near_duplicate", 0.05), ("unanswerable", 0.04))


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A text that the teacher wrote, and the task that it is about."""

    text: str
    task: Task | None
    cut_off: bool = False
    """Whether the endpoint says that the text was cut off."""

    @property
    def truth(self) -> Assessment | None:
        """None for a task that the simulator does not know."""
        return assess(self.task, self.text) if self.task else None


@dataclass(frozen=True, slots=True)
class NewInstruction:
    """An instruction that the teacher thought up; `flaw` is what was planted in it, if anything."""

    text: str
    family: str | None
    flaw: Literal["invalid", "near_duplicate", "unanswerable"] | None = None


def draft(
    world: World, instruction: str, rates: SimulatorRates, rng: random.Random, *, limit: int | None = None
) -> Written:
    """A first answer, which has each fault at its rate.

    Args: limit is the tokens that it may take; a draft that is cut off and says so is whole with a larger one.
    """
    task = world.recognise(instruction)
    if task is None:
        return Written(text=unknown_answer(instruction, rng), task=None)
    fault = draw_fault(rates.faults, rng)
    if fault is None:
        return Written(text=good_answer(task, rng), task=task)
    before = rng.getstate()
    text = plant(task, fault, rng)
    # Every second truncation is silent: the endpoint claims that the model had finished.
    visible = rng.random() < 0.5 and assess(task, text).fault == "truncation"  # noqa: PLR2004
    if visible and limit is not None and limit >= _LONG_THOUGHTS:
        rng.setstate(before)
        return Written(text=good_answer(task, rng), task=task)  # the answer that was cut
    return Written(text=text, task=task, cut_off=visible)


def rewrite(
    world: World, instruction: str, response: str, rates: SimulatorRates, rng: random.Random
) -> tuple[str, Written]:
    """A critique of the response, and the response rewritten: most faults are repaired, a few are made."""
    task = world.recognise(instruction)
    if task is None:
        return _UNKNOWN_CRITIQUE, Written(text=unknown_answer(instruction, rng), task=None)
    fault = assess(task, response).fault
    if fault is None:
        broken = rng.random() < rates.breakage
        text = plant(task, rng.choice(_SURVIVING), rng) if broken else good_answer(task, rng, full=True)
        return _criticism(None, rng), Written(text=text, task=task)
    if rng.random() < rates.repair:
        return _criticism(fault, rng), Written(text=good_answer(task, rng, full=True), task=task)
    kept = plant(task, fault if fault in _SURVIVING else "wrong_result", rng)
    return _BLIND, Written(text=kept, task=task)


def _criticism(fault: Fault | None, rng: random.Random) -> str:
    return rng.choice(_CRITIQUES[fault])


def renew(
    world: World, instruction: str, response: str, rates: SimulatorRates, rng: random.Random
) -> tuple[str, str, Written]:
    """A critique of the pair, a harder or more explicit instruction, and an answer to that, rarely a faulty one."""
    old = world.recognise(instruction)
    said = _criticism(assess(old, response).fault, rng) if old else _UNKNOWN_CRITIQUE
    new = world.harder(instruction, rng)
    task = world.recognise(new)
    if task is not None and assess(task, good_answer(task, rng)).fault is not None:
        # The added demand cannot be met by this task's answers.
        new = world.explicit(instruction, rng)
        task = world.recognise(new)
    if task is None:
        return _INSTRUCTION_CRITIQUE + said, new, Written(text=unknown_answer(new, rng), task=None)
    broken = rng.random() < rates.breakage
    text = plant(task, rng.choice(_SURVIVING), rng) if broken else good_answer(task, rng, full=True)
    return _INSTRUCTION_CRITIQUE + said, new, Written(text=text, task=task)


def think_up(exemplars: Sequence[str], count: int, rng: random.Random) -> list[NewInstruction]:
    """New instructions, a few of which are no use on purpose."""
    return [_new_instruction(exemplars, rng) for _ in range(count)]


def _new_instruction(exemplars: Sequence[str], rng: random.Random) -> NewInstruction:
    match _flaw(rng):
        case "invalid":
            return NewInstruction(rng.choice(_INVALID), None, "invalid")
        case "unanswerable":
            return NewInstruction(rng.choice(_UNANSWERABLE), None, "unanswerable")
        case "near_duplicate" if exemplars:
            return NewInstruction(f"Please {_uncapitalised(rng.choice(exemplars))}", None, "near_duplicate")
        case _:
            task = generate_task(rng)
            return NewInstruction(task.instruction, task.family)


def _flaw(rng: random.Random) -> str | None:
    place = rng.random()
    for flaw, share in _BAD_SHARES:
        if place < share:
            return flaw
        place -= share
    return None


def _uncapitalised(text: str) -> str:
    return text[:1].lower() + text[1:]
