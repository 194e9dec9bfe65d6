"""The page of `preflect review report`: agreement, the judge against people, and how each reviewer works."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from preflect.files import write_text_atomically
from preflect.report import charts
from preflect.report.charts import Plot
from preflect.report.page import Tile, page
from preflect.report.pen import Pen
from preflect.report.tables import Table, columns
from preflect.report.wording import count, decimal, estimate, plural, spaced
from preflect.schemas import Estimate, ReviewReport

_LEGIBLE: Final = (
    "1 is full agreement, 0 what chance would give. 95 % intervals by bootstrap of samples; where all agree it sees no "
    "doubt, however few they are."
)


def render_review_report(out: Path, found: ReviewReport) -> None:
    """Write the page, whole or not at all."""
    context: dict[str, Any] = {
        "found": found,
        "lead": f"{plural(found.reviewed, 'sample')} of {count(found.pushed)} reviewed by "
        f"{plural(len(found.reviewers), 'person', 'people')}.",
        "tiles": list(_tiles(found)),
        "plots": [plot for plot in (_agreement(found), _work(found)) if plot],
        "questions": _questions(found),
        "reviewers": _reviewers(found),
        "parts_table": Table(
            "Samples in the queue",
            columns("Why", "#Samples"),
            tuple((spaced(n), count(c)) for n, c in found.parts.items()),
        ),
    }
    with Pen() as pen:
        write_text_atomically(out, page("review.html.j2", context, pen))


def _tiles(found: ReviewReport) -> Iterator[Tile]:
    accuracy = found.judge_accuracy
    yield Tile("Judge right", estimate(accuracy), "of all samples, corrected for which were chosen")
    reviewed = found.judge_accuracy_reviewed
    yield Tile("Judge right, as reviewed", estimate(reviewed), f"of {plural(reviewed.n, 'sample')}, the doubtful ones")
    yield Tile("Decided", count(found.decided), f"of {plural(found.reviewed, 'reviewed sample')}")
    yield Tile("Ties", count(found.ties))
    yield Tile("Conflicts", count(found.conflicts), "an expert settles them: preflect review push --adjudicate")


def _agreement(found: ReviewReport) -> Plot | None:
    figures = {
        **{f"{spaced(q.question)}, alpha": q.alpha for q in found.questions},
        **{f"{spaced(q.question)}, kappa": q.kappa for q in found.questions if q.kappa.n},
        "People and judge, kappa": found.human_judge,
        "People and grader, kappa": found.human_grader,
        "Judge and grader, kappa": found.judge_grader,
    }
    return _intervals("Agreement", figures, _LEGIBLE, mark=0.0, x_title="agreement beyond chance")


def _work(found: ReviewReport) -> Plot | None:
    figures = {
        f"{reviewer.reviewer}, {name}": figure
        for reviewer in found.reviewers
        for name, figure in (("right on gold", reviewer.gold), ("first", reviewer.first), ("longer", reviewer.longer))
    }
    told = "Share of answers: right on gold; the response shown first, and the longer one, where one is preferred."
    legible = f"{told} The line is one half; 95 % intervals by Clopper and Pearson."
    return _intervals("Reviewers", figures, legible, mark=0.5, x_title="share")


def _intervals(title: str, figures: Mapping[str, Estimate], summary: str, *, mark: float, x_title: str) -> Plot | None:
    known = {name: found for name, found in figures.items() if found.value is not None}
    if not known:
        return None
    rows = [{"row": n, "value": found.value, "low": found.low, "high": found.high} for n, found in known.items()]
    return Plot(
        title=title,
        drawing=charts.intervals(rows, x_title=x_title, mark=mark),
        summary=summary,
        columns=("Figure", "Value", "Low", "High", "Of"),
        rows=tuple((n, decimal(f.value), decimal(f.low), decimal(f.high), count(f.n)) for n, f in known.items()),
    )


def _questions(found: ReviewReport) -> Table:
    return Table(
        "Agreement by question",
        columns("Question", "#Answers", "#Krippendorff's alpha", "#Cohen's kappa"),
        tuple((spaced(q.question), count(q.answers), estimate(q.alpha), estimate(q.kappa)) for q in found.questions),
    )


def _reviewers(found: ReviewReport) -> Table:
    titles = ("Reviewer", "#Answers", "#Right on gold", "#Kappa with the others", "#Kappa with the judge")
    return Table(
        "Reviewers",
        columns(*titles, "#Chose the first", "#Chose the longer", "#Seconds an answer"),
        tuple(
            (
                r.reviewer,
                count(r.answers),
                *(estimate(figure) for figure in (r.gold, r.with_others, r.with_judge, r.first, r.longer)),
                decimal(r.seconds, 0),
            )
            for r in found.reviewers
        ),
    )
