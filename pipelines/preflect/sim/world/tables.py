"""Look-ups in a table that stands in the instruction."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from preflect.schemas import ChoiceGrader, GraderSpec, NumberGrader
from preflect.sim.world.phrase import Phrase, Values, phrases
from preflect.sim.world.task import Solution, Task, fold

FAMILY: Final = "tables"


@dataclass(frozen=True, slots=True)
class _Subject:
    heading: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    lead: str


_SUBJECTS: Final = (
    _Subject("town", ("Arlby", "Brask", "Corvin", "Dunmere", "Estrel", "Falkow"), ("rainfall", "sunshine", "visitors"),
             "The tourist office of a valley keeps these figures."),
    _Subject("orchard", ("Hillside", "Lowfield", "Mossgate", "Northend", "Oakdale"),
             ("apples", "pears", "plums", "workers"),
             "Five orchards report their harvest in crates, and how many people helped."),
    _Subject("ship", ("Albatross", "Bluefin", "Cormorant", "Dolphin", "Egret", "Fulmar"), ("crew", "cargo", "voyages"),
             "Below is an extract from a harbour master's book."),
    _Subject("player", ("Anders", "Birgit", "Carlos", "Daria", "Emre", "Flora"), ("goals", "assists", "fouls"),
             "At the end of the season a coach looks at this overview."),
    _Subject("planet", ("Aeron", "Borea", "Cindra", "Dorvan", "Ellim"), ("moons", "mass", "distance"),
             "An imaginary star system is described by this data."),
    _Subject("printer", ("Atlas", "Bolt", "Crane", "Delta", "Ember"), ("price", "pages", "weight", "noise"),
             "A small firm compares devices before it buys one."),
    _Subject("museum", ("Castle", "Railway", "Maritime", "Textile", "Natural"), ("exhibits", "guides", "rooms"),
             "The city council has asked its museums for numbers."),
    _Subject("recipe", ("Borscht", "Goulash", "Paella", "Ramen", "Tagine"),
             ("minutes", "servings", "spices", "calories"),
             "In a cook's notebook one finds this list."),
)  # fmt: skip

_LOOKUP: Final = phrases(
    "What is the {column} value of {who}?",
    "Look up {column} for {who} and give the number.",
    "Which number stands under {column} in the row of {who}?",
)
_SUM: Final = phrases(
    "What do all values of {column} add up to?",
    "Compute the total over the column {column}.",
    "Add together everything listed under {column}.",
)
_DIFFERENCE: Final = phrases(
    "By how much do {who} and {other} differ in {column}?",
    "How large is the gap in {column} between {who} and {other}?",
)
_SUM_ABOVE: Final = phrases(
    "Taking only rows whose {second} is above {n}, what is the sum of {column}?",
    "Leave aside every row where {second} does not exceed {n}; what is the total of {column} for the others?",
)
_HIGHEST: Final = phrases(
    "Which {heading} has the highest {column}?",
    "Name the {heading} with the greatest {column}.",
    "At the top in terms of {column} stands which {heading}?",
)
_LOWEST: Final = phrases(
    "Which {heading} has the lowest {column}?",
    "Find the {heading} that comes last in {column}.",
)
_HIGHEST_ABOVE: Final = phrases(
    "Among those whose {second} is above {n}, which {heading} has the highest {column}?",
    "Only a {heading} with more than {n} for {second} counts: which of them leads in {column}?",
)
_COUNT: Final = phrases(
    "In how many rows is {column} greater than {n}?",
    "Count the entries of {column} that are above {n}.",
)


@dataclass(frozen=True, slots=True)
class _Table:
    heading: str
    columns: tuple[str, ...]
    rows: dict[str, tuple[int, ...]]

    def column(self, name: str) -> dict[str, int]:
        place = self.columns.index(name)
        return {row: numbers[place] for row, numbers in self.rows.items()}

    def above(self, values: Values) -> set[str]:
        return {row for row, number in self.column(values["second"]).items() if number > int(values["n"])}


_Answer = tuple[str, str] | None
"""The result and the step that leads to it; None where the question has no single answer."""


def _lookup(table: _Table, values: Values) -> _Answer:
    number = table.column(values["column"]).get(values["who"])
    return None if number is None else (str(number), f"the row of {values['who']} is the one to read")


def _summed(numbers: list[int]) -> _Answer:
    return (str(sum(numbers)), f"{' + '.join(map(str, numbers))} = {sum(numbers)}") if numbers else None


def _difference(table: _Table, values: Values) -> _Answer:
    column = table.column(values["column"])
    if values["who"] == values["other"] or not {values["who"], values["other"]} <= set(column):
        return None
    high, low = sorted((column[values["who"]], column[values["other"]]), reverse=True)
    return str(high - low), f"{high} - {low} = {high - low}"


def _extreme(column: dict[str, int], best: Callable[[list[int]], int]) -> _Answer:
    if not column:
        return None
    number = best(list(column.values()))
    [first, *ties] = [row for row, value in column.items() if value == number]
    return None if ties else (first, f"the value that decides is {number}")


def _highest_above(table: _Table, values: Values) -> _Answer:
    rows = table.above(values)
    return _extreme({row: value for row, value in table.column(values["column"]).items() if row in rows}, max)


def _sum_above(table: _Table, values: Values) -> _Answer:
    rows = table.above(values)
    return _summed([value for row, value in table.column(values["column"]).items() if row in rows])


def _count(table: _Table, values: Values) -> _Answer:
    number = sum(value > int(values["n"]) for value in table.column(values["column"]).values())
    return str(number), f"the rows above {values['n']} are counted"


_QUESTIONS: Final[tuple[tuple[tuple[Phrase, ...], Callable[[_Table, Values], _Answer], bool], ...]] = (
    (_LOOKUP, _lookup, False),
    (_SUM, lambda table, values: _summed(list(table.column(values["column"]).values())), False),
    (_DIFFERENCE, _difference, False),
    (_SUM_ABOVE, _sum_above, True),
    (_HIGHEST, lambda table, values: _extreme(table.column(values["column"]), max), False),
    (_LOWEST, lambda table, values: _extreme(table.column(values["column"]), min), False),
    (_HIGHEST_ABOVE, _highest_above, True),
    (_COUNT, _count, False),
)
"""Each question's wordings, how it is answered, and whether it takes two steps."""

