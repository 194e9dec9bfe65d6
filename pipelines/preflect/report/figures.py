"""The plots of the report, from the tally and the manifest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import log2
from statistics import fmean, median
from typing import Final

from preflect.report import charts
from preflect.report.charts import Bin, Plot, bins_over
from preflect.report.tally import Group, Tally
from preflect.report.wording import BASES, METRICS, count, decimal, percent, plural, spaced
from preflect.schemas import Manifest

_GROUPS: Final[dict[Group, str]] = {"draft": "Drafts", "rewrite": "Rewrites"}
_SCORES: Final = range(1, 6)
_STEPS: Final = {"rating": 0.25, "grade": 0.1, "verdict": 0.1}
"""Width of a bin at least: four aspects give margins in quarters of a point."""


def funnel_plot(manifest: Manifest) -> Plot | None:
    """What went on from each stage and what stayed behind."""
    if not manifest.stages:
        return None
    bars = [
        {"stage": stage.stage, "kind": kind, "count": number, "place": place}
        for stage in manifest.stages
        for place, (kind, number) in enumerate((("went on", stage.rows_out), ("rejected", stage.rejected)))
    ]
    first, last = manifest.stages[0], manifest.stages[-1]
    return Plot(
        title="Samples per stage",
        drawing=charts.funnel(bars),
        summary=f"{plural(first.rows_in, 'sample')} came in, {count(last.rows_out)} came out of the last stage.",
        columns=("Stage", "Went on", "Rejected"),
        rows=tuple((s.stage, count(s.rows_out), count(s.rejected)) for s in manifest.stages),
    )


def score_plots(tally: Tally) -> Iterator[Plot]:
    """The student's scores of drafts and rewrites, one plot to each metric."""
    for metric, title in METRICS.items():
        series = {_GROUPS[group]: tally.scores[metric, group] for group in _GROUPS if (metric, group) in tally.scores}
        if series:
            bins = bins_over(list(series.values()), step=0.01)
            yield _histogram(f"{title}, before and after", series, bins, x_title=title, mark=1.0)


def margin_plots(tally: Tally) -> Iterator[Plot]:
    """The margins of the preference pairs, one plot to each basis, since their units differ."""
    for basis, margins in sorted(tally.margins.items()):
        unit = BASES.get(basis, basis)
        series = {"Pairs": margins}
        bins = bins_over([margins], step=_STEPS.get(basis, 0.01), centred=basis in _STEPS)
        yield _histogram(f"Margin, in {unit}", series, bins, x_title=unit)


def length_plot(tally: Tally) -> Plot | None:
    """How much longer the chosen response is than the rejected one."""
    lengths = zip(tally.chosen_lengths, tally.rejected_lengths, strict=True)
    doublings = [log2(chosen / rejected) for chosen, rejected in lengths if chosen and rejected]
    if not doublings:
        return None
    plot = _histogram(
        "Length of chosen against rejected",
        {"Pairs": doublings},
        bins_over([doublings], step=0.05),
        x_title="doublings of length (0 = equal)",
        mark=0.0,
    )
    longer = f"Chosen is longer in {percent(tally.chosen_longer, tally.pairs)} of {plural(tally.pairs, 'pair')}"
    return Plot(plot.title, plot.drawing, f"{longer}. {plot.summary}", plot.columns, plot.rows)


def rating_plot(tally: Tally) -> Plot | None:
    """How the judge's scores are spread over 1 to 5, by aspect, for drafts and rewrites."""
    if not tally.ratings:
        return None
    labels = {key: f"{spaced(key[0])}, {_GROUPS[key[1]].lower()}" for key in sorted(tally.ratings)}
    bars = [
        {"row": label, "level": str(score), "count": tally.ratings[key][score], "place": score}
        for key, label in labels.items()
        for score in _SCORES
    ]
    given = sum(ratings.total() for ratings in tally.ratings.values())
    return Plot(
        title="Ratings by aspect",
        drawing=charts.shares(bars, levels=[str(score) for score in _SCORES], x_title="share of the ratings"),
        summary=f"{plural(given, 'rating')} from 1 (worst) to 5 (best).",
        columns=("Aspect", *(str(score) for score in _SCORES), "Mean"),
        rows=tuple(
            (label, *(count(tally.ratings[key][s]) for s in _SCORES), decimal(mean_rating(tally.ratings[key]), 2))
            for key, label in labels.items()
        ),
    )


def mean_rating(ratings: Mapping[int, int]) -> float | None:
    """Mean of the scores, each as often as it was given; None where there is none."""
    number = sum(ratings.values())
    return sum(score * times for score, times in ratings.items()) / number if number else None


def _histogram(
    title: str,
    series: Mapping[str, Sequence[float]],
    bins: Sequence[Sequence[Bin]],
    *,
    x_title: str,
    mark: float | None = None,
) -> Plot:
    return Plot(
        title=title,
        drawing=charts.histogram(dict(zip(series, bins, strict=True)), x_title=x_title, y_title="pairs", mark=mark),
        summary=" ".join(_in_words(name, values) for name, values in series.items()),
        columns=("From", "To", *series),
        rows=_bin_rows(bins),
    )


def _in_words(name: str, values: Sequence[float]) -> str:
    return f"{name}: {count(len(values))}, median {decimal(median(values))}, mean {decimal(fmean(values))}."


def _bin_rows(series: Sequence[Sequence[Bin]]) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (decimal(bins[0].start), decimal(bins[0].end), *(count(b.count) for b in bins))
        for bins in zip(*series, strict=True)
    )
