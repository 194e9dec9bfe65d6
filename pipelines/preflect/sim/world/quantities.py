"""Reasoning about amounts given in several units."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from preflect.schemas import NumberGrader
from preflect.sim.world.phrase import Phrase, Values, phrases
from preflect.sim.world.story import Beat, Script, Story, asked_last
from preflect.sim.world.task import Solution
from preflect.sim.world.words import NAMES, VESSELS


@dataclass(frozen=True, slots=True)
class _Scale:
    small: str
    large: str
    factor: int


_SCALES: Final = {
    "full": _Scale("millilitres", "litres", 1000),
    "long": _Scale("centimetres", "metres", 100),
    "heavy": _Scale("grams", "kilograms", 1000),
    "paid": _Scale("minutes", "hours", 60),
}
_ROPES: Final = ("rope", "hedge", "roll of wire", "garden hose", "banner", "paper streamer")
_LOADS: Final = ("parcel", "flour sack", "rucksack", "fruit crate", "toolbox", "suitcase")
_CHORES: Final = ("choir practice", "chess match", "board meeting", "painting lesson", "radio show", "first aid course")
_THINGS: Final = {"full": VESSELS, "long": _ROPES, "heavy": _LOADS, "paid": _CHORES}

_LINES: Final[dict[str, tuple[Phrase, ...]]] = {
    "start_full": phrases(
        "A {thing} contains {n} litres of water.",
        "{who} fills a {thing} with {n} litres.",
        "Into an empty {thing} {who} pours {n} litres.",
    ),
    "start_long": phrases(
        "A {thing} is {n} metres long.",
        "{who} measures a {thing} and reads {n} metres.",
        "The length of the {thing} that {who} bought is {n} metres.",
    ),
    "start_heavy": phrases(
        "A {thing} weighs {n} kilograms.",
        "On the scales the {thing} of {who} shows {n} kilograms.",
        "{who} lifts a {thing} of {n} kilograms.",
    ),
    "start_paid": phrases(
        "A {thing} is planned to take {n} hours.",
        "{who} sets aside {n} hours for a {thing}.",
        "The {thing} led by {who} usually runs for {n} hours.",
    ),
    "add_small": phrases(
        "Somebody adds {n} {unit}.",
        "An increase of {n} {unit} comes next.",
        "It then gains {n} {unit}.",
    ),
    "cut_small": phrases(
        "Later it loses {n} {unit}.",
        "A reduction by {n} {unit} follows.",
        "From this, {n} {unit} are taken away.",
    ),
    "add_large": phrases(
        "Another {n} {bulk} are put on top.",
        "Soon it grows by {n} {bulk}.",
    ),
    "share": phrases(
        "The result is divided evenly into {k} parts, and only one part is kept.",
        "All of it is split into {k} equal shares, of which one remains.",
    ),
    "multiply": phrases(
        "Then the amount is raised to {k} times what it was.",
        "Somebody decides to make it {k} times as much.",
    ),
    "ask": phrases(
        "What is the amount now, in {unit}?",
        "Express what you end up with in {unit}.",
        "How many {unit} is that in the end?",
        "Report the final figure in {unit}.",
    ),
}
_STARTS: Final = {f"start_{kind}": scale for kind, scale in _SCALES.items()}


def _after(beat: Beat, amount: int, scale: _Scale) -> int | None:
    """The amount in small units after this beat; None for another scale's units or an uneven share."""
    values = beat.values
    if values.get("unit", scale.small) != scale.small or values.get("bulk", scale.large) != scale.large:
        return None
    match beat.act:
        case "add_small":
            return amount + int(values["n"])
        case "cut_small":
            return amount - int(values["n"])
        case "add_large":
            return amount + int(values["n"]) * scale.factor
        case "multiply":
            return amount * int(values["k"])
        case _:
            return None if amount % int(values["k"]) else amount // int(values["k"])


def _amounts(script: Script) -> list[int] | None:
    scale = _STARTS[script[0].act]
    amounts = [int(script[0].values["n"]) * scale.factor]
    for beat in script[1:]:
        if beat.act == "ask":
            continue
        after = _after(beat, amounts[-1], scale)
        if after is None or after <= 0:
            return None
        amounts.append(after)
    return amounts


def _solve(script: Script) -> Solution | None:
    opening = script[0].act
    if opening not in _STARTS or not asked_last(script, opening, ("ask",)):
        return None
    if any(beat.act in _STARTS for beat in script[1:]) or script[-1].values["unit"] != _STARTS[opening].small:
        return None
    amounts = _amounts(script)
    if amounts is None:
        return None
    scale = _STARTS[opening]
    start, final = script[0].values, amounts[-1]
    first = f"{start['n']} {scale.large} are {amounts[0]} {scale.small}"
    decoys = {str(amount) for amount in amounts} | {str(final + 10), str(final * 10), str(final + scale.factor)}
    return Solution(
        reference=str(final),
        grader=NumberGrader(),
        facts=(f"One of the {scale.large} is {scale.factor} {scale.small}.",),
        steps=(
            first,
            *(f"from {a} {scale.small} to {b} {scale.small}" for a, b in pairwise(amounts)),
        ),
        result=f"The amount is now {final} {scale.small}.",
        decoys=tuple(sorted(decoys - {str(final)})),
    )


def _further(script: Script, rng: random.Random) -> Beat | None:
    amounts = _amounts(script)
    if amounts is None:
        return None
    scale = _STARTS[script[0].act]
    while True:
        act = rng.choice(("add_small", "cut_small", "add_large", "share", "multiply"))
        limit = min(950, amounts[-1] // 2)
        values: Values = {"n": str(rng.randint(2, max(3, limit))), "k": str(rng.randint(2, 5))}
        if act == "add_large":
            values = {"n": str(rng.randint(2, 9)), "bulk": scale.large}
        beat = Beat(act, {**values, "unit": scale.small})
        after = _after(beat, amounts[-1], scale)
        if after is not None and after >= 20:  # noqa: PLR2004 - enough to go on with
            return beat


def _draw(rng: random.Random) -> Script:
    kind = rng.choice(sorted(_SCALES))
    scale = _SCALES[kind]
    start: Values = {"thing": rng.choice(_THINGS[kind]), "who": rng.choice(NAMES), "n": str(rng.randint(2, 24))}
    script: Script = (Beat(f"start_{kind}", start),)
    for _ in range(rng.randint(2, 4)):
        beat = _further(script, rng)
        if beat is not None:
            script = (*script, beat)
    return (*script, Beat("ask", {"unit": scale.small}))


QUANTITIES: Final = Story(family="units_and_dates", lines=_LINES, draw=_draw, solve=_solve, further=_further)
