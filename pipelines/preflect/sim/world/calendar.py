"""Reasoning about clocks and dates."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from datetime import date, timedelta
from typing import Final

from preflect.schemas import NumberGrader, RegexGrader
from preflect.sim.world.phrase import Phrase, Values, phrases
from preflect.sim.world.story import Beat, Script, Story, asked_last
from preflect.sim.world.task import Solution
from preflect.sim.world.words import JOURNEYS, NAMES, PROJECTS

_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_DAY_MINUTES: Final = 24 * 60

_CLOCK: Final[dict[str, tuple[Phrase, ...]]] = {
    "depart": phrases(
        "A {vehicle} departs at {clock}.",
        "At {clock} the {vehicle} leaves with {who} on board.",
        "{who} boards a {vehicle} that starts at {clock}.",
        "The timetable says {clock} for the departure of the {vehicle}.",
    ),
    "ride": phrases(
        "It is under way for {h} hours and {m} minutes.",
        "The next section takes {h} hours and {m} minutes.",
        "After another {h} hours and {m} minutes it reaches a junction.",
    ),
    "wait": phrases(
        "There it stands still for {m} minutes.",
        "A signal failure costs {m} minutes.",
        "The crew needs {m} minutes to load parcels.",
        "Then a pause of {m} minutes follows.",
    ),
    "shift": phrases(
        "Passengers then move their watches forward by {h} hours.",
        "Local clocks at that point are {h} hours ahead.",
    ),
    "ask": phrases(
        "What time is it then, as HH:MM on a 24-hour clock?",
        "At what local time does the trip end (24-hour clock, HH:MM)?",
        "Give the final time in the 24-hour form HH:MM.",
        "When is that, written as HH:MM on a 24-hour clock?",
    ),
}


def _written(minutes: int) -> str:
    return f"{minutes // 60 % 24:02d}:{minutes % 60:02d}"


def _shown(reference: str) -> RegexGrader:
    """The reference stands in the answer, and not as part of another figure."""
    return RegexGrader(pattern=rf"(?<![\d:-]){re.escape(reference)}(?![\d-])")


def _passing(values: Values) -> int:
    return int(values.get("h", "0")) * 60 + int(values.get("m", "0"))


def _solve_clock(script: Script) -> Solution | None:
    if not asked_last(script, "depart", ("ask",)):
        return None
    start = script[0].values
    hours, minutes = start["clock"].split(":")
    if int(hours) > 23 or int(minutes) > 59:  # noqa: PLR2004 - the last hour and minute of a clock
        return None
    now = int(hours) * 60 + int(minutes)
    steps: list[str] = []
    for beat in script[1:-1]:
        later = now + _passing(beat.values)
        steps.append(f"{_written(now)} plus {_passing(beat.values)} minutes is {_written(later)}")
        now = later
    reference = _written(now)
    decoys = {_written(now + change) for change in (-60, -10, 5, 40, 60)}
    return Solution(
        reference=reference,
        grader=_shown(reference),
        facts=(f"The {start['vehicle']} starts at {start['clock']}.",),
        steps=tuple(steps),
        result=f"The clock then shows {reference}.",
        decoys=tuple(sorted(decoys - {reference})),
    )


def _further_wait(script: Script, rng: random.Random) -> Beat:
    act = rng.choice(("ride", "wait", "wait"))
    if script[-1].act != "shift" and rng.random() < 0.15:  # noqa: PLR2004 - a change of zone now and then
        act = "shift"
    minutes = str(rng.randint(3, 57))
    values: dict[str, Values] = {
        "ride": {"h": str(rng.randint(2, 9)), "m": minutes},
        "wait": {"m": minutes},
        "shift": {"h": str(rng.randint(2, 4))},
    }
    return Beat(act, values[act])


def _draw_clock(rng: random.Random) -> Script:
    start: Values = {
        "vehicle": rng.choice(JOURNEYS),
        "clock": _written(rng.randrange(_DAY_MINUTES)),
        "who": rng.choice(NAMES),
    }
    script: Script = (Beat("depart", start),)
    for _ in range(rng.randint(2, 4)):
        script = (*script, _further_wait(script, rng))
    return (*script, Beat("ask", {}))


_DATES: Final[dict[str, tuple[Phrase, ...]]] = {
    "begin": phrases(
        "The {project} begins on {date}.",
        "{who} signs the contract for a {project} on {date}.",
        "On {date} the {project} gets under way.",
        "A {project} is announced by {who} on {date}.",
    ),
    "days": phrases(
        "Its first results come {n} days later.",
        "Paperwork then takes {n} days.",
        "The following step lasts {n} days.",
        "Nothing moves for the next {n} days.",
    ),
    "weeks": phrases(
        "After that, {k} weeks go by until the next milestone.",
        "Training the team needs another {k} weeks.",
        "A strike stretches everything by {k} weeks.",
    ),
    "back": phrases(
        "Good luck lets the team finish this part {n} days early.",
        "Because a supplier is fast, {n} days are saved.",
    ),
    "ask_date": phrases(
        "On which date does all of this end, in the form YYYY-MM-DD?",
        "Write the resulting date as YYYY-MM-DD.",
        "Which calendar date is reached (YYYY-MM-DD)?",
    ),
    "ask_days": phrases(
        "How many days pass in all?",
        "Give the overall duration in days.",
        "What is the whole length of time in days?",
    ),
}


def _read_date(text: str) -> date | None:
    day, month, year = text.split(" ")
    try:
        return date(int(year), _MONTHS.index(month) + 1, int(day))
    except ValueError:
        return None


def _days(beat: Beat) -> int:
    match beat.act:
        case "weeks":
            return 7 * int(beat.values["k"])
        case "back":
            return -int(beat.values["n"])
        case _:
            return int(beat.values["n"])


def _solve_dates(script: Script) -> Solution | None:
    if not asked_last(script, "begin", ("ask_date", "ask_days")):
        return None
    start = script[0].values
    began = _read_date(start["date"])
    if began is None or any(beat.act == "begin" for beat in script[1:]):
        return None
    passed = 0
    steps: list[str] = []
    for beat in script[1:-1]:
        passed += _days(beat)
        steps.append(f"{_days(beat):+d} days makes {passed} days so far")
    reached = _duration(passed) if script[-1].act == "ask_days" else _date_after(began, passed)
    return replace(reached, facts=(f"The {start['project']} starts on {start['date']}.",), steps=tuple(steps))


def _duration(days: int) -> Solution:
    decoys = {str(days + change) for change in (-7, -1, 2, 7, 14)}
    return Solution(
        reference=str(days),
        grader=NumberGrader(),
        result=f"The whole span is {days} days.",
        decoys=tuple(sorted(decoys)),
    )


def _date_after(began: date, days: int) -> Solution:
    reached = [(began + timedelta(days=days + change)).isoformat() for change in (0, -7, -1, 1, 7, 30)]
    return Solution(
        reference=reached[0],
        grader=_shown(reached[0]),
        result=f"Counting {days} days on from the start leads to {reached[0]}.",
        decoys=tuple(reached[1:]),
    )


def _further_span(script: Script, rng: random.Random) -> Beat:
    far_enough = sum(map(_days, (beat for beat in script[1:] if beat.act in {"days", "weeks", "back"}))) > 20  # noqa: PLR2004
    act = rng.choice(("days", "weeks", "back") if far_enough else ("days", "weeks"))
    return Beat(act, {"n": str(rng.randint(2, 9 if act == "back" else 45)), "k": str(rng.randint(2, 8))})


def _draw_dates(rng: random.Random) -> Script:
    began = date(rng.randint(1998, 2031), 1, 1) + timedelta(days=rng.randrange(365))
    written = f"{began.day} {_MONTHS[began.month - 1]} {began.year}"
    start: Values = {"project": rng.choice(PROJECTS), "who": rng.choice(NAMES), "date": written}
    script: Script = (Beat("begin", start),)
    for _ in range(rng.randint(2, 4)):
        script = (*script, _further_span(script, rng))
    return (*script, Beat(rng.choice(("ask_date", "ask_date", "ask_days")), {}))


CLOCK: Final = Story(
    family="units_and_dates", lines=_CLOCK, draw=_draw_clock, solve=_solve_clock, further=_further_wait
)
DATES: Final = Story(
    family="units_and_dates", lines=_DATES, draw=_draw_dates, solve=_solve_dates, further=_further_span
)
