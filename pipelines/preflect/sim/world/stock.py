"""Word problems about a stock that grows and shrinks."""

from __future__ import annotations

import random
from typing import Final

from preflect.schemas import NumberGrader
from preflect.sim.world.phrase import Phrase, Values, phrases
from preflect.sim.world.story import Beat, Script, Story, asked_last
from preflect.sim.world.task import Solution
from preflect.sim.world.words import NAMES, STOCKS

_LINES: Final[dict[str, tuple[Phrase, ...]]] = {
    "start": phrases(
        "{who} runs a {place} and opens the week with {n} {things} in store.",
        "At the {place}, {who} counts {n} {things} before the doors open.",
        "A {place} that belongs to {who} has {n} {things} to begin with.",
        "There are {n} {things} on the shelves of the {place} where {who} works.",
        "On Monday morning the {place} kept by {who} holds {n} {things}.",
        "{who} takes over a {place} together with {n} {things}.",
    ),
    "add": phrases(
        "A delivery brings {n} more.",
        "Then {n} others are ordered and arrive the same day.",
        "While tidying the cellar, a helper finds {n} that nobody had counted.",
        "A neighbour who closes down hands over {n} free of charge.",
    ),
    "sub": phrases(
        "By noon {n} have been sold.",
        "Unluckily, {n} turn out to be damaged and are thrown away.",
        "A regular customer picks up {n} for a celebration.",
        "Overnight a burst pipe ruins {n} of the lot.",
    ),
    "boxes_in": phrases(
        "A van unloads {a} cartons with {b} in each.",
        "The wholesaler sends {a} pallets, every one of them holding {b}.",
        "Another {a} sacks come in, packed with {b} apiece.",
    ),
    "boxes_out": phrases(
        "In the afternoon {a} schools collect {b} each.",
        "An exporter loads {a} crates and puts {b} into every crate.",
        "Later {a} families walk in, and each of them buys {b}.",
    ),
    "times": phrases(
        "Thanks to a good season the stock becomes {k} times as large.",
        "A merger multiplies what is there by {k}.",
        "Production is stepped up until there are {k} times as many as at that point.",
    ),
    "half": phrases(
        "Exactly half of what is there is moved to a second branch.",
        "The owner gives every second one to charity, which is half of the stock.",
        "Half of the remaining stock goes into storage elsewhere.",
    ),
    "percent": phrases(
        "Of the stock at this point, {p} percent is sold at a discount.",
        "The county orders {p} percent of everything that is there.",
        "An inspector sends back {p} percent of the current stock.",
    ),
    "aside": phrases(
        "The weather stays mild all week.",
        "A new sign is put up above the entrance.",
        "Two cousins stop by for a chat without buying anything.",
        "The radio plays old songs in the meantime.",
        "A cat sleeps on the counter through all of this.",
    ),
    "ask": phrases(
        "How many are left in the end?",
        "Work out the final number of {things}.",
        "What is the size of the stock after all of this?",
        "Determine how many {things} remain at the close of the story.",
        "After these events, how many does the {place} have?",
    ),
}
_FEWEST_LEFT: Final = 10


def _apply(beat: Beat, stock: int) -> tuple[int, str] | None:
    """The stock after a beat and the calculation as a line; None where it cannot happen."""
    number = {name: int(value) for name, value in beat.values.items() if value.isdigit()}
    match beat.act:
        case "add":
            after, sum_ = stock + number["n"], f"{stock} + {number['n']}"
        case "sub":
            after, sum_ = stock - number["n"], f"{stock} - {number['n']}"
        case "boxes_in":
            after, sum_ = stock + number["a"] * number["b"], f"{stock} + {number['a']} x {number['b']}"
        case "boxes_out":
            after, sum_ = stock - number["a"] * number["b"], f"{stock} - {number['a']} x {number['b']}"
        case "times":
            after, sum_ = stock * number["k"], f"{stock} x {number['k']}"
        case "half":
            after, sum_ = stock // 2, f"{stock} / 2"
        case "percent":
            after, sum_ = stock - stock * number["p"] // 100, f"{stock} - {number['p']}% of {stock}"
        case _:
            after, sum_ = stock, ""
    uneven = (beat.act == "half" and stock % 2) or (beat.act == "percent" and stock * number["p"] % 100)
    return None if uneven or after < 0 else (after, f"{sum_} = {after}" if sum_ else "")


def _solve(script: Script) -> Solution | None:
    if not asked_last(script, "start", ("ask",)):
        return None
    start = script[0].values
    stock = int(start["n"])
    steps: list[str] = []
    states = [stock]
    for beat in script[1:-1]:
        outcome = _apply(beat, stock)
        if outcome is None:
            return None
        stock, line = outcome
        if line:
            steps.append(line)
            states.append(stock)
    decoys = {str(state) for state in states[:-1]} | {str(stock + change) for change in (-10, -2, 1, 12)}
    return Solution(
        reference=str(stock),
        grader=NumberGrader(),
        facts=(f"The {start['place']} starts with {start['n']} {start['things']}.",),
        steps=tuple(steps),
        result=f"So the number of {start['things']} left is {stock}.",
        decoys=tuple(sorted(decoys - {str(stock)})),
    )


def _candidate(stock: int, rng: random.Random) -> Beat:
    act = rng.choice(("add", "sub", "boxes_in", "boxes_out", "times", "half", "percent"))
    values: Values = {
        "n": str(rng.randint(3, 95)),
        "a": str(rng.randint(2, 9)),
        "b": str(rng.randint(3, 18)),
        "k": str(rng.randint(2, 4)),
        "p": str(rng.choice((10, 20, 25, 40, 50, 75))),
    }
    if act == "sub":
        values["n"] = str(rng.randint(2, max(3, stock // 2)))
    return Beat(act, values)


def _feasible(stock: int, used: set[str], rng: random.Random) -> tuple[Beat, int]:
    while True:
        beat = _candidate(stock, rng)
        outcome = _apply(beat, stock)
        if outcome and outcome[0] >= _FEWEST_LEFT and beat.act not in used:
            return beat, outcome[0]


def _draw(rng: random.Random) -> Script:
    place = rng.choice(sorted(STOCKS))
    stock = rng.randint(30, 240)
    start: Values = {"who": rng.choice(NAMES), "place": place, "things": rng.choice(STOCKS[place]), "n": str(stock)}
    beats = [Beat("start", start)]
    for _ in range(rng.randint(2, 4)):
        beat, stock = _feasible(stock, {b.act for b in beats}, rng)
        beats.append(beat)
    if rng.random() < 0.4:  # noqa: PLR2004 - two stories in five have a sentence that does not matter
        beats.insert(rng.randint(1, len(beats)), Beat("aside", {}))
    return (*beats, Beat("ask", start))


def _further(script: Script, rng: random.Random) -> Beat | None:
    solution = _solve(script)
    if solution is None or solution.reference is None:
        return None
    used = {beat.act for beat in script} - {"add", "sub"}
    return _feasible(int(solution.reference), used, rng)[0]


STOCK: Final = Story(family="arithmetic", lines=_LINES, draw=_draw, solve=_solve, further=_further)
