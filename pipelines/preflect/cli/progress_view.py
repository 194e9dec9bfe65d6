"""How a snapshot looks on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from preflect.cli.progress import cost_text, samples_text, share_of, time_text
from preflect.engine.progress import ModelProgress, Snapshot, StageProgress

_NARROW: Final = 76
"""Below this many columns the tables are left out."""
_BAR_COLUMNS: Final = 60
_NAME_COLUMNS: Final = 19
"""The longest stage name, `reflect_instruction`."""
_SHORTEN_FROM: Final = 10_000


def draw(snapshot: Snapshot, width: int) -> RenderableType:
    """The display for a terminal of this width."""
    if width < _NARROW:
        return _headline(snapshot)
    tables = [_stages(snapshot.stages)] * bool(snapshot.stages) + [_models(snapshot.models)] * bool(snapshot.models)
    spaced = [part for table in tables for part in ("", table)]
    return Group(_headline(snapshot), _bar(snapshot), *spaced)


def _headline(snapshot: Snapshot) -> Text:
    rejected = f"{snapshot.rejected:,} rejected"
    return Text.assemble(
        (samples_text(snapshot), "bold"),
        "  ",
        (rejected, "yellow" if snapshot.rejected else "dim"),
        "  ",
        (time_text(snapshot), "dim"),
    )


def _bar(snapshot: Snapshot) -> Table:
    # Alone in a group the bar would not end its line; a grid's cell does.
    grid = Table.grid()
    grid.add_row(ProgressBar(total=1, completed=share_of(snapshot), pulse=not snapshot.total, width=_BAR_COLUMNS))
    return grid


def _stages(stages: tuple[StageProgress, ...]) -> Table:
    columns = {
        "running": [_count(stage.running) for stage in stages],
        "done": [_count(stage.done) for stage in stages],
        "rejected": [_count(stage.rejected, "yellow") for stage in stages],
    }
    return _table("stage", [stage.name for stage in stages], columns)


def _models(models: tuple[ModelProgress, ...]) -> Table:
    columns = {
        "in flight": [_count(model.in_flight) for model in models],
        "calls": [_count(model.calls) for model in models],
        "tokens": [_count(model.prompt_tokens + model.completion_tokens) for model in models],
        "cost": [Text(cost_text(model.cost_usd)) for model in models],
    }
    if any(model.replayed for model in models):
        columns["replayed"] = [_count(model.replayed) for model in models]
    if any(model.retries for model in models):
        columns["retries"] = [_count(model.retries, "yellow") for model in models]
    return _table("model", [model.name for model in models], columns)


def _table(title: str, names: Sequence[str], columns: Mapping[str, Sequence[Text]]) -> Table:
    """One row for each name, one right-aligned column for each sort of number."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column(title, no_wrap=True, width=_NAME_COLUMNS)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    for row, name in enumerate(names):
        table.add_row(name, *(cells[row] for cells in columns.values()))
    return table


def _count(number: int, style: str = "") -> Text:
    """A number; zero is there, but does not catch the eye."""
    return Text(_short(number), style=style) if number else Text("·", style="dim")


def _short(number: int) -> str:
    """`9,999`, `12.3k`, `4.57M`."""
    if number < _SHORTEN_FROM:
        return f"{number:,}"
    return f"{number / 1e3:.1f}k" if number < 1e6 else f"{number / 1e6:.2f}M"  # noqa: PLR2004  a million needs no name
