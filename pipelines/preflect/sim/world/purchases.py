"""Word problems about money spent, ground covered and things collected."""

from __future__ import annotations

import random
from typing import Final

from preflect.schemas import NumberGrader
from preflect.sim.world.phrase import Phrase, Values, phrases
from preflect.sim.world.story import Beat, Script, Story, asked_last
from preflect.sim.world.task import Solution
from preflect.sim.world.words import COLLECTIBLES, GOODS, NAMES, SHOPS, WAYS_OF_TRAVEL


def _number(reference: int, result: str, steps: list[str], facts: tuple[str, ...], decoys: set[int]) -> Solution:
    near = {reference - 1, reference + 3, reference + 10}
    return Solution(
        reference=str(reference),
        grader=NumberGrader(),
        result=result,
        steps=tuple(steps),
        facts=facts,
        decoys=tuple(str(n) for n in sorted((decoys | near) - {reference}) if n > 0),
    )


_SHOPPING: Final[dict[str, tuple[Phrase, ...]]] = {
    "purse": phrases(
        "{who} goes to the {shop} with {n} dollars.",
        "With {n} dollars to spend, {who} enters the {shop}.",
        "{who} has saved {n} dollars and visits the {shop}.",
    ),
    "item": phrases(
        "First into the basket go {k} {things} at {c} dollars each.",
        "The price of {things} is {c} dollars apiece, and {k} of them are bought.",
        "A stack of {k} {things} is chosen, each of which costs {c} dollars.",
        "For {things} the stall asks {c} dollars a piece; {k} seem enough.",
    ),
    "voucher": phrases(
        "A coupon lowers the bill by {n} dollars.",
        "The seller lets {n} dollars off for a loyal customer.",
    ),
    "fee": phrases(
        "Wrapping everything up adds {n} dollars.",
        "On top of that there is a charge of {n} dollars for delivery.",
    ),
    "total": phrases(
        "How many dollars does the whole purchase cost?",
        "Give the total of the bill in dollars.",
        "What does everything come to, in dollars?",
    ),
    "change": phrases(
        "How many dollars remain afterwards?",
        "Compute the money that is left over, in dollars.",
        "What amount of dollars is still in the purse at the end?",
    ),
}


def _bill(script: Script) -> tuple[int, list[str]]:
    bill = 0
    steps: list[str] = []
    for beat in script:
        values = beat.values
        if beat.act == "item":
            cost = int(values["k"]) * int(values["c"])
            steps.append(f"{values['k']} {values['things']} cost {values['k']} x {values['c']} = {cost} dollars")
            bill += cost
        elif beat.act in {"voucher", "fee"}:
            signed = int(values["n"]) * (1 if beat.act == "fee" else -1)
            steps.append(f"the {beat.act} changes {bill} dollars into {bill + signed} dollars")
            bill += signed
    return bill, steps


def _solve_shopping(script: Script) -> Solution | None:
    if not asked_last(script, "purse", ("total", "change")):
        return None
    bill, steps = _bill(script)
    purse = int(script[0].values["n"])
    if not 0 < bill < purse:
        return None
    facts = (f"{script[0].values['who']} has {purse} dollars.",)
    steps.append(f"the bill is {bill} dollars")
    if script[-1].act == "total":
        return _number(bill, f"In total the purchase costs {bill} dollars.", steps, facts, {purse - bill, bill + 5})
    steps.append(f"{purse} - {bill} = {purse - bill}")
    left = purse - bill
    return _number(left, f"That leaves {left} dollars.", steps, facts, {bill, left + 5})


def _item(rng: random.Random) -> Beat:
    values: Values = {"k": str(rng.randint(2, 9)), "c": str(rng.randint(2, 14)), "things": rng.choice(GOODS)}
    return Beat("item", values)


def _draw_shopping(rng: random.Random) -> Script:
    beats = [_item(rng) for _ in range(rng.randint(2, 4))]
    if rng.random() < 0.5:  # noqa: PLR2004 - every second bill is changed by something else
        beats.append(Beat(rng.choice(("voucher", "fee")), {"n": str(rng.randint(2, 3))}))
    bill, _ = _bill(tuple(beats))
    purse: Values = {"who": rng.choice(NAMES), "shop": rng.choice(SHOPS), "n": str(bill + rng.randint(5, 160))}
    return (Beat("purse", purse), *beats, Beat(rng.choice(("total", "change")), {}))