_MARKDOWN: Final = re.compile(r"(?P<table>\| .* \|)")
_RULE: Final = re.compile(r"\|(?: --- \|)+")


def _drawn_table(subject: _Subject, rng: random.Random) -> _Table:
    rows = rng.sample(subject.rows, rng.randint(4, len(subject.rows)))
    columns = tuple(rng.sample(subject.columns, rng.randint(2, len(subject.columns))))
    numbers = [tuple(rng.sample(range(3, 180), len(columns))) for _ in rows]
    return _Table(subject.heading, columns, dict(zip(rows, numbers, strict=True)))


def _written(table: _Table) -> str:
    lines = [(table.heading, *table.columns), ("---",) * (len(table.columns) + 1)]
    lines += [(row, *map(str, numbers)) for row, numbers in table.rows.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _read_table(folded: str) -> _Table | None:
    rule = _RULE.search(folded)
    if rule is None:
        return None
    width = rule[0].count("---")
    cells = [cell.strip() for cell in folded.strip("| ").replace("| |", "|").split("|")]
    [heading, *columns] = cells[:width]
    body = cells[2 * width :]
    rows = [tuple(body[start : start + width]) for start in range(0, len(body), width)]
    if not rows or len(rows[-1]) != width or not all(cell.isdigit() for row in rows for cell in row[1:]):
        return None
    return _Table(heading, tuple(columns), {row[0]: tuple(map(int, row[1:])) for row in rows})


def _solution(table: _Table, question: str) -> Solution | None:
    for ways, answer, _ in _QUESTIONS:
        for way in ways:
            values = way.read(question)
            if values is not None and _fits(table, values):
                answered = answer(table, values)
                return _told(table, values, *answered) if answered else None
    return None


def _fits(table: _Table, values: Values) -> bool:
    named = {values.get("column", table.columns[0]), values.get("second", table.columns[0])}
    return named <= set(table.columns) and values.get("heading", table.heading) == table.heading


def _told(table: _Table, values: Values, result: str, step: str) -> Solution:
    number = result.isdigit()
    grader: GraderSpec = NumberGrader() if number else ChoiceGrader(choices=tuple(table.rows))
    column = table.column(values["column"])
    others = {str(value) for value in column.values()} | {str(int(result) + 10)} if number else set(table.rows)
    return Solution(
        reference=result,
        grader=grader,
        facts=(f"What matters is the column {values['column']}.",),
        steps=(step,),
        result=f"The answer is {result}.",
        decoys=tuple(sorted(others - {result})),
    )


def _asked(table: _Table, rng: random.Random, *, hard: bool) -> tuple[str, Solution]:
    while True:
        ways, answer, two_steps = rng.choice(_QUESTIONS)
        if two_steps < hard:
            continue
        who, other = rng.sample(sorted(table.rows), 2)
        column, second = rng.sample(table.columns, 2)
        values: Values = {"who": who, "other": other, "column": column, "second": second, "heading": table.heading}
        numbers = sorted(table.column(second if two_steps else column).values())
        values["n"] = str(rng.choice(numbers[:-2]))
        answered = answer(table, values)
        if answered:
            return rng.choice(ways).write(values), _told(table, values, *answered)


def generate(rng: random.Random) -> Task:
    """A new table with a question about it."""
    subject = rng.choice(_SUBJECTS)
    table = _drawn_table(subject, rng)
    question, solution = _asked(table, rng, hard=False)
    parts = [subject.lead, _written(table), question]
    if rng.random() < 0.5:  # noqa: PLR2004 - the question stands first as often as last
        parts = [question, subject.lead, _written(table)]
    return Task(family=FAMILY, instruction="\n\n".join(parts), solution=solution)


def read(instruction: str) -> Task | None:
    """The task that these words and their table state, or None."""
    taken = _taken_apart(instruction)
    solution = _solution(taken[1], taken[2]) if taken else None
    return Task(family=FAMILY, instruction=instruction, solution=solution) if solution else None


def _taken_apart(instruction: str) -> tuple[str, _Table, str] | None:
    """The words about the table, the table, the question."""
    folded = fold(instruction)
    written = _MARKDOWN.search(folded)
    table = _read_table(written[0]) if written else None
    if written is None or table is None:
        return None
    words = fold(folded.replace(written[0], " "))
    for lead in (subject.lead for subject in _SUBJECTS):
        if lead in words:
            return lead, table, fold(words.replace(lead, " "))
    return None


def harder(instruction: str, rng: random.Random) -> str | None:
    """The same table with a question that takes two steps, or None if this is no such task."""
    taken = _taken_apart(instruction)
    if taken is None:
        return None
    lead, table, old = taken
    question, _ = _asked(table, rng, hard=True)
    return None if question == old else "\n\n".join((lead, _written(table), question))
