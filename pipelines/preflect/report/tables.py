"""The tables of the report, from the manifest, the tally and the rejections."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Final, TypeAlias

from preflect.report.opinions import Opinions
from preflect.report.tally import Tally
from preflect.report.wording import METRICS, NO_VALUE, count, decimal, duration, percent, plural, spaced, usd, words
from preflect.schemas import CallCounts, Manifest, Rejection, StageCounts
from preflect.scoring.agreement import agreement

Row: TypeAlias = tuple[str, ...]

_CAUSES: Final = {
    "input": "the input",
    "call": "the call",
    "reply": "the reply",
    "filter": "a filter",
}
_MOST_DETAIL: Final = 200
_ALWAYS: Final = ("#Calls", "#Tokens in", "#Tokens out")
_CALL_NUMBERS: Final[Mapping[str, Callable[[CallCounts], int]]] = {
    "#Calls": lambda c: c.calls,
    "#Tokens in": lambda c: c.prompt_tokens,
    "#Of them cached": lambda c: c.cached_tokens,
    "#Tokens out": lambda c: c.completion_tokens,
    "#Of them reasoning": lambda c: c.reasoning_tokens,
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column's title, and whether its cells are numbers, which stand to the right."""

    title: str
    number: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Cells as they are shown; the first of each row names the row."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    total: Row = ()


def columns(*titles: str) -> tuple[Column, ...]:
    """Columns by their titles; one that starts with `#` is a column of numbers."""
    return tuple(Column(title.lstrip("#"), number=title.startswith("#")) for title in titles)


def funnel_table(manifest: Manifest) -> Table:
    """What went in and out of each stage, and why the rest did not."""
    return Table(
        "Samples in and out of each stage",
        columns("Stage", "#In", "#Made", "#Out", "#Rejected", "Reasons"),
        tuple(_funnel_row(stage) for stage in manifest.stages),
    )


def _funnel_row(stage: StageCounts) -> Row:
    reasons = Counter(stage.reasons).most_common()
    made = count(stage.made) if stage.made else NO_VALUE
    told = ", ".join(f"{words(reason)} ({count(number)})" for reason, number in reasons)
    return (stage.stage, count(stage.rows_in), made, count(stage.rows_out), count(stage.rejected), told)


def lost_table(manifest: Manifest) -> Table:
    """Candidates that were lost while their samples went on."""
    rows = [
        (stage.stage, words(reason), count(number))
        for stage in manifest.stages
        for reason, number in Counter(stage.candidates_lost).most_common()
    ]
    return Table("Lost candidates by stage and reason", columns("Stage", "Reason", "#Candidates"), tuple(rows))


@dataclass(slots=True)
class Drops:
    """Rejections by stage and reason, each with the detail of the first."""

    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter[tuple[str, str, str]])
    examples: dict[tuple[str, str, str], str] = field(default_factory=dict[tuple[str, str, str], str])

    def add(self, rejection: Rejection) -> None:
        """Count one more rejection."""
        key = (rejection.stage, rejection.reason, rejection.cause)
        self.counts[key] += 1
        if rejection.detail:
            self.examples.setdefault(key, rejection.detail)


def drops_table(rejections: Iterable[Rejection]) -> Table:
    """Why samples were dropped, with an example of each reason."""
    drops = Drops()
    for rejection in rejections:
        drops.add(rejection)
    total = drops.counts.total()
    rows = [
        (
            stage,
            words(reason),
            _CAUSES[cause],
            count(number),
            percent(number, total),
            _example(drops, stage, reason, cause),
        )
        for (stage, reason, cause), number in drops.counts.most_common()
    ]
    titles = columns("Stage", "Reason", "Decided by", "#Samples", "#Share", "For example")
    return Table("Dropped samples by stage and reason", titles, tuple(rows), _total(total) if len(rows) > 1 else ())


def _example(drops: Drops, stage: str, reason: str, cause: str) -> str:
    detail = drops.examples.get((stage, reason, cause), "")
    return detail if len(detail) <= _MOST_DETAIL else f"{detail[:_MOST_DETAIL]} …"


def _total(number: int) -> Row:
    return ("Total", "", "", count(number), percent(number, number), "")


def selections_table(tally: Tally) -> Table:
    """How often the student preferred the rewrite."""
    rows = [
        (spaced(stage), count(won.total()), count(won[True]), percent(won[True], won.total()))
        for stage, won in sorted(tally.selections.items())
    ]
    titles = columns("Selection", "#Samples", "#Rewrite won", "#Share")
    return Table("Selections by the student, of the samples that came through", titles, tuple(rows))


