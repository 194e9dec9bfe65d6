"""The report's plots as inline SVG, in colours that the page's style sheet sets for light and dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor
from typing import Any, Final

import altair as alt
import vl_convert
from markupsafe import Markup

WIDTH: Final = 300
HEIGHT: Final = 150
_BINS: Final = 30
_FEWEST_BINS: Final = 5

# CSS variables, resolved in the browser: one drawing serves both colour schemes.
INK: Final = "var(--ink-2)"
LINE: Final = "var(--line)"
SERIES: Final = ("var(--series-1)", "var(--series-2)")
_THEME: Final[dict[str, Any]] = {
    "font": "sans-serif",
    "background": "transparent",
    # Room for labels in a browser whose sans-serif is wider than the one the drawing was measured with.
    "padding": {"left": 8, "top": 4, "right": 12, "bottom": 4},
    "view": {"stroke": None},
    "axis": {
        "labelColor": INK,
        "titleColor": INK,
        "gridColor": LINE,
        "domainColor": LINE,
        "tickColor": LINE,
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
    },
    "axisX": {"grid": False, "labelFlush": False},
    "legend": {"orient": "top", "labelColor": INK, "labelFontSize": 11, "symbolType": "square", "offset": 4},
}
STEPS: Final = tuple(f"var(--step-{step})" for step in range(1, 6))


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawing, what it shows in words, and its numbers for those who cannot or will not look."""

    title: str
    svg: Markup
    summary: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Bin:
    """How many values lie in [start, end)."""

    start: float
    end: float
    count: int


def bins_over(
    series: Sequence[Sequence[float]], *, step: float, centred: bool = False, most: int = _BINS
) -> tuple[tuple[Bin, ...], ...]:
    """Histograms of several series over the same bins, whose width is a round multiple of `step`.

    The range covers all but the outermost half per cent on each side; what lies outside is counted in the last bins.
    `centred`: multiples of the width lie in the middle of the bins, as suits values that come in steps.
    """
    values = sorted(value for one in series for value in one)
    if not values:
        return tuple(() for _ in series)
    low, high = values[len(values) // 200], values[-1 - len(values) // 200]
    width = _round_width((high - low) / most, step)
    shift = width / 2 if centred else 0.0
    first, last = _place(low + shift, width), _place(high + shift, width)
    # A lone bin would fill the whole plot, whatever its width.
    missing = max(0, _FEWEST_BINS - (last - first + 1))
    first, last = first - missing // 2, last + missing - missing // 2
    return tuple(_bins(one, width, first, last, shift) for one in series)


def _round_width(least: float, step: float) -> float:
    for factor in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000):
        if step * factor >= least:
            return step * factor
    return least


def _place(value: float, width: float) -> int:
    # 0.3 lies in the bin that starts at three times 0.1, though 0.3 // 0.1 is 2.
    return floor(value / width + 1e-9)


def _bins(values: Sequence[float], width: float, first: int, last: int, shift: float) -> tuple[Bin, ...]:
    counts = [0] * (last - first + 1)
    for value in values:
        counts[min(max(_place(value + shift, width), first), last) - first] += 1
    starts = (place * width - shift for place in range(first, last + 1))
    return tuple(Bin(start, start + width, count) for start, count in zip(starts, counts, strict=True))


def histogram(series: Mapping[str, Sequence[Bin]], *, x_title: str, y_title: str, mark: float | None = None) -> Markup:
    """Overlaid histograms, and a dashed line at `mark`."""
    rows = [
        {"start": b.start, "end": b.end, "count": b.count, "series": name}
        for name, bins in series.items()
        for b in bins
    ]
    colour = alt.Color(
        "series:N",
        scale=alt.Scale(domain=list(series), range=list(SERIES[: len(series)])),
        legend=alt.Legend(title=None) if len(series) > 1 else None,
    )
    bars = (
        alt.Chart(alt.InlineData(values=rows), width=WIDTH, height=HEIGHT)
        .mark_bar(fillOpacity=0.45, strokeWidth=1, binSpacing=0)
        .encode(
            x=alt.X("start:Q", title=x_title, scale=alt.Scale(zero=False, nice=False), axis=alt.Axis(tickCount=6)),
            x2="end:Q",
            y2=alt.datum(0),
            y=alt.Y("count:Q", title=y_title, stack=None, axis=alt.Axis(format=",d", tickMinStep=1)),
            color=colour,
            stroke=alt.Stroke("series:N", scale=alt.Scale(domain=list(series), range=list(SERIES)), legend=None),
        )
    )
    return _svg(bars.to_dict() if mark is None else (bars + _rule(mark)).to_dict())


def _rule(at: float) -> alt.Chart:
    return alt.Chart(alt.InlineData(values=[{"at": at}])).mark_rule(color=INK, strokeDash=[4, 3]).encode(x="at:Q")


def shares(rows: Sequence[Mapping[str, Any]], *, levels: Sequence[str], x_title: str) -> Markup:
    """One bar to each `row`, divided by the share of each of the levels, from the lowest to the highest."""
    chart = (
        alt.Chart(alt.InlineData(values=[dict(row) for row in rows]), width=1.2 * WIDTH, height=alt.Step(24))
        .mark_bar(stroke="var(--card)", strokeWidth=1)
        .encode(
            x=alt.X("count:Q", stack="normalize", title=x_title, axis=alt.Axis(format="%", tickCount=4)),
            y=alt.Y(
                "row:N", title=None, sort=None, axis=alt.Axis(labelLimit=210, minExtent=180, domain=False, ticks=False)
            ),
            color=alt.Color(
                "level:N",
                scale=alt.Scale(domain=list(levels), range=list(STEPS[: len(levels)])),
                legend=alt.Legend(title=None),
            ),
            order=alt.Order("place:Q"),
        )
    )
    return _svg(chart.to_dict())


def funnel(rows: Sequence[Mapping[str, Any]]) -> Markup:
    """One bar to each stage, divided into what went on and what was rejected."""
    kinds = ["went on", "rejected"]
    chart = (
        alt.Chart(alt.InlineData(values=[dict(row) for row in rows]), width=1.4 * WIDTH, height=alt.Step(24))
        .mark_bar()
        .encode(
            x=alt.X("count:Q", title="samples", axis=alt.Axis(format=",d", tickMinStep=1)),
            y=alt.Y(
                "stage:N",
                title=None,
                sort=None,
                axis=alt.Axis(labelLimit=180, minExtent=150, domain=False, ticks=False),
            ),
            color=alt.Color(
                "kind:N",
                scale=alt.Scale(domain=kinds, range=["var(--series-1)", "var(--lost)"]),
                legend=alt.Legend(title=None),
            ),
            order=alt.Order("place:Q"),
        )
    )
    return _svg(chart.to_dict())


def _svg(specification: dict[str, Any]) -> Markup:
    # No data is ever fetched: the numbers are in the specification.
    drawing = vl_convert.vegalite_to_svg(specification, config=_THEME, allowed_base_urls=[])
    # The figure around it carries the accessible name; the drawing's own parts would be read as noise.
    return Markup(drawing.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1))  # noqa: S704
