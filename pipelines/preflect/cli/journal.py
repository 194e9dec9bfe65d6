"""`preflect journal export`, `import` and `stats`: calls that travel from run to run, and what they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from preflect.cli.out_path import file_to_write
from preflect.cli.output import AsJson, print_result

if TYPE_CHECKING:
    from preflect.engine.journal_exchange import Merged
    from preflect.engine.journal_stats import CallStats, JournalStats

_COLUMNS: Final = (
    "stage", "model", "calls", "imported", "tokens in", "cached", "tokens out", "reasoning", "cost", "median", "p95",
    "p99", "finish reasons",
)  # fmt: skip

Name = Annotated[str, typer.Argument(metavar="RUN|FILE", help="A run, or a journal's file.")]


def export(
    journal: Name,
    to: Annotated[Path, typer.Option(callback=file_to_write, help="The Parquet file to write.")],
    as_json: AsJson = False,
) -> None:
    """Write all calls to one compressed file that can be shared, merged and replayed.

    It is Parquet with one row a call: key, model, stage, sample_id, text, thinking, finish_reason, served_by,
    prompt_tokens, completion_tokens, cost_usd, latency_s, cached_tokens, reasoning_tokens, simulated.
    """
    from preflect.engine.journal_exchange import export_calls
    from preflect.engine.run_folder import find_journal

    calls = export_calls(find_journal(journal), to)
    text = f"wrote {calls:,} calls to {to}, {_bytes(to.stat().st_size)}"
    print_result({"to": str(to), "calls": calls, "bytes": to.stat().st_size}, text, as_json=as_json)


def import_(
    sources: Annotated[list[str], typer.Argument(metavar="RUN|FILE...", help="Runs, journals or exported files.")],
    into: Annotated[str, typer.Option(metavar="RUN|FILE", help="The run, or the journal's file, old or new.")],
    as_json: AsJson = False,
) -> None:
    """Bring calls of other journals into a run's, so that they are not paid again.

    A call that is there already stays as it is. What imported calls cost does not count as spent by the run.
    """
    from preflect.engine.journal_exchange import import_into
    from preflect.engine.run_folder import find_journal

    merged = import_into(into, [find_journal(source) for source in sources])
    print_result({"into": into, **asdict(merged)}, "\n".join(_lines_of(merged, into)), as_json=as_json)


def _lines_of(merged: Merged, into: str) -> Iterator[str]:
    yield f"imported {merged.imported:,} calls into {into}; {merged.known:,} were there already"
    if merged.conflicts:
        yield f"{merged.conflicts:,} were there with another reply, which was kept:"
        yield from (f"  {key}" for key in merged.conflicting)
        if len(merged.conflicting) < merged.conflicts:
            yield f"  and {merged.conflicts - len(merged.conflicting):,} more"


def stats(journal: Name, as_json: AsJson = False) -> None:
    """Say what a journal holds: calls, tokens, cost and latency by stage and model, and its size."""
    from preflect.engine.journal_stats import journal_stats
    from preflect.engine.run_folder import find_journal

    path = find_journal(journal)
    found = journal_stats(path)
    print_result({"journal": str(path), **asdict(found)}, _text_of(found, path), as_json=as_json)


def _text_of(found: JournalStats, path: Path) -> str:
    from preflect.cli.output import columns_text
    from preflect.cli.progress import cost_text

    rows = [_cells(group) for group in found.groups]
    calls = sum(group.calls for group in found.groups)
    imported = sum(group.imported for group in found.groups)
    ratio = found.text_bytes / max(found.stored_text_bytes, 1)
    return "\n".join(
        (
            *([columns_text([_COLUMNS, *rows]), ""] if rows else []),
            f"calls    {calls:,}, {imported:,} of them imported; {cost_text(found.paid_here_usd)} paid here",
            *_lost(found),
            f"size     {_bytes(found.bytes_on_disk)}; texts {_bytes(found.text_bytes)}, compressed {ratio:.2f} times",
            f"journal  {path}",
        )
    )


def _lost(found: JournalStats) -> Iterator[str]:
    from preflect.cli.progress import cost_text

    if found.lost_usd:
        yield f"lost     up to {cost_text(found.lost_usd)}, for requests that brought no usable reply"


def _cells(group: CallStats) -> list[str]:
    from preflect.cli.progress import cost_text

    counts = (group.prompt_tokens, group.cached_tokens, group.completion_tokens, group.reasoning_tokens)
    latencies = (group.latency_median_s, group.latency_p95_s, group.latency_p99_s)
    return [
        group.stage,
        group.model,
        f"{group.calls:,}",
        f"{group.imported:,}",
        *(f"{count:,}" for count in counts),
        cost_text(group.cost_usd),
        *(f"{seconds:.2f} s" for seconds in latencies),
        ", ".join(f"{reason} {count:,}" for reason, count in group.finish_reasons.items()),
    ]


def _bytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


COMMANDS: Final[tuple[tuple[Any, str, str], ...]] = (
    (export, "export", "preflect journal export demo --to calls.parquet"),
    (import_, "import", "preflect journal import calls.parquet --into demo"),
    (stats, "stats", "preflect journal stats demo"),
)
