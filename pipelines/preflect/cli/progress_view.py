"""How a snapshot looks on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from preflect.cli.progress import (
    clock_text,
    cost_text,
    pace_of_rows,
    pace_text,
    rows_text,
    samples_text,
    share_of,
    short_text,
    time_text,
)
from preflect.engine.progress import ModelProgress, RowProgress, Snapshot, StageProgress

_NARROW: Final = 76
"""Below this many columns the tables are left out."""
_BAR_COLUMNS: Final = 60
_NAME_COLUMNS: Final = 19
"""The longest stage name, `reflect_instruction`."""
_GAP: Final = 2
_SPARED: Final = ("tokens", "replayed", "hedged")
"""Columns of the models that a terminal too narrow for all does without, in this order."""
_NONE: Final = "·"


def draw(snapshot: Snapshot | RowProgress, width: int) -> RenderableType:
    """The display for a terminal of this width."""
    if isinstance(snapshot, RowProgress):
        return _rows(snapshot, width)
    if width < _NARROW:
        return _headline(snapshot)
    tables = [_stages(snapshot.stages)] * bool(snapshot.stages)
    tables += [_models(snapshot.models, width)] * bool(snapshot.models)
    spaced = [part for table in tables for part in ("", table)]
    return Group(_headline(snapshot), _bar(share_of(snapshot), pulse=not snapshot.total), *spaced)


def _rows(progress: RowProgress, width: int) -> RenderableType:
    pace, unscorable, time = pace_of_rows(progress)
    style = "yellow" if progress.unscorable else "dim"
    parts = ((rows_text(progress), "bold"), (pace, "dim"), (unscorable, style), (time, "dim"))
    headline = Text("  ").join(Text(*part) for part in parts)
    return headline if width < _NARROW else Group(headline, _bar(progress.done / max(progress.total, 1)))


def _headline(snapshot: Snapshot) -> Text:
    rejected = f"{snapshot.rejected:,} rejected"
    return Text.assemble(
        (samples_text(snapshot), "bold"),
        "  ",
        (rejected, "yellow" if snapshot.rejected else "dim"),
        "  ",
        (time_text(snapshot), "dim"),
    )


def _bar(share: float, *, pulse: bool = False) -> Table:
    # Alone in a group the bar would not end its line; a grid's cell does.
    grid = Table.grid()
    grid.add_row(ProgressBar(total=1, completed=share, pulse=pulse, width=_BAR_COLUMNS))
    return grid


def _stages(stages: tuple[StageProgress, ...]) -> Table:
    columns = {
        "running": [_count(stage.running) for stage in stages],
        "done": [_count(stage.done) for stage in stages],
        "rejected": [_count(stage.rejected, "yellow") for stage in stages],
    }
    return _table("stage", _NAME_COLUMNS, [stage.name for stage in stages], columns)


def _models(models: tuple[ModelProgress, ...], width: int) -> Table:
    columns = {
        "in flight": [_in_flight(model) for model in models],
        "calls": [_count(model.calls) for model in models],
        "calls/s": [_pace(model.calls_per_s) for model in models],
        "tokens": [_count(model.prompt_tokens + model.completion_tokens) for model in models],
        "tokens/s": [_pace(model.tokens_per_s) for model in models],
        "cost": [Text(cost_text(model.cost_usd)) for model in models],
    }
    seldom = {
        "429s": [_count(model.throttled, "yellow") for model in models],
        "retries": [_count(model.retries, "yellow") for model in models],
        "hedged": [_count(model.hedged, "yellow") for model in models],
        "waits": [_wait(model.paused_s) for model in models],
        "replayed": [_count(model.replayed) for model in models],
    }
    columns |= {title: cells for title, cells in seldom.items() if any(cell.plain != _NONE for cell in cells)}
    names = [model.name for model in models]
    longest = min(max(map(len, ("model", *names))), _NAME_COLUMNS)
    for title in _SPARED:
        if longest > _room(width, columns):
            columns.pop(title, None)
    return _table("model", min(_room(width, columns), _NAME_COLUMNS), names, columns)


def _room(width: int, columns: Mapping[str, Sequence[Text]]) -> int:
    """What these columns leave for the names."""
    return width - sum(_GAP + max(len(title), *map(len, cells)) for title, cells in columns.items())


def _table(title: str, title_width: int, names: Sequence[str], columns: Mapping[str, Sequence[Text]]) -> Table:
    """One row for each name, one right-aligned column for each sort of number."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, _GAP, 0, 0))
    table.add_column(title, no_wrap=True, width=title_width)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    for row, name in enumerate(names):
        table.add_row(name, *(cells[row] for cells in columns.values()))
    return table


def _in_flight(model: ModelProgress) -> Text:
    """`19/64`: how many there are, and how many there may be, where that is known."""
    return Text(f"{model.in_flight:,}/{model.allowed:,}") if model.allowed else _count(model.in_flight)


def _pace(per_second: float) -> Text:
    """`0.4`, `21`, `3,180`, `12.3k`."""
    return Text(pace_text(per_second)) if per_second else Text(_NONE, style="dim")


def _wait(seconds: float) -> Text:
    return Text(clock_text(seconds), style="yellow") if seconds else Text(_NONE, style="dim")


def _count(number: int, style: str = "") -> Text:
    """A number; zero is there, but does not catch the eye."""
    return Text(short_text(number), style=style) if number else Text(_NONE, style="dim")
