"""Good answers to the world's tasks, in varied words."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

from preflect.sim.assessment import assess
from preflect.sim.wording import CLOSINGS, GOODBYES, LEADS, OFFERS, UNKNOWN, UNKNOWN_FURTHER, UNKNOWN_MARK
from preflect.sim.world import Task, fold
from preflect.sim.world.demands import meet

_ATTEMPTS: Final = 4
_WORDS_REPEATED: Final = 12


def good_answer(task: Task, rng: random.Random, *, full: bool = False) -> str:
    """A right and clean answer wherever one can be found within a few attempts.

    Args: full: restate what is given and show all the work.
    """
    text = ""
    for attempt in range(_ATTEMPTS):
        text = meet(_worded(task, rng, frills=_ATTEMPTS - 1 - attempt, full=full), task.demands, rng)
        if assess(task, text).fault is None:
            return text
    return text


def _worded(task: Task, rng: random.Random, *, frills: int, full: bool) -> str:
    """The answer as it might be said; fewer frills leave less that can break a demand on the form."""
    solution = task.solution
    result = solution.variant(rng) if solution.variant else solution.result
    if not frills:
        return result
    lines = [rng.choice(LEADS if solution.steps else OFFERS)] if rng.random() < 0.6 and not solution.variant else []  # noqa: PLR2004 - most, not all
    if full:
        lines.extend(solution.facts)
    lines.extend(_shown(solution.steps, rng))
    lines.append(result)
    if frills > 1 and not solution.variant and rng.random() < 0.3:  # noqa: PLR2004 - now and then a last word
        lines.append(rng.choice(CLOSINGS if solution.steps else GOODBYES))
    return "\n".join(lines)


def _shown(steps: Sequence[str], rng: random.Random) -> list[str]:
    if not steps:
        return []
    match rng.randrange(3):
        case 0:
            return [f"Step {number}: {step}." for number, step in enumerate(steps, start=1)]
        case 1:
            return [f"- {_capital(step)}." for step in steps]
        case _:
            first, *others = steps
            return [" ".join((f"At first, {first}.", *(f"Then {step}." for step in others)))]


def _capital(step: str) -> str:
    return step[:1].upper() + step[1:]


def unknown_answer(instruction: str, rng: random.Random) -> str:
    """Generic text that says so, for an instruction that the simulator does not know."""
    further = rng.sample(UNKNOWN_FURTHER, rng.randint(1, len(UNKNOWN_FURTHER)))
    about = " ".join(fold(instruction).split(" ")[:_WORDS_REPEATED]).rstrip(".?!:,;")
    return " ".join((UNKNOWN_MARK, rng.choice(UNKNOWN), f'It was asked: "{about}".', *further))
