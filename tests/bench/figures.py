"""Figures of a benchmark: what was measured, what is to be reached, and whether it was."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, replace
from operator import ge, le, lt
from typing import Final

_HOLDS: Final = {"≤": le, "<": lt, "≥": ge}


@dataclass(frozen=True)
class Reach:
    """A bound on a figure; one that holds `always` is judged by the worst repetition, any other by their median."""

    sign: str
    bound: float
    always: bool = False

    def holds(self, value: float) -> bool:
        """Whether the figure is within the bound."""
        return _HOLDS[self.sign](value, self.bound)


def at_most(bound: float) -> Reach:
    return Reach("≤", bound)


def below(bound: float) -> Reach:
    return Reach("<", bound)


def at_least(bound: float) -> Reach:
    return Reach("≥", bound)


def never_above(bound: float) -> Reach:
    """For promises: one breach in any repetition is one too many."""
    return Reach("≤", bound, always=True)


@dataclass(frozen=True)
class Figure:
    """One measured value; None where it could not be measured, with the reason in `measure`."""

    workload: str
    who: str
    measure: str
    value: float | None = None
    reach: Reach | None = None

    def row(self) -> list[str]:
        """As a row of the table."""
        reach = f"{self.reach.sign} {_text(self.reach.bound)}" if self.reach else ""
        return [self.workload, self.who, self.measure, _text(self.value), reach, self._verdict()]

    def _verdict(self) -> str:
        if self.reach is None or self.value is None:
            return ""
        return "ok" if self.reach.holds(self.value) else "MISS"


HEADER: Final = ["workload", "who", "measure", "value", "to reach", ""]


def of_repetitions(figures: Iterable[Figure]) -> list[Figure]:
    """One figure for all that measured the same thing, in the order of their first."""
    groups: dict[tuple[str, str, str], list[Figure]] = {}
    for figure in figures:
        groups.setdefault((figure.workload, figure.who, figure.measure), []).append(figure)
    return [_joined(group) for group in groups.values()]


def _joined(group: list[Figure]) -> Figure:
    values = [figure.value for figure in group if figure.value is not None]
    if not values:
        return group[0]
    always = group[0].reach is not None and group[0].reach.always
    return replace(group[0], value=max(values) if always else statistics.median(values))


def _text(value: float | None) -> str:
    if value is None:
        return ""
    if 0 < abs(value) < 0.01:
        return f"{value:.1e}"
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 100 else f"{value:.3f}"
