"""A run's progress: a live display on a terminal, plain lines where output is piped."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from rich.console import Console

    from preflect.engine.progress import ModelProgress, RowProgress, Snapshot

Publish: TypeAlias = "Callable[[Snapshot | RowProgress], None]"

_REFRESHES_PER_SECOND: Final = 8
_SHORTEN_FROM: Final = 10_000
_WHOLE_FROM: Final = 9.95
"""From here on a pace's tenths say nothing."""


@contextmanager
def progress_shown(*, quiet: bool, console: Console | None = None, every_s: float = 5.0) -> Generator[Publish]:
    """What a run should hand its snapshots to, from any thread.

    Args: quiet shows nothing (`--quiet`, `--json`); console is stderr by default; every_s is the pace of plain lines.
    """
    if quiet:
        yield _show_nothing
        return
    from rich.console import Console

    console = console or Console(stderr=True)
    if console.is_terminal and not console.is_dumb_terminal:
        with _live(console) as publish:
            yield publish
    else:
        lines = PlainLines(write=_write_to(console), every_s=every_s)
        try:
            yield lines.publish
        finally:
            lines.close()


def _show_nothing(_: Snapshot | RowProgress) -> None:
    return None


def _write_to(console: Console) -> Callable[[str], None]:
    def write(line: str) -> None:
        # A log file's lines are never wrapped to a terminal's width.
        print(line, file=console.file, flush=True)

    return write


@contextmanager
def _live(console: Console) -> Generator[Publish]:
    from rich.live import Live
    from rich.text import Text

    from preflect.cli.progress_view import draw

    with Live(Text("starting …", style="dim"), console=console, refresh_per_second=_REFRESHES_PER_SECOND) as live:
        yield lambda snapshot: live.update(draw(snapshot, console.width))


def _write_line(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@dataclass(slots=True)
class PlainLines:
    """Writes a line for the first snapshot, then one every `every_s` seconds, and the last one."""

    write: Callable[[str], None] = _write_line
    every_s: float = 5.0
    clock: Callable[[], float] = time.monotonic
    _next_s: float = field(default=float("-inf"), init=False)
    _latest: str = field(default="", init=False)
    _written: str = field(default="", init=False)

    def publish(self, snapshot: Snapshot | RowProgress) -> None:
        """Take note of a snapshot, and write it when it is time."""
        self._latest = plain_line(snapshot)
        if self.clock() >= self._next_s:
            self._next_s = self.clock() + self.every_s
            self._flush()

    def close(self) -> None:
        """Write the last snapshot, if it was not written yet."""
        self._flush()

    def _flush(self) -> None:
        if self._latest != self._written:
            self.write(self._latest)
            self._written = self._latest


def plain_line(snapshot: Snapshot | RowProgress) -> str:
    """A snapshot on one line."""
    from preflect.engine.progress import RowProgress

    if isinstance(snapshot, RowProgress):
        return f"{rows_text(snapshot)}, {', '.join(pace_of_rows(snapshot))}"
    calls = _calls_text(snapshot.models) if snapshot.models else []
    return ", ".join([samples_text(snapshot), f"{snapshot.rejected:,} rejected", *calls, time_text(snapshot)])


def _calls_text(models: Sequence[ModelProgress]) -> list[str]:
    seldom = {
        "from the journal": sum(m.replayed for m in models),
        "refused (429)": sum(m.throttled for m in models),
        "retries": sum(m.retries for m in models),
        "hedged": sum(m.hedged for m in models),
    }
    tokens = sum(m.prompt_tokens + m.completion_tokens for m in models)
    return [
        f"{sum(m.in_flight for m in models):,} in flight",
        f"{sum(m.calls for m in models):,} calls ({pace_text(sum(m.calls_per_s for m in models))}/s)",
        *(f"{number:,} {what}" for what, number in seldom.items() if number),
        f"{tokens:,} tokens ({pace_text(sum(m.tokens_per_s for m in models))}/s)",
        cost_text(sum(m.cost_usd for m in models)),
        *(f"{m.name} waits {clock_text(m.paused_s)}" for m in models if m.paused_s),
    ]


def samples_text(snapshot: Snapshot) -> str:
    """`57 of 200 samples, 28 % done`."""
    if not snapshot.total:
        return f"{snapshot.finished:,} samples"
    return f"{snapshot.finished:,} of {snapshot.total:,} samples, {int(100 * share_of(snapshot))} % done"


def rows_text(progress: RowProgress) -> str:
    """`57 of 200 rows, 28 % done`."""
    return f"{progress.done:,} of {progress.total:,} rows, {100 * progress.done // max(progress.total, 1)} % done"


def pace_of_rows(progress: RowProgress) -> tuple[str, str, str]:
    """`21 rows/s`, `3 unscorable` and `1:05 gone, 0:30 left`."""
    return (
        f"{pace_text(progress.rows_per_s)} rows/s",
        f"{progress.unscorable:,} unscorable",
        time_text(progress),
    )


def share_of(snapshot: Snapshot) -> float:
    """How much of the work is done, from 0 to 1; 0 where nobody knows."""
    if snapshot.share is not None:
        return snapshot.share
    return snapshot.finished / snapshot.total if snapshot.total else 0.0


def cost_text(cost_usd: float) -> str:
    """Dollars, with cents' fractions while they are all there is: `$0.0042`, `$12.30`."""
    return f"${cost_usd:.2f}" if cost_usd >= 1 or not cost_usd else f"${cost_usd:.4f}"


def pace_text(per_second: float) -> str:
    """So many a second: `0.4`, `21`, `3,180`, `12.3k`."""
    return f"{per_second:.1f}" if per_second < _WHOLE_FROM else short_text(round(per_second))


def short_text(number: int) -> str:
    """`9,999`, `12.3k`, `4.57M`."""
    if number < _SHORTEN_FROM:
        return f"{number:,}"
    return f"{number / 1e3:.1f}k" if number < 1e6 else f"{number / 1e6:.2f}M"  # noqa: PLR2004  a million needs no name


def time_text(snapshot: Snapshot | RowProgress) -> str:
    """`1:05 gone, 0:30 left`."""
    gone = f"{clock_text(snapshot.elapsed_s)} gone"
    return gone if snapshot.seconds_left is None else f"{gone}, {clock_text(snapshot.seconds_left)} left"


def clock_text(seconds: float) -> str:
    """`0:05`, `12:30`, `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
