"""`preflect quickstart`, `run` and `resume`: what makes a run go."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from preflect.cli.out_path import folder_to_write
from preflect.cli.output import AsJson, Quiet, print_result
from preflect.cli.progress import progress_shown

if TYPE_CHECKING:
    from types import FrameType

    from preflect.engine import RunResult, Watch
    from preflect.engine.plan import Plan


def _positive(value: float | None) -> float | None:
    if value is not None and not (value > 0 and isfinite(value)):
        raise typer.BadParameter(f"{value:g} is no budget; it must be greater than 0")
    return value


BudgetUsd = Annotated[
    float | None, typer.Option(callback=_positive, metavar="USD", help="Never spend more than this in all.")
]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="A.B.C=VALUE", help="Override a key of the recipe.")
]
RunPath = Annotated[
    Path | None,
    typer.Option("--run", callback=folder_to_write, help="The run's folder; default data/runs/<name>-<time>."),
]


def quickstart(
    samples: Annotated[int | None, typer.Option(min=1, help="Only so many of the shipped seeds.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the run and of the simulated endpoint.")] = 7,
    run: RunPath = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Do the whole job on the shipped seeds, simulated.

    It needs no key, no network and no GPU: the replies of all models are simulated.
    """
    from preflect.adapters.shipped import shipped
    from preflect.recipes import load

    overrides = [f"seed={seed}"] + ([f"input.limit={samples}"] if samples else [])
    _carry_out(lambda: load(shipped("recipes/quickstart.yaml"), overrides), run, quiet=quiet, as_json=as_json)


def run(
    recipe: Annotated[Path, typer.Argument(help="The recipe, a YAML file.")],
    input_path: Annotated[str | None, typer.Option("--input", help="Read this instead of the recipe's input.")] = None,
    run: RunPath = None,
    overrides: Overrides = None,
    budget_usd: BudgetUsd = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first rows of the input.")] = None,
    engine: Annotated[
        Literal["distilabel", "local"] | None, typer.Option(help="distilabel, or local: in this process.")
    ] = None,
    skip_bad_rows: Annotated[
        bool, typer.Option("--skip-bad-rows", help="Leave rows that can't be used out, in rejections.parquet.")
    ] = False,
    replay: Annotated[
        str | None,
        typer.Option(
            metavar="RUN|FILE", help="Take all replies from the journal of this run or file, and call nothing."
        ),
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Run a recipe from its first sample to its report."""
    from preflect.engine.run_folder import find_journal
    from preflect.recipes import load

    shortcuts = {
        "input.path": input_path,
        "limits.budget_usd": budget_usd,
        "input.limit": limit,
        "engine": engine,
    }
    given = [f"{key}={json.dumps(value)}" for key, value in shortcuts.items() if value is not None]
    _carry_out(
        lambda: load(
            recipe,
            [*(overrides or ()), *given],
            skip_bad_rows=skip_bad_rows,
            replay=None if replay is None else find_journal(replay),
        ),
        run,
        quiet=quiet,
        as_json=as_json,
    )


def resume(
    run: Annotated[str, typer.Argument(help="A run's folder, or its name under data/runs/.")],
    overrides: Overrides = None,
    budget_usd: BudgetUsd = None,
    replay: Annotated[
        bool, typer.Option("--replay", help="Take all replies from the run's journal, and call nothing.")
    ] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Go on where a stopped or killed run left off.

    No finished call is paid again. A budget given here takes the place of the recipe's, with what is spent counted in;
    so does with --set any key of limits, and of a model what leads to it: its address, key, timeout and rates.
    """
    from preflect.engine import resume as go_on
    from preflect.engine.run_folder import find_run
    from preflect.recipes.plan import plan_to_resume

    folder = find_run(run)
    budget = () if budget_usd is None else (f"limits.budget_usd={budget_usd!r}",)
    plan = plan_to_resume(folder, (*(overrides or ()), *budget), replay=replay)
    _print_notes(plan)
    with watched(quiet=quiet or as_json) as watch:
        result = go_on(plan, folder, watch)
    print_summary(result, as_json=as_json)


def _carry_out(make_plan: Callable[[], Plan], path: Path | None, *, quiet: bool, as_json: bool) -> None:
    from preflect.engine import run as start

    plan = make_plan()
    _print_notes(plan)
    with watched(quiet=quiet or as_json) as watch:
        result = start(plan, path, watch)
    print_summary(result, as_json=as_json)


def _print_notes(plan: Plan) -> None:
    for note in plan.notes:
        print(f"note: {note}", file=sys.stderr)


def print_summary(result: RunResult, *, as_json: bool) -> None:
    """Say what came of a run."""
    from preflect.cli.summary import document_of, text_of

    print_result(document_of(result), text_of(result), as_json=as_json)


def _say(what: str) -> None:
    print(f"{what} …", file=sys.stderr)


def _say_nothing(_: str) -> None:
    return None


@contextmanager
def watched(*, quiet: bool) -> Generator[Watch]:
    """Progress on the terminal; the first Ctrl-C asks the run to stop, a second one ends it at once."""
    from preflect.engine import Watch
    from preflect.errors import InterruptedRunError

    asked = threading.Event()

    def ask(_signal: int, _frame: FrameType | None) -> None:
        if asked.is_set():
            raise InterruptedRunError("ended at once; calls that were in flight are asked again by a resume")
        asked.set()
        print("stopping: waiting for the calls in flight (Ctrl-C again to end at once)", file=sys.stderr)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with progress_shown(quiet=quiet) as publish:
            say = _say_nothing if quiet else _say
            yield Watch(stop_requested=asked.is_set, publish=publish, say=say)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
