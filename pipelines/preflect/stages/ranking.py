"""An order of responses from findings that may contradict each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from preflect.stages.evidence import Finding


def settle(findings: Iterable[Finding]) -> list[Finding]:
    """The findings that hold together, whatever their order.

    Ranked pairs by strength (Tideman 1987): what stronger findings imply outranks a weaker one that says otherwise. Of
    findings of one strength that run in a circle (A over B, B over C, C over A) none holds.
    """
    settled: list[Finding] = []
    for _, group in groupby(sorted(findings, key=lambda f: -f.strength), key=lambda f: f.strength):
        known = reachable(settled)
        new = [finding for finding in group if finding.better not in known.get(finding.worse, ())]
        together = reachable([*settled, *new])
        settled += [finding for finding in new if finding.better not in together.get(finding.worse, ())]
    return settled


def reachable(findings: Sequence[Finding]) -> Mapping[str, frozenset[str]]:
    """For each response all those that it is better than, directly or through others."""
    below: dict[str, set[str]] = {}
    for finding in findings:
        below.setdefault(finding.better, set()).add(finding.worse)
        below.setdefault(finding.worse, set())
    for middle, below_middle in below.items():
        for losers in below.values():
            if middle in losers:
                losers.update(below_middle)
    return {better: frozenset(losers) for better, losers in below.items()}


def standings(findings: Sequence[Finding]) -> dict[str, int]:
    """Net wins of each response over all that the findings imply; the better of two always has more."""
    below = reachable(findings)
    return {one: len(losers) - sum(one in others for others in below.values()) for one, losers in below.items()}
