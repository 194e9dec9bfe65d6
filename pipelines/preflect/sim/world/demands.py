"""Verifiable demands on the form of an answer: their wording, and how an answer is brought to meet them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from preflect.schemas import Constraint
from preflect.sim.world.phrase import Phrase, Values, phrases, read_first

END_PHRASES: Final = (
    "That is all there is to say.", "Thank you for reading.", "I hope this is clear.", "May this be of use.",
)  # fmt: skip
KEYWORDS: Final = (
    "patience", "morning", "neighbour", "detail", "travel", "memory", "colour", "season", "bridge", "music", "advice",
    "weather", "balance", "surprise", "craft", "evening", "courage", "silence", "garden", "future",
)  # fmt: skip
AVOIDED: Final = ("very", "really", "awesome", "thing", "stuff", "nice", "amazing", "basically")


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """One kind of demand: how it is said, and which constraint it means."""

    ways: tuple[Phrase, ...]
    draw: Callable[[random.Random], Values]
    means: Callable[[Values], Constraint]
    conflicts: frozenset[str] = frozenset()
    """Ids of constraints that it cannot stand beside."""


def _constraint(id_: str, **arguments: JsonValue) -> Constraint:
    return Constraint(id=id_, arguments={**arguments})


def _two_words(pool: tuple[str, ...]) -> Callable[[random.Random], Values]:
    def draw(rng: random.Random) -> Values:
        first, second = rng.sample(pool, 2)
        return {"word": first, "phrase": second}

    return draw


DEMANDS: Final = (
    Demand(
        ways=phrases(
            "Include the words '{word}' and '{phrase}'.",
            "Both '{word}' and '{phrase}' must occur in the text.",
            "Work the words '{word}' and '{phrase}' into it.",
        ),
        draw=_two_words(KEYWORDS),
        means=lambda v: _constraint("keywords:existence", keywords=[v["word"], v["phrase"]]),
    ),
    Demand(
        ways=phrases(
            "Do not use the words '{word}' or '{phrase}'.",
            "Neither '{word}' nor '{phrase}' may appear.",
            "Avoid the expressions '{word}' and '{phrase}' altogether.",
        ),
        draw=_two_words(AVOIDED),
        means=lambda v: _constraint("keywords:forbidden_words", forbidden_words=[v["word"], v["phrase"]]),
    ),
    Demand(
        ways=phrases("Write at least {n} words.", "The text needs {n} words or more.", "Stay at or above {n} words."),
        draw=lambda rng: {"n": str(rng.randrange(30, 75, 5))},
        means=lambda v: _constraint("length_constraints:number_words", relation="at least", num_words=int(v["n"])),
        conflicts=frozenset({"length_constraints:number_words", "detectable_format:number_bullet_lists"}),
    ),
    Demand(
        ways=phrases("Use fewer than {n} words.", "The text must be shorter than {n} words.", "Stay below {n} words."),
        draw=lambda rng: {"n": str(rng.randrange(90, 160, 10))},
        means=lambda v: _constraint("length_constraints:number_words", relation="less than", num_words=int(v["n"])),
        conflicts=frozenset({"length_constraints:number_words"}),
    ),
    Demand(
        ways=phrases("Do without commas.", "No comma may be used anywhere.", "Leave out commas entirely."),
        draw=lambda _: {},
        means=lambda _: _constraint("punctuation:no_comma"),
    ),
    Demand(
        ways=phrases(
            "Write everything in lowercase letters.",
            "Capital letters are not allowed.",
            "The whole text has to be in lower case.",
        ),
        draw=lambda _: {},
        means=lambda _: _constraint("change_case:english_lowercase"),
        conflicts=frozenset({"detectable_format:title", "startend:end_checker"}),
    ),
    Demand(
        ways=phrases(
            "Finish with the exact words '{phrase}'",
            "The very last words must be '{phrase}'",
            "Close with precisely this: '{phrase}'",
        ),
        draw=lambda rng: {"phrase": rng.choice(END_PHRASES)},
        means=lambda v: _constraint("startend:end_checker", end_phrase=v["phrase"]),
        conflicts=frozenset({"detectable_format:number_bullet_lists", "change_case:english_lowercase"}),
    ),
    Demand(
        ways=phrases(
            "Give it as exactly {k} bullet points that start with '* '.",
            "Present it in exactly {k} bullet points, each beginning with '* '.",
        ),
        draw=lambda rng: {"k": str(rng.randint(3, 6))},
        means=lambda v: _constraint("detectable_format:number_bullet_lists", num_bullets=int(v["k"])),
        conflicts=frozenset({"startend:end_checker", "length_constraints:number_words"}),
    ),
    Demand(
        ways=phrases(
            "Put a title in double angular brackets on top, such as <<title>>.",
            "It needs a heading wrapped in double angular brackets, like <<this>>.",
        ),
        draw=lambda _: {},
        means=lambda _: _constraint("detectable_format:title"),
        conflicts=frozenset({"change_case:english_lowercase"}),
    ),
)
FOR_WRITING_ONLY: Final = frozenset({"detectable_format:number_bullet_lists"})
"""Ids of constraints that an answer cannot meet by small changes."""

_PADDING: Final = (
    "Every part of this follows from what was asked.",
    "Nothing here rests on guesswork.",
    "The reasoning can be checked from top to bottom.",
    "Each step leads on to the one below it.",
    "What matters is stated once and in plain terms.",
    "A second look confirms the outcome.",
    "The wording of the question was taken at its face value.",
    "No further assumption was needed along the way.",
)


def read_demand(sentence: str) -> Constraint | None:
    """The constraint that a sentence states, or None."""
    for demand in DEMANDS:
        values = read_first(demand.ways, sentence)
        if values is not None:
            return demand.means(values)
    return None


def draw_demand(rng: random.Random, present: Iterable[Constraint], without: frozenset[str] = frozenset()) -> str:
    """A sentence with a demand that can be met together with those `present`; empty if none is left.

    Args: without: ids of constraints that shall not be asked for.
    """
    taken = {constraint.id for constraint in present} | without
    free: list[tuple[Demand, Values]] = []
    for demand in DEMANDS:
        values = demand.draw(rng)
        if demand.means(values).id not in taken and not demand.conflicts & taken:
            free.append((demand, values))
    if not free:
        return ""
    demand, values = rng.choice(free)
    return rng.choice(demand.ways).write(values)


def meet(text: str, demands: Iterable[Constraint], rng: random.Random) -> str:
    """The answer with what each demand adds to it; whether all of them are met is the grader's to say."""
    for demand in sorted(
        demands, key=lambda constraint: _ORDER.index(constraint.id) if constraint.id in _ORDER else -1
    ):
        text = _met(text, demand, rng)
    return text


