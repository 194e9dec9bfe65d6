"""Short pieces of writing under verifiable demands."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Final

from preflect.schemas import Constraint, ConstraintsGrader
from preflect.sim.world.demands import draw_demand, read_demand
from preflect.sim.world.phrase import Values, phrases, read_first
from preflect.sim.world.task import Solution, Task, fold, sentences

FAMILY: Final = "writing"
_MOST_DEMANDS: Final = 5

_KINDS: Final = (
    "a short letter", "a product description", "a diary entry", "a speech", "a travel tip", "a news item",
    "a thank you note",
    "a bedtime story", "a review", "an announcement", "a job advertisement", "a farewell message",
)  # fmt: skip
_TOPICS: Final = (
    "a night market by the river", "learning to bake bread", "the last tram of the day", "a repair cafe",
    "planting oak trees",
    "a lost umbrella", "the first snow of the year", "a choir of beginners", "an old lighthouse",
    "sharing tools with the street",
    "a chess club for pensioners", "keeping bees on a roof", "a walk along the dyke", "moving to a small island",
    "a museum of broken clocks", "cooking for twenty guests", "a train journey through fog",
    "raising money for a playground",
)  # fmt: skip
_READERS: Final = (
    "school children", "new colleagues", "visitors from abroad", "the town council", "a busy friend", "grandparents",
    "readers of a local paper", "members of a sports club", "someone who has never heard of it",
)  # fmt: skip
_OPENINGS: Final = phrases(
    "Write {kind} about {topic} for {reader}.",
    "Compose {kind} on the subject of {topic}, meant for {reader}.",
    "I need {kind} that {reader} will enjoy; the subject is {topic}.",
    "Could you draft {kind} about {topic}, addressed to {reader}?",
    "Please produce {kind} whose subject is {topic} and whose audience is {reader}.",
)

_BODY: Final = (
    "There is more to {topic} than one might expect at first",
    "It begins with somebody who decides to give it a try",
    "People who come for the first time often stay longer than they planned",
    "Small sounds and smells make the moment stay in mind",
    "Some things go wrong and that is part of the charm",
    "What counts most is that nobody is left alone with the work",
    "An old woman once told us that it changed how she saw her street",
    "The cost is low and the reward is hard to measure",
    "If you ask around you will hear a dozen different stories",
    "By the end of the day tired hands and happy faces are everywhere",
    "We would like {reader} to see it with their own eyes",
    "A warm coat and an open mind are all that you need",
    "Nothing about it has to be perfect",
    "Those who know {topic} well still find something new in it",
    "The best part comes when the lamps are lit",
)  # fmt: skip
_DEFAULT_LENGTH: Final = 45


def _drawn_demands(rng: random.Random, count: int) -> list[str]:
    said: list[str] = []
    present: list[Constraint] = []
    while len(said) < count:
        sentence = draw_demand(rng, present)
        constraint = read_demand(sentence)
        if constraint is None:
            break
        said.append(sentence)
        present.append(constraint)
    return said


def generate(rng: random.Random) -> Task:
    """A new piece of writing to be done."""
    values: Values = {"kind": rng.choice(_KINDS), "topic": rng.choice(_TOPICS), "reader": rng.choice(_READERS)}
    said = [rng.choice(_OPENINGS).write(values), *_drawn_demands(rng, rng.randint(2, 4))]
    constraints = tuple(filter(None, map(read_demand, said[1:])))
    return _task(" ".join(said), values, constraints)


def _task(instruction: str, values: Values, constraints: tuple[Constraint, ...]) -> Task:
    solution = Solution(
        reference=None,
        grader=ConstraintsGrader(constraints=constraints),
        result=_composed(values, constraints, random.Random(instruction)),  # noqa: S311 - variety, not secrecy
        variant=lambda rng: _composed(values, constraints, rng),
    )
    return Task(family=FAMILY, instruction=instruction, solution=solution)


def read(instruction: str) -> Task | None:
    """The piece of writing that these words ask for, or None."""
    parts = _parts(instruction)
    return _task(instruction, *parts) if parts else None


def _parts(instruction: str) -> tuple[Values, tuple[Constraint, ...]] | None:
    opening, *said = sentences(fold(instruction))
    values = read_first(_OPENINGS, opening)
    constraints = tuple(map(read_demand, said))
    if values is None or not constraints or None in constraints:
        return None
    return values, tuple(filter(None, constraints))


def harder(instruction: str, rng: random.Random) -> str | None:
    """The same piece with one more demand, or None where no more fit."""
    parts = _parts(instruction)
    if parts is None or len(parts[1]) >= _MOST_DEMANDS:
        return None
    demand = draw_demand(rng, parts[1])
    return f"{fold(instruction)} {demand}" if demand else None


def _composed(values: Values, constraints: tuple[Constraint, ...], rng: random.Random) -> str:
    """A text that meets the constraints."""
    wanted = {constraint.id: constraint.arguments for constraint in constraints}
    words = wanted.get("keywords:existence", {}).get("keywords", [])
    lines = [f"And then there is {word} to think of" for word in (words if isinstance(words, list) else [])]
    body = [sentence.format_map(values) for sentence in rng.sample(_BODY, len(_BODY))]
    bullets = wanted.get("detectable_format:number_bullet_lists", {}).get("num_bullets")
    # What must occur stands after an opening that says what it is about.
    lines = [body.pop(), *lines]
    if isinstance(bullets, int):
        text = "\n".join(f"* {line}." for line in (lines + body)[:bullets])
    else:
        fewest = _fewest_words(constraints)
        while body and sum(len(line.split()) for line in lines) < fewest:
            lines.append(body.pop())
        text = " ".join(f"{line}." for line in lines)
    return _dressed(text, values, wanted)


def _fewest_words(constraints: tuple[Constraint, ...]) -> int:
    """Words that the text must have; a demand for fewer than some number may stand beside one for more."""
    lengths = [c.arguments for c in constraints if c.id == "length_constraints:number_words"]
    asked = [int(str(length["num_words"])) for length in lengths if length.get("relation") == "at least"]
    return max(asked, default=_DEFAULT_LENGTH)


def _dressed(text: str, values: Values, wanted: Mapping[str, Mapping[str, object]]) -> str:
    if "detectable_format:title" in wanted:
        text = f"<<About {values['topic']}>>\n{text}"
    if "startend:end_checker" in wanted:
        text = f"{text}\n{wanted['startend:end_checker']['end_phrase']}"
    return text.lower() if "change_case:english_lowercase" in wanted else text
