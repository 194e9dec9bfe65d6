"""Sentences with slots, which can be written and read back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

Values = dict[str, str]

_SLOT = re.compile(r"\{(\w+)\}")
_NAMED_SLOTS = {
    "who": "[A-Z][a-z]+",
    "other": "[A-Z][a-z]+",
    "clock": r"\d\d:\d\d",
    "date": r"\d{1,2} [A-Z][a-z]+ \d{4}",
    "numbers": r"-?\d+(?:, -?\d+)*",
    "words": "[a-z]+(?:, [a-z]+)*",
    "word": "[a-z]+",
    "phrase": "[^']+?",
}
_INTEGER = r"\d+"
_LOWERCASE_WORDS = "[a-z]+(?:[ -][a-z]+)*"


def _slot_pattern(name: str) -> str:
    # One letter is a whole number, a listed name is what the list says, all else is words in lower case.
    return _INTEGER if len(name) == 1 else _NAMED_SLOTS.get(name, _LOWERCASE_WORDS)


def _pattern(template: str) -> re.Pattern[str]:
    parts: list[str] = []
    seen: set[str] = set()
    place = 0
    for slot in _SLOT.finditer(template):
        name = slot[1]
        parts.append(re.escape(template[place : slot.start()]))
        parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>{_slot_pattern(name)})")
        seen.add(name)
        place = slot.end()
    return re.compile("".join((*parts, re.escape(template[place:]))))


@dataclass(frozen=True, slots=True)
class Phrase:
    """One way of saying something."""

    template: str
    pattern: re.Pattern[str] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pattern", _pattern(self.template))

    def write(self, values: Mapping[str, str]) -> str:
        """The sentence with the values in its slots. Raises: KeyError for a slot without a value."""
        return self.template.format_map(values)

    def read(self, sentence: str) -> Values | None:
        """The values that `write` would have had to be given, or None if this sentence says something else."""
        match = self.pattern.fullmatch(sentence)
        return match.groupdict() if match else None


def phrases(*templates: str) -> tuple[Phrase, ...]:
    """Several ways of saying one thing."""
    return tuple(map(Phrase, templates))


def read_first(ways: Iterable[Phrase], sentence: str) -> Values | None:
    """The values as the first phrase that fits reads them."""
    for way in ways:
        values = way.read(sentence)
        if values is not None:
            return values
    return None