def opinions_table(opinions: Opinions) -> Table:
    """How often a stage would have done otherwise, had it gone by the other student."""
    rows = [
        (
            " and ".join(couple),
            stage,
            question.capitalize(),
            count(alike.total()),
            count(alike[False]),
            percent(alike[False], alike.total()),
        )
        for (couple, stage, question), alike in opinions.votes.items()
    ]
    titles = columns("Students", "Stage", "Question", "#Samples", "#Answered otherwise", "#Share")
    return Table("Decisions of the students, rejected samples among them", titles, tuple(rows))


def ranks_table(opinions: Opinions) -> Table:
    """How alike two students rank the same texts."""
    rows = [
        (" and ".join(couple), METRICS[metric], count(len(values[0])), decimal(agreement(*values).spearman))
        for (couple, metric), values in sorted(opinions.values.items())
    ]
    titles = columns("Students", "Score", "#Scored by both", "#Rank correlation")
    return Table("Rank correlation (Spearman) of the scores", titles, tuple(rows))


def grades_table(tally: Tally) -> Table:
    """What the graders gave to drafts and rewrites."""
    rows = [
        (
            f"{spaced(grader)}, {group}s",
            count(len(scores)),
            decimal(fmean(scores)),
            percent(sum(score == 1.0 for score in scores), len(scores)),
        )
        for (grader, group), scores in sorted(tally.grades.items())
    ]
    return Table("Grades by grader", columns("Grader", "#Graded", "#Mean score", "#Full score"), tuple(rows))


def calls_table(manifest: Manifest) -> Table:
    """Calls, tokens, cost and latency of each model in each stage; cached and reasoning tokens where there are any."""
    calls = manifest.calls
    numbers = {title: number for title, number in _CALL_NUMBERS.items() if title in _ALWAYS or any(map(number, calls))}
    titles = columns("Stage", "Model", *numbers, "#Cost", "#Seconds a call")
    rows = [
        (c.stage, c.model, *(count(number(c)) for number in numbers.values()), *_cost_and_latency((c,))) for c in calls
    ]
    if manifest.lost_usd:
        rows.append(("No usable reply", "", *[NO_VALUE] * len(numbers), f"up to {usd(manifest.lost_usd)}", NO_VALUE))
    sums = (count(sum(map(number, calls))) for number in numbers.values())
    total = ("Total", "", *sums, usd(manifest.cost_usd), _cost_and_latency(calls)[1])
    return Table("Calls by stage and model", titles, tuple(rows), total if len(rows) > 1 else ())


def _cost_and_latency(calls: Sequence[CallCounts]) -> tuple[str, str]:
    seconds = _latency(sum(c.latency_s for c in calls), sum(c.calls for c in calls))
    return usd(sum(c.cost_usd for c in calls)), seconds


def _latency(seconds: float, calls: int) -> str:
    return decimal(seconds / calls, 3) if calls else NO_VALUE


def traffic_table(manifest: Manifest) -> Table:
    """What was hard about the traffic, by model."""
    titles = columns("Model", "#Calls", "#Asked again", "#Refused (429)", "#Hedged", "#No count of tokens")
    rows = [
        (
            traffic.model,
            count(sum(c.calls for c in manifest.calls if c.model == traffic.model)),
            *(count(number) for number in (traffic.retries, traffic.throttled, traffic.hedged, traffic.uncounted)),
        )
        for traffic in manifest.traffic
    ]
    return Table("Retries, refusals and uncounted replies by model", titles, tuple(rows))


def seconds_table(manifest: Manifest) -> Table:
    """Time that the samples spent in each stage."""
    rows = [
        (stage.stage, duration(stage.seconds), decimal(stage.seconds / stage.rows_in, 3) if stage.rows_in else NO_VALUE)
        for stage in manifest.stages
    ]
    caption = "Time by stage, summed over the samples that are in it side by side: no wall time"
    return Table(caption, columns("Stage", "#All samples", "#Seconds a sample"), tuple(rows))


def exports_table(manifest: Manifest) -> Table:
    """What was written for training, and what validation kept out."""
    rows = [
        (
            one.kind.upper(),
            one.format,
            count(one.train),
            count(one.test),
            count(sum(one.refused.values())),
            ", ".join(f"{words(reason)} ({count(n)})" for reason, n in Counter(one.refused).most_common()),
        )
        for one in manifest.exports
    ]
    titles = columns("Dataset", "Format", "#Train rows", "#Test rows", "#Refused", "Why")
    return Table("Training datasets", titles, tuple(rows))


def versions_table(caption: str, first: str, versions: Mapping[str, str]) -> Table:
    """Names and versions."""
    return Table(caption, columns(first, "Version"), tuple(sorted(versions.items())))


def reasons_in_words(reasons: Counter[str]) -> str:
    """`unscorable: one token (3 scores)`, the most frequent first."""
    return ", ".join(f"{words(reason)} ({plural(number, 'response')})" for reason, number in reasons.most_common())
