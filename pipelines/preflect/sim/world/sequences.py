"""Manipulating lists of numbers and single words, step by step."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable
from typing import Final

from preflect.schemas import NumberGrader, RegexGrader
from preflect.sim.world.phrase import Phrase, Values, phrases
from preflect.sim.world.story import Beat, Script, Story, asked_last
from preflect.sim.world.task import Solution
from preflect.sim.world.words import WORDS

_LISTS: Final[dict[str, tuple[Phrase, ...]]] = {
    "list": phrases(
        "Start from the list {numbers}.",
        "You are given these numbers: {numbers}.",
        "Here is a row of numbers: {numbers}.",
        "Write down {numbers} as a list.",
    ),
    "up": phrases("Sort it from the smallest to the largest.", "Arrange the entries in rising order."),
    "down": phrases("Sort it so that the largest entry comes first.", "Put everything into falling order."),
    "reverse": phrases("Turn the order round.", "Reverse the sequence."),
    "head": phrases("Strike out the first {k} entries.", "Remove {k} entries at the front."),
    "tail": phrases("Cut off the last {k} entries.", "Remove {k} entries at the end."),
    "double": phrases("Double each of them.", "Replace every entry by twice its value."),
    "plus": phrases("Add {n} to each entry.", "Increase all entries by {n}."),
    "even": phrases("Keep nothing but the even ones.", "Throw out all odd entries."),
    "odd": phrases("Keep nothing but the odd ones.", "Throw out all even entries."),
    "swap": phrases("Exchange the first entry with the last one.", "Let the two outermost entries trade places."),
    "push": phrases("Append {n} to it.", "Put {n} behind the last entry."),
    "ask_list": phrases(
        "Finish with a line that reads 'Result:' followed by the list, entries separated by a comma and a blank.",
        "The last line of the answer is 'Result:' and the list with a comma and a blank between entries.",
    ),
    "ask_sum": phrases("What is the sum of the entries now?", "Now add the entries up and give their total."),
    "ask_largest": phrases("Which entry is the largest now?", "Name the greatest of the entries that are left."),
}
_FEWEST: Final = 2

_ON_LISTS: Final[dict[str, Callable[[list[int], int], list[int]]]] = {
    "up": lambda entries, _: sorted(entries),
    "down": lambda entries, _: sorted(entries, reverse=True),
    "reverse": lambda entries, _: entries[::-1],
    "head": lambda entries, k: entries[k:],
    "tail": lambda entries, k: entries[: len(entries) - k],
    "double": lambda entries, _: [2 * entry for entry in entries],
    "plus": lambda entries, n: [entry + n for entry in entries],
    "even": lambda entries, _: [entry for entry in entries if entry % 2 == 0],
    "odd": lambda entries, _: [entry for entry in entries if entry % 2],
    "swap": lambda entries, _: [entries[-1], *entries[1:-1], entries[0]],
    "push": lambda entries, n: [*entries, n],
}


def _joined(entries: list[int]) -> str:
    return ", ".join(map(str, entries))


def _operand(values: Values) -> int:
    return int(values.get("k", values.get("n", "0")))


def _states(script: Script) -> list[list[int]] | None:
    states = [[int(number) for number in script[0].values["numbers"].split(", ")]]
    for beat in script[1:]:
        if beat.act not in _ON_LISTS:
            continue
        after = _ON_LISTS[beat.act](states[-1], _operand(beat.values))
        if len(after) < _FEWEST:
            return None
        states.append(after)
    return states


def _last_line(result: str, missed: Iterable[str], facts: tuple[str, ...], steps: tuple[str, ...]) -> Solution:
    """The solution of a task that wants its result on a line of its own."""
    reference = f"Result: {result}"
    return Solution(
        reference=reference,
        grader=RegexGrader(pattern=rf"(?m)^\W*Result:\s*{re.escape(result)}\.?\s*$", ignore_case=True),
        facts=facts,
        steps=steps,
        result=f"{reference}.",
        decoys=tuple(f"Result: {other}" for other in sorted(set(missed) - {result})),
    )


def _solve_list(script: Script) -> Solution | None:
    if not asked_last(script, "list", ("ask_list", "ask_sum", "ask_largest")):
        return None
    states = _states(script)
    if states is None:
        return None
    final = states[-1]
    steps = tuple(f"the list becomes {_joined(state)}" for state in states[1:])
    facts = (f"The list to begin with is {_joined(states[0])}.",)
    if script[-1].act == "ask_list":
        missed = map(_joined, (*states, final[::-1], final[:-1], [*final[1:], final[0]]))
        return _last_line(_joined(final), missed, facts, steps)
    number = sum(final) if script[-1].act == "ask_sum" else max(final)
    result = f"The {'sum' if script[-1].act == 'ask_sum' else 'largest entry'} is {number}."
    decoys = {str(number + change) for change in (-2, 1, 4, 10)}
    return Solution(
        reference=str(number),
        grader=NumberGrader(),
        facts=facts,
        steps=steps,
        result=result,
        decoys=tuple(sorted(decoys)),
    )


def _further_list(script: Script, rng: random.Random) -> Beat | None:
    used = {beat.act for beat in script}
    for _ in range(40):
        act = rng.choice(sorted(_ON_LISTS))
        beat = Beat(act, {"k": str(rng.randint(2, 3))} if act in {"head", "tail"} else {"n": str(rng.randint(2, 60))})
        after = _states((*script, beat))
        if act not in used and after and len(after[-1]) > _FEWEST:
            return beat
    return None


def _draw_list(rng: random.Random) -> Script:
    numbers = rng.sample(range(2, 99), rng.randint(6, 9))
    script: Script = (Beat("list", {"numbers": _joined(numbers)}),)
    for _ in range(rng.randint(3, 4)):
        beat = _further_list(script, rng)
        if beat is not None:
            script = (*script, beat)
    if len(script) == 1:
        script = (*script, Beat("reverse", {}))
    return (*script, Beat(rng.choice(("ask_list", "ask_list", "ask_sum", "ask_largest")), {}))


_STRINGS: Final[dict[str, tuple[Phrase, ...]]] = {
    "word": phrases("Take the word '{word}'.", "Begin with the letters of '{word}'.", "Consider the string '{word}'."),
    "reverse": phrases("Spell it backwards.", "Reverse the order of its letters."),
    "vowels": phrases("Delete the vowels a, e, i, o and u.", "Drop each a, e, i, o and u."),
    "first_last": phrases("Move its first letter to the end.", "Carry the leading letter over to the far right."),
    "twice": phrases("Write the last letter twice.", "Repeat the final letter once more."),
    "append": phrases("Attach '{word}' behind it.", "Glue '{word}' onto the end."),
    "front": phrases("Place '{word}' in front.", "Let '{word}' come before it."),
    "drop": phrases("Leave out the first {k} letters.", "Remove the {k} letters it starts with."),
    "ask_word": phrases(
        "Close the answer with a line 'Result:' and the string that you have got.",
        "Show the outcome on a last line that starts with 'Result:'.",
        "End on a line of the form 'Result:' plus the final string.",
    ),
    "ask_length": phrases("How many letters does it have now?", "Count its letters and state their number."),
}  # fmt: skip

_ON_STRINGS: Final[dict[str, Callable[[str, Values], str]]] = {
    "reverse": lambda word, _: word[::-1],
    "vowels": lambda word, _: re.sub("[aeiou]", "", word),
    "first_last": lambda word, _: word[1:] + word[0],
    "twice": lambda word, _: word + word[-1],
    "append": lambda word, values: word + values["word"],
    "front": lambda word, values: values["word"] + word,
    "drop": lambda word, values: word[int(values["k"]) :],
}


def _spellings(script: Script) -> list[str] | None:
    spellings = [script[0].values["word"]]
    for beat in script[1:]:
        if beat.act not in _ON_STRINGS:
            continue
        after = _ON_STRINGS[beat.act](spellings[-1], beat.values)
        if len(after) < _FEWEST:
            return None
        spellings.append(after)
    return spellings


def _solve_string(script: Script) -> Solution | None:
    if not asked_last(script, "word", ("ask_word", "ask_length")):
        return None
    spellings = _spellings(script)
    if spellings is None:
        return None
    final = spellings[-1]
    steps = tuple(f"the string is now {spelling}" for spelling in spellings[1:])
    facts = (f"The string to begin with is {spellings[0]}.",)
    if script[-1].act == "ask_length":
        decoys = tuple(str(len(final) + change) for change in (1, 2, 3))
        result = f"It has {len(final)} letters."
        return Solution(
            reference=str(len(final)), grader=NumberGrader(), facts=facts, steps=steps, result=result, decoys=decoys
        )
    missed = (*spellings, final[::-1], final[:-1], final[1:] + final[0], final + final[-1])
    return _last_line(final, missed, facts, steps)


def _further_string(script: Script, rng: random.Random) -> Beat | None:
    spellings = _spellings(script)
    used = {beat.act for beat in script}
    free = [act for act in sorted(_ON_STRINGS) if act not in used and act != "drop"]
    if spellings is None or not free:
        return None
    long_enough = "drop" not in used and len(spellings[-1]) > 6  # noqa: PLR2004 - something must be left
    act = rng.choice([*free, "drop"] if long_enough else free)
    beat = Beat(act, {"word": rng.choice(WORDS), "k": str(rng.randint(2, 3))})
    return beat if _spellings((*script, beat)) else None


def _draw_string(rng: random.Random) -> Script:
    script: Script = (Beat("word", {"word": rng.choice(WORDS)}),)
    while len(script) < 4:  # noqa: PLR2004 - a word and three changes
        beat = _further_string(script, rng)
        if beat is not None:
            script = (*script, beat)
    return (*script, Beat(rng.choice(("ask_word", "ask_word", "ask_length")), {}))


LISTS: Final = Story(
    family="lists_and_strings", lines=_LISTS, draw=_draw_list, solve=_solve_list, further=_further_list
)
STRINGS: Final = Story(
    family="lists_and_strings", lines=_STRINGS, draw=_draw_string, solve=_solve_string, further=_further_string
)