def _further_purchase(script: Script, rng: random.Random) -> Beat | None:
    spare = int(script[0].values["n"]) - _bill(script)[0]
    price = rng.randint(2, 9)
    count = min(6, (spare - 1) // price)
    if count < 2:  # noqa: PLR2004 - a plural is needed
        return None
    return Beat("item", {"k": str(count), "c": str(price), "things": rng.choice(GOODS)})


_TRAVEL: Final[dict[str, tuple[Phrase, ...]]] = {
    "leave": phrases(
        "{who} sets out on a long trip at dawn.",
        "Early in spring {who} begins a tour through the hills.",
        "{who} wants to reach the coast and starts at the old mill.",
        "To visit a friend far away, {who} leaves home.",
    ),
    "leg": phrases(
        "For {h} hours {who} {travels} at {n} kilometres per hour.",
        "Next {who} {travels} for {h} hours, covering {n} kilometres in every hour.",
        "At a steady {n} kilometres per hour {who} {travels} during {h} hours.",
    ),
    "stretch": phrases(
        "A tow adds {n} kilometres to the distance.",
        "Then a bus takes the traveller {n} kilometres further.",
        "The following {n} kilometres are covered on the back of a lorry.",
    ),
    "rest": phrases(
        "A break for soup follows.",
        "The view from the pass is worth a pause.",
        "Rain makes everyone wait under a roof for a while.",
    ),
    "ask": phrases(
        "How many kilometres is the whole way?",
        "Find the total distance in kilometres.",
        "What distance in kilometres has been covered altogether?",
        "State how far the trip was in kilometres.",
    ),
}


def _solve_travel(script: Script) -> Solution | None:
    if not asked_last(script, "leave", ("ask",)):
        return None
    total = 0
    steps: list[str] = []
    parts: set[int] = set()
    for beat in script[1:-1]:
        values = beat.values
        if beat.act == "rest":
            continue
        part = int(values["n"]) * int(values.get("h", "1"))
        shown = f"{values['h']} x {values['n']} = {part}" if beat.act == "leg" else str(part)
        steps.append(f"this stretch is {shown} kilometres, {total} + {part} = {total + part} so far")
        parts.add(total)
        total += part
    if not steps:
        return None
    facts = (f"{script[0].values['who']} travels in several stretches, and their lengths add up.",)
    return _number(total, f"The whole way is {total} kilometres.", steps, facts, parts)


def _leg(who: str, rng: random.Random) -> Beat:
    if rng.random() < 0.3:  # noqa: PLR2004 - most of the way is covered at a speed
        return Beat("stretch", {"n": str(rng.randint(4, 60))})
    speed, hours = str(rng.randint(4, 45)), str(rng.randint(2, 6))
    return Beat("leg", {"who": who, "travels": rng.choice(WAYS_OF_TRAVEL), "n": speed, "h": hours})


def _draw_travel(rng: random.Random) -> Script:
    who = rng.choice(NAMES)
    legs = [_leg(who, rng) for _ in range(rng.randint(2, 4))]
    if rng.random() < 0.4:  # noqa: PLR2004 - two trips in five have a rest
        legs.insert(rng.randint(0, len(legs)), Beat("rest", {}))
    return (Beat("leave", {"who": who}), *legs, Beat("ask", {}))


def _further_leg(script: Script, rng: random.Random) -> Beat:
    return _leg(script[0].values["who"], rng)


_COLLECTING: Final[dict[str, tuple[Phrase, ...]]] = {
    "first": phrases(
        "{who} owns {n} {things}.",
        "In a drawer {who} keeps {n} {things}.",
        "The collection of {who} consists of {n} {things}.",
    ),
    "times": phrases(
        "{who} has {k} times as many as {other}.",
        "Compared with {other}, {who} owns {k} times the number.",
        "Multiply what {other} has by {k} to get the collection of {who}.",
    ),
    "more": phrases(
        "{who} has {n} more than {other}.",
        "If {other} found another {n}, it would match what {who} has.",
        "The set of {who} is larger than that of {other} by {n}.",
    ),
    "fewer": phrases(
        "{who} has {n} fewer than {other}.",
        "To draw level with {other}, {who} would need {n} extra.",
        "The set of {who} is smaller than that of {other} by {n}.",
    ),
    "ask": phrases(
        "How many do they have together?",
        "What is the combined number of {things}?",
        "Add up all of their {things} and give the sum.",
    ),
    "last": phrases(
        "How many {things} does {who} have?",
        "Calculate the number of {things} that {who} owns.",
    ),
}


def _holding(beat: Beat, held: dict[str, int]) -> tuple[int, str] | None:
    values = beat.values
    base = held.get(values["other"])
    if base is None or values["who"] in held:
        return None
    match beat.act:
        case "times":
            return base * int(values["k"]), f"{base} x {values['k']}"
        case "more":
            return base + int(values["n"]), f"{base} + {values['n']}"
        case _:
            return base - int(values["n"]), f"{base} - {values['n']}"


def _holdings(script: Script) -> tuple[dict[str, int], list[str]] | None:
    first = script[0].values
    held = {first["who"]: int(first["n"])}
    steps: list[str] = []
    for beat in script[1:]:
        if "other" not in beat.values:
            continue
        outcome = _holding(beat, held)
        if outcome is None or outcome[0] < 1:
            return None
        held[beat.values["who"]] = outcome[0]
        steps.append(f"{beat.values['who']}: {outcome[1]} = {outcome[0]}")
    return held, steps


def _solve_collecting(script: Script) -> Solution | None:
    if not asked_last(script, "first", ("ask", "last")):
        return None
    counted = _holdings(script)
    if counted is None:
        return None
    held, steps = counted
    first = script[0].values
    facts = (f"{first['who']} has {first['n']} {first['things']}.",)
    others = set(held.values())
    if script[-1].act == "last":
        who = script[-1].values["who"]
        if who not in held:
            return None
        return _number(held[who], f"{who} therefore has {held[who]} {first['things']}.", steps, facts, others)
    total = sum(held.values())
    steps.append(f"{' + '.join(map(str, held.values()))} = {total}")
    return _number(total, f"Together they have {total} {first['things']}.", steps, facts, others)


def _relation(held: dict[str, int], rng: random.Random) -> Beat:
    who = rng.choice([name for name in NAMES if name not in held])
    other = rng.choice(sorted(held))
    act = rng.choice(("times", "more", "fewer") if held[other] > 3 else ("times", "more"))  # noqa: PLR2004 - something is left
    n = rng.randint(2, held[other] - 1) if act == "fewer" else rng.randint(2, 40)
    return Beat(act, {"who": who, "other": other, "k": str(rng.randint(2, 4)), "n": str(n)})


def _draw_collecting(rng: random.Random) -> Script:
    things = rng.choice(COLLECTIBLES)
    script: Script = (Beat("first", {"who": rng.choice(NAMES), "n": str(rng.randint(8, 70)), "things": things}),)
    for _ in range(rng.randint(2, 4)):
        script = (*script, _further_relation(script, rng))
    act = rng.choice(("ask", "ask", "last"))
    return (*script, Beat(act, {"things": things, "who": script[-1].values["who"]}))


def _further_relation(script: Script, rng: random.Random) -> Beat:
    counted = _holdings(script)
    if counted is None:
        raise ValueError(f"collections that contradict each other: {script}")
    return _relation(counted[0], rng)


SHOPPING: Final = Story(
    family="arithmetic", lines=_SHOPPING, draw=_draw_shopping, solve=_solve_shopping, further=_further_purchase
)
TRAVEL: Final = Story(family="arithmetic", lines=_TRAVEL, draw=_draw_travel, solve=_solve_travel, further=_further_leg)
COLLECTING: Final = Story(
    family="arithmetic", lines=_COLLECTING, draw=_draw_collecting, solve=_solve_collecting, further=_further_relation
)
