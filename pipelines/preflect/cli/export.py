"""`preflect export` and `pairs`: training data from a finished run, without a call."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from preflect.cli.out_path import folder_to_write
from preflect.cli.output import AsJson, print_result
from preflect.cli.runs import RunName
from preflect.errors import InputError

if TYPE_CHECKING:
    from preflect.schemas import ExportCounts
    from preflect.schemas.stages import Strategy


def export(
    run: RunName,
    to: Annotated[Path, typer.Option(callback=folder_to_write, help="The folder to write to.")],
    format_: Annotated[str, typer.Option("--format", help="Formats, separated by commas: trl.")] = "trl",
    as_json: AsJson = False,
) -> None:
    """Write a run's training data, each row validated."""
    from preflect.engine.run_folder import find_run
    from preflect.recipes.finish import export as write

    unknown = sorted(set(format_.split(",")) - {"trl"})
    if unknown:
        raise InputError(f"--format: unknown {', '.join(unknown)}; known are trl")
    folder = find_run(run)
    counts = write(folder, to)
    print_result({"to": str(to), "exports": _documents(counts)}, _lines(counts, to), as_json=as_json)


def pairs(
    run: RunName,
    strategy: Annotated[
        str, typer.Option(help="best_worst, best_random, rewrite_vs_draft or correct_incorrect.")
    ] = "best_worst",
    min_margin: Annotated[float, typer.Option(min=0, help="In units of what decides.")] = 0.0,
    to: Annotated[
        Path | None,
        typer.Option(callback=folder_to_write, help="Where the pairs go; default RUN/pairs/<strategy>-<margin>."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Choose a run's pairs again, without a call.

    The run itself stays as it is; the pairs go to a folder of their own, as training data.
    """
    from preflect.engine.run_folder import find_run
    from preflect.recipes.pairs import choose_again

    folder = find_run(run)
    chosen = choose_again(folder, _strategy(strategy), min_margin, to)
    document = {
        "to": str(chosen.to),
        "pairs": chosen.pairs,
        "same_as_in_run": chosen.same,
        "no_pair": chosen.reasons,
        "exports": _documents(chosen.exports),
    }
    reasons = "".join(f"\n  {count:>6,}  {reason}" for reason, count in sorted(chosen.reasons.items()))
    text = (
        f"{chosen.pairs:,} pairs ({chosen.same:,} as in the run); no pair:{reasons or ' none'}\n"
        f"{_lines(chosen.exports, chosen.to)}"
    )
    print_result(document, text, as_json=as_json)


def _strategy(name: str) -> Strategy:
    from preflect.schemas.stages import Strategy

    known: tuple[Strategy, ...] = get_args(Strategy)
    if name not in known:
        raise InputError(f"--strategy: unknown {name!r}; known are {', '.join(known)}")
    return name


def _documents(counts: tuple[ExportCounts, ...]) -> list[dict[str, object]]:
    return [count.model_dump(mode="json") for count in counts]


def _lines(counts: tuple[ExportCounts, ...], to: Path) -> str:
    lines = [f"wrote {to}"]
    for count in counts:
        refused = ", ".join(f"{number:,} {reason}" for reason, number in count.refused.items())
        lines.append(f"  {count.kind}: {count.train:,} train, {count.test:,} test; refused: {refused or 'none'}")
    return "\n".join(lines)
