"""How a simulated run did by the simulator's own knowledge of its texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TypeAlias

from preflect.report.tables import Table, columns
from preflect.report.wording import count, percent, plural, spaced
from preflect.scoring.truth import TruthSummary

_Share: TypeAlias = tuple[str, int, int, str]
"""What was counted, how often it was so, of how many, and a note."""


def truth_table(summary: TruthSummary) -> Table:
    """Each share with the counts behind it."""
    told = (*_pairs(summary), *_reflection(summary), *_judge(summary), *_drafts_by_fault(summary))
    rows = tuple((what, count(part), count(whole), percent(part, whole), note) for what, part, whole, note in told)
    return Table("Counts against the truth", columns("What", "#Count", "#Of", "#Share", "Note"), rows)


def _pairs(s: TruthSummary) -> Iterator[_Share]:
    known = s.chosen_better + s.chosen_equal + s.chosen_worse
    note = f"equal in {count(s.chosen_equal)}, worse in {count(s.chosen_worse)}"
    left_out = f"; {plural(s.pairs_unknown, 'pair')} of unknown quality left out" if s.pairs_unknown else ""
    yield "Chosen is truly better than rejected", s.chosen_better, known, note + left_out


def _reflection(s: TruthSummary) -> Iterator[_Share]:
    yield "Faulty responses repaired by reflection", s.repaired, s.faulty_drafts, ""
    yield "Sound responses broken by reflection", s.broken, s.sound_drafts, ""


def _judge(s: TruthSummary) -> Iterator[_Share]:
    yield "Judge puts two responses in their true order", s.judged_right, s.judged, "a tie counts as wrong"
    note = "the simulator does not know these tasks" if s.responses_unknown else ""
    yield "Responses whose quality nobody knows", s.responses_unknown, s.responses, note


def _drafts_by_fault(s: TruthSummary) -> Iterator[_Share]:
    drafts = sum(s.drafts_by_fault.values())
    for fault, number in Counter(s.drafts_by_fault).most_common():
        yield (
            ("Drafts without a fault" if fault == "none" else f"Drafts with {spaced(fault).lower()}"),
            number,
            drafts,
            "",
        )