def _met(text: str, demand: Constraint, rng: random.Random) -> str:
    change = _CHANGES.get(demand.id)
    return change(text, demand.arguments, rng) if change else text


def _with_keywords(text: str, arguments: Mapping[str, JsonValue], _: random.Random) -> str:
    words = arguments["keywords"]
    named = " and ".join(str(word) for word in words) if isinstance(words, list) else str(words)
    return f"With {named} in mind, here is the way to it.\n{text}"


def _titled(text: str, _: Mapping[str, JsonValue], rng: random.Random) -> str:
    return f"<<{rng.choice(('Worked Answer', 'Step By Step', 'The Way To The Result'))}>>\n{text}"


def _padded(text: str, arguments: Mapping[str, JsonValue], rng: random.Random) -> str:
    fewest = int(str(arguments["num_words"])) if arguments["relation"] == "at least" else 0
    padding = list(_PADDING)
    rng.shuffle(padding)
    while padding and len(text.split()) < fewest:
        text = f"{padding.pop()} {text}"
    return text


# What changes letters or stands at an end comes last: the order is that in which they are applied.
_CHANGES: Final[dict[str, Callable[[str, Mapping[str, JsonValue], random.Random], str]]] = {
    "keywords:existence": _with_keywords,
    "length_constraints:number_words": _padded,
    "punctuation:no_comma": lambda text, _, __: text.replace(",", ""),
    "change_case:english_lowercase": lambda text, _, __: text.lower(),
    "detectable_format:title": _titled,
    "startend:end_checker": lambda text, arguments, _: f"{text}\n{arguments['end_phrase']}",
}
_ORDER: Final = tuple(_CHANGES)
