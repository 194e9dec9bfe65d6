"""The report's plots as Vega-Lite specifications, in colours that the page's style sheet sets for light and dark.

They are written here as they are: a library that writes them would take
more time and memory than the drawing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor
from typing import Any, Final

Specification = dict[str, Any]

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
    drawing: Specification
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


def histogram(
    series: Mapping[str, Sequence[Bin]], *, x_title: str, y_title: str, mark: float | None = None
) -> Specification:
    """Overlaid histograms, and a dashed line at `mark`."""
    rows = [
        {"start": b.start, "end": b.end, "count": b.count, "series": name}
        for name, bins in series.items()
        for b in bins
    ]
    bars = {
        **_bars(rows, fillOpacity=0.45, strokeWidth=1, binSpacing=0),
        "encoding": {
            "x": _number("start", x_title, axis={"tickCount": 6}, scale={"zero": False, "nice": False}),
            "x2": {"field": "end"},
            "y": _number("count", y_title, axis={"format": ",d", "tickMinStep": 1}, stack=None),
            "y2": {"datum": 0},
            "color": _colour("series", list(series), SERIES, legend=len(series) > 1),
            "stroke": _colour("series", list(series), SERIES, legend=False),
        },
    }
    layers = [bars] if mark is None else [bars, _rule(mark)]
    return _themed({"layer": layers, "width": WIDTH, "height": HEIGHT})


def shares(rows: Sequence[Mapping[str, Any]], *, levels: Sequence[str], x_title: str) -> Specification:
    """One bar to each `row`, divided by the share of each of the levels, from the lowest to the highest."""
    encoding = {
        "x": _number("count", x_title, axis={"format": "%", "tickCount": 4}, stack="normalize"),
        "y": _rows_of("row", {"labelLimit": 210, "minExtent": 180}),
        "color": _colour("level", levels, STEPS),
        "order": {"field": "place", "type": "quantitative"},
    }
    bars = {**_bars(rows, stroke="var(--card)", strokeWidth=1), "encoding": encoding}
    return _themed({**bars, "width": 1.2 * WIDTH, "height": {"step": 24}})


def intervals(rows: Sequence[Mapping[str, Any]], *, x_title: str, mark: float) -> Specification:
    """One line to each `row`, from `low` to `high` with a dot at `value`, and a dashed line at `mark`."""
    at = _rows_of("row", {"labelLimit": 210, "minExtent": 180})
    data = {"values": rows}
    line = {
        "data": data,
        "mark": {"type": "rule", "color": SERIES[0], "strokeWidth": 2},
        "encoding": {"x": _number("low", x_title, axis={"tickCount": 6}), "x2": {"field": "high"}, "y": at},
    }
    dot = {
        "data": data,
        "mark": {"type": "point", "filled": True, "size": 60, "color": SERIES[0], "opacity": 1},
        "encoding": {"x": _number("value", x_title), "y": at},
    }
    return _themed({"layer": [line, dot, _rule(mark)], "width": WIDTH, "height": {"step": 24}})


def funnel(rows: Sequence[Mapping[str, Any]]) -> Specification:
    """One bar to each stage, divided into what went on and what was rejected."""
    encoding = {
        "x": _number("count", "samples", axis={"format": ",d", "tickMinStep": 1}),
        "y": _rows_of("stage", {"labelLimit": 180, "minExtent": 150}),
        "color": _colour("kind", ["went on", "rejected"], (SERIES[0], "var(--lost)")),
        "order": {"field": "place", "type": "quantitative"},
    }
    return _themed({**_bars(rows), "encoding": encoding, "width": 1.4 * WIDTH, "height": {"step": 24}})


def _bars(rows: Sequence[Mapping[str, Any]], **style: Any) -> dict[str, Any]:
    return {"data": {"values": rows}, "mark": {"type": "bar", **style}}


def _number(field: str, title: str, **options: Any) -> dict[str, Any]:
    return {"field": field, "type": "quantitative", "title": title, **options}


def _rows_of(field: str, axis: Mapping[str, Any]) -> dict[str, Any]:
    axis = {"domain": False, "ticks": False, **axis}
    return {"field": field, "type": "nominal", "title": None, "sort": None, "axis": axis}


def _colour(field: str, values: Sequence[str], colours: Sequence[str], *, legend: bool = True) -> dict[str, Any]:
    scale = {"domain": values, "range": colours[: len(values)]}
    return {"field": field, "type": "nominal", "scale": scale, "legend": {"title": None} if legend else None}


def _rule(at: float) -> dict[str, Any]:
    mark = {"type": "rule", "color": INK, "strokeDash": [4, 3]}
    return {"data": {"values": [{"at": at}]}, "mark": mark, "encoding": {"x": {"field": "at", "type": "quantitative"}}}


def _themed(specification: Specification) -> Specification:
    return {**specification, "config": _THEME}
