"""Plants faults in answers, and makes sure that each is really there."""

from __future__ import annotations

import calendar
import random
import re
from collections.abc import Iterable, Iterator
from typing import Final

from preflect.schemas import ChoiceGrader, ConstraintsGrader, FaultRates
from preflect.sim.answers import good_answer
from preflect.sim.assessment import Fault, assess
from preflect.sim.wording import FILLERS, PLACEHOLDERS, REFUSALS
from preflect.sim.world import Task, fold
from preflect.sim.world.demands import AVOIDED

_INSTEAD: Final[tuple[Fault, ...]] = ("wrong_result", "missed_constraint", "truncation", "refusal")
"""What is planted where a task has no room for the fault that was drawn."""
_CALENDAR: Final = (tuple(calendar.month_name)[1:], tuple(calendar.day_name))
_NUMBER: Final = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?!\w)")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+")
_FEWEST_WORDS: Final = 8
"""An answer shorter than this cannot be cut off visibly."""


def draw_fault(rates: FaultRates, rng: random.Random) -> Fault | None:
    """Which fault a draft gets, by the given shares."""
    shares: tuple[tuple[Fault, float], ...] = (
        ("wrong_result", rates.wrong_result),
        ("missed_constraint", rates.missed_constraint),
        ("refusal", rates.refusal),
        ("truncation", rates.truncation),
        ("filler", rates.filler),
        ("placeholder", rates.placeholder),
    )
    place = rng.random()
    for fault, share in shares:
        if place < share:
            return fault
        place -= share
    return None


def plant(task: Task, fault: Fault, rng: random.Random) -> str:
    """An answer with this fault, or with another where the task has no room for it (no constraint to miss, say)."""
    answer = good_answer(task, rng)
    kinds: tuple[Fault, ...] = (fault, *_INSTEAD)
    for kind in kinds:
        for text in _attempts(task, answer, kind, rng):
            if assess(task, text).fault == kind:
                return text
    return rng.choice(REFUSALS)


def _attempts(task: Task, answer: str, fault: Fault, rng: random.Random) -> Iterator[str]:
    match fault:
        case "wrong_result":
            return _with_wrong_result(task, answer, rng)
        case "missed_constraint":
            return _with_broken_form(task, answer, rng)
        case "refusal" | "empty":
            return iter((rng.choice(REFUSALS),))
        case "truncation":
            return _cut(answer, rng)
        case "filler":
            return _padded(answer, rng)
        case "placeholder":
            return _left_open(task, answer, rng)


def _with_wrong_result(task: Task, answer: str, rng: random.Random) -> Iterator[str]:
    reference = task.solution.reference
    wrong = list(task.solution.decoys) or _other_results(task, rng)
    rng.shuffle(wrong)
    if reference:
        place = re.compile(rf"(?<![\w.]){re.escape(reference)}(?!\w|\.\d)", re.IGNORECASE)
        for result in wrong:
            yield place.sub(lambda _, result=result: result, answer)
    yield from _altered(answer, rng)


def _other_results(task: Task, rng: random.Random) -> list[str]:
    reference = task.solution.reference or ""
    if isinstance(task.solution.grader, ChoiceGrader):
        return _without(reference, task.solution.grader.choices)
    if _NUMBER.search(reference):
        return [_other_number(reference, rng)]
    for names in _CALENDAR:
        if reference.casefold() in map(str.casefold, names):
            return _without(reference, names)
    if reference.istitle():
        # A name is mistaken for another name.
        return _without(reference, re.findall(r"\b[A-Z][a-z]+\b", task.instruction))
    return [re.sub(r"\w+", lambda word: word[0][::-1], reference)]


def _without(reference: str, names: Iterable[str]) -> list[str]:
    return sorted({name for name in names if name.casefold() != reference.casefold()})


def _other_number(text: str, rng: random.Random) -> str:
    """The text with its last number changed."""
    *_, last = _NUMBER.finditer(text)
    whole, dot, fraction = last[0].partition(".")
    other = str(int(whole) + rng.choice((1, 2, 3, 10)))
    return f"{text[: last.start()]}{other}{dot}{fraction}{text[last.end() :]}"


def _altered(answer: str, rng: random.Random) -> Iterator[str]:
    """Versions of an answer that say something else: another number, a negation, a sentence or a word lost."""
    if _NUMBER.search(answer):
        yield _other_number(answer, rng)
    if " is " in answer:
        before, _, after = answer.rpartition(" is ")
        yield f"{before} is not {after}"
        yield answer.replace(" is ", " is not ", 1)
    parts = _SENTENCE_END.split(answer)
    if len(parts) > 1:
        dropped = rng.randrange(len(parts) - 1)
        yield " ".join(part for place, part in enumerate(parts) if place != dropped)
    words = answer.split(" ")
    for _ in range(3):
        place = rng.randrange(len(words))
        yield " ".join((*words[:place], "something", *words[place + 1 :]))


def _with_broken_form(task: Task, answer: str, rng: random.Random) -> Iterator[str]:
    lines = answer.splitlines()
    versions = [
        f"{answer} It is all about {' and '.join(_forbidden_words(task))}.",
        answer.upper(),
        answer.lower(),
        answer.replace(". ", ", and so on. ", 1) if ". " in answer else f"Well, {answer}",
        f"{answer}\nWith kind regards.",
        "\n".join(lines[:-1]) or " ".join(answer.split()[:3]) + ".",
        "\n".join(lines[1:]) or " ".join(answer.split()[:2]) + ".",
        "\n".join(line.lstrip("*- ") for line in lines),
        f"{answer}\n{answer}\n{answer}",
        " ".join(answer.split()[:12]).rstrip(",;:-") + ".",
    ]
    rng.shuffle(versions)
    return iter(versions)


def _forbidden_words(task: Task) -> tuple[str, ...]:
    grader = task.solution.grader
    graded = grader.constraints if isinstance(grader, ConstraintsGrader) else ()
    lists = (constraint.arguments.get("forbidden_words") for constraint in (*graded, *task.demands))
    return next((tuple(map(str, words)) for words in lists if isinstance(words, list)), AVOIDED)


def _cut(answer: str, rng: random.Random) -> Iterator[str]:
    words = answer.split(" ")
    if len(words) < _FEWEST_WORDS:
        return
    for _ in range(6):
        kept = " ".join(words[: rng.randint(len(words) * 2 // 5, len(words) * 4 // 5)])
        yield kept[: max(1, len(kept) - rng.randint(1, 3))].rstrip(" .!?:;'\")*\n")


def _padded(answer: str, rng: random.Random) -> Iterator[str]:
    empty = rng.sample(FILLERS, rng.randint(3, 4))
    before, after = " ".join(empty[:2]), " ".join(empty[2:])
    yield f"{before}\n{answer}\n{after}"
    yield f"{' '.join(empty)}\n{answer}"
    for padding in (f"{before}\n", f"{empty[0]}\n"):
        yield (padding + answer).replace(",", "")
        yield padding.lower() + answer
        yield padding.lower().replace(",", "") + answer
    first, _, rest = answer.partition("\n")
    yield f"{first}\n{empty[0]}\n{rest}"
    yield f"{answer}\n{empty[0]}"


def _left_open(task: Task, answer: str, rng: random.Random) -> Iterator[str]:
    gap = rng.choice(PLACEHOLDERS)
    reference = task.solution.reference
    if reference and reference in answer:
        yield answer.replace(reference, gap)
    parts = _SENTENCE_END.split(fold(answer))
    yield " ".join((*parts[:-1], gap))
