# ruff: noqa: RUF001 - typographic characters are what is looked for here
"""Grades an answer by the one choice it names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from preflect.grading.marked import marked_parts
from preflect.grading.result import NO_REFERENCE, PASSED, GradeResult, failed, not_run, shorten
from preflect.grading.text import fold, phrase_pattern
from preflect.schemas import ChoiceGrader

_OWN_LABEL: Final = re.compile(r"[(\[]?([A-Za-z0-9])[)\].:]\s+(?=\S)")
_LABEL: Final = re.compile(r"(?:option|choice)?\s*[(\[{]?([A-Za-z])(?![\w'’])\s?[)\]}.:]*", re.IGNORECASE)
_BRACKETED: Final = re.compile(r"[(\[{]?[A-Za-z]\s?[)\]}.:]")
_GOES_ON: Final = re.compile(r"\s*(?:$|[,;/&–—-]|(?:because|since|as|is|or|and)\b)", re.IGNORECASE)
_EXPLAINED: Final = re.compile(r"\s*(?:$|[,.:;!–—-]|(?:because|since|as)\b)", re.IGNORECASE)
_JOINED: Final = re.compile(r"\s*(?:,\s*(?:or|and)\b|,|/|&|or\b|and\b)\s*", re.IGNORECASE)
_MENTIONED_LABEL: Final = re.compile(
    r"[(\[]([A-Za-z])[)\]]|\b(?:option|choice|answer)\s+([A-Z])\b|^\s*([A-Z])[.):](?=\s|$)", re.MULTILINE
)
_MARKUP: Final = " \t\"'“”‘’`*_#>$\\{}"
_EMPHASIS: Final = re.compile(r"\*+|__|`|\\(?:text|mathrm|textbf|mathbf)\b")


def grade_choice(spec: ChoiceGrader, answer: str, reference: str | None) -> GradeResult:
    """Pass iff the answer names the right choice and no other, by its letter or its words.

    What is marked as the answer ("Answer: B", a box) counts first, then a last line of its own, then a first word that
    stands apart, then any mention. Options recited line by line name none of them.
    """
    if reference is None or not reference.strip():
        return NO_REFERENCE
    choices = read_choices(spec.choices)
    expected = choices.index_of(reference)
    if expected is None:
        return not_run(f"the reference {shorten(reference)!r} is none of the choices")
    named = choices.named_in(answer)
    if not named:
        return failed("no choice is named")
    if len(named) > 1:
        return failed("ambiguous")
    (got,) = named
    return PASSED if got == expected else failed(f"expected {spec.choices[expected]!r}, got {spec.choices[got]!r}")


@lru_cache(maxsize=256)
def read_choices(choices: tuple[str, ...]) -> Choices:
    """The choices with their letters: their own ("A) Paris"), they themselves where each is one, else A, B, C, …"""
    folded = [fold(choice) for choice in choices]
    owned = [_OWN_LABEL.match(choice) for choice in folded]
    if all(owned) and len({own.group(1).casefold() for own in owned if own}) == len(choices):
        labels = tuple(own.group(1).upper() for own in owned if own)
        return Choices(
            labels, tuple(choice[own.end() :].casefold() for choice, own in zip(folded, owned, strict=True) if own)
        )
    if all(len(choice) == 1 and choice.isascii() and choice.isalpha() for choice in folded):
        return Choices(tuple(choice.upper() for choice in folded), ())
    letters = tuple(chr(ord("A") + place) for place in range(min(len(choices), 26)))
    return Choices(letters, tuple(choice.casefold() for choice in folded))


@dataclass(frozen=True, slots=True)
class Choices:
    """What may be named, and how."""

    labels: tuple[str, ...]
    texts: tuple[str, ...]
    """Folded and in lower case; empty where the choices are letters only."""

    def index_of(self, reference: str) -> int | None:
        """Which choice the reference means, by its words or its letter."""
        text = _bare(reference)
        if text.casefold() in self.texts:
            return self.texts.index(text.casefold())
        named = self._whole_line(text)
        return next(iter(named)) if len(named) == 1 else None

    def named_in(self, answer: str) -> frozenset[int]:
        """The choices that the answer names as its answer."""
        plain = _EMPHASIS.sub("", answer)
        for part in marked_parts(plain):
            named = self._stated(_bare(part)) or self._mentioned(part)
            if named:
                return named
        lines = [_bare(line) for line in plain.splitlines() if line.strip()]
        recital = {line for line in lines if self._is_option(line)}
        left = lines if len(recital) == 1 else [line for line in lines if line not in recital]
        if not left:
            return frozenset(range(len(self.labels))) if recital else frozenset()
        return self._whole_line(left[-1]) or self._leading(left[0]) or self._mentioned("\n".join(left))

    def _whole_line(self, line: str) -> frozenset[int]:
        """What a line names that says nothing else."""
        named, rest = self._head(line)
        return named if named and not rest.strip(" .!)") else frozenset()

    def _leading(self, line: str) -> frozenset[int]:
        """What a line names before it goes on to explain: "Yes, because …"."""
        named, rest = self._head(line)
        return self._stated(line) if named and _EXPLAINED.match(rest) else frozenset()

    def _stated(self, line: str) -> frozenset[int]:
        """What a line names at its start, with all that "or", "and" or a comma join to it."""
        named, rest = self._head(line)
        joined = _JOINED.match(rest) if named else None
        while joined:
            more, rest = self._head(_bare(rest[joined.end() :]))
            named |= more
            joined = _JOINED.match(rest) if more else None
        return named

    def _is_option(self, line: str) -> bool:
        match = _LABEL.match(line)
        return bool(match and _BRACKETED.match(line) and self._own_text_follows(match, line[match.end() :]))

    def _own_text_follows(self, label: re.Match[str], rest: str) -> bool:
        return label[1].upper() in self.labels and self._text_at(_bare(rest)) == self.labels.index(label[1].upper())

    def _head(self, line: str) -> tuple[frozenset[int], str]:
        """The choice at the start of a line, as a set of one (two where letter and words disagree), and the rest."""
        at_start = self._text_at(line)
        if at_start is not None:
            return frozenset({at_start}), line[len(self.texts[at_start]) :]
        label = _LABEL.match(line)
        if label is None or label[1].upper() not in self.labels:
            return frozenset(), line
        place, rest = self.labels.index(label[1].upper()), line[label.end() :]
        text = _bare(rest)
        follows = self._text_at(text)
        if follows is not None and (follows == place or _BRACKETED.match(line)):
            return frozenset({place, follows}), text[len(self.texts[follows]) :]
        is_label = _BRACKETED.match(line) or _GOES_ON.match(rest)
        return (frozenset({place}), rest) if is_label else (frozenset(), line)

    def _text_at(self, line: str) -> int | None:
        """The longest choice whose words the line starts with."""
        lowered = line.casefold()
        hits = [place for place, text in enumerate(self.texts) if text and phrase_pattern(text).match(lowered)]
        return max(hits, key=lambda place: len(self.texts[place]), default=None)

    def _mentioned(self, text: str) -> frozenset[int]:
        letters = ("".join(groups).upper() for groups in _MENTIONED_LABEL.findall(text))
        by_letter = {self.labels.index(letter) for letter in letters if letter in self.labels}
        left, by_words = fold(text).casefold(), set[int]()
        # The longest first, so that "New York City" is no mention of "New York".
        for place in sorted(range(len(self.texts)), key=lambda place: -len(self.texts[place])):
            if not self.texts[place]:
                continue
            left, count = phrase_pattern(self.texts[place]).subn("\n", left)
            by_words |= {place} if count else set()
        return frozenset(by_letter | by_words)


def _bare(line: str) -> str:
    return fold(line).strip(_MARKUP).lstrip("-•–— ")
