"""The commands in one table, and the way from an error to an exit code."""

from __future__ import annotations

import errno
import sys
import traceback
from collections.abc import Sequence
from types import TracebackType
from typing import Annotated, Final

import typer

from preflect.cli import (
    check,
    export,
    filtering,
    init,
    journal,
    review,
    review_push,
    run,
    runs,
    schema,
    score,
    sim,
    student,
)
from preflect.cli.output import print_result, report_error
from preflect.errors import PreflectError

_INTERRUPTED: Final = 130
_STOPPED_EARLY: Final = 3

app = typer.Typer(
    name="preflect",
    help="Training-ready preference data from seed instructions, with the evidence for trusting each row.",
    # Plain help: rich would cost a tenth of a second of each `--help`.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 failed, 2 wrong input, 3 stopped early with everything kept, 4 a part is missing.",
)
_COMMANDS: Final = (
    (run.quickstart, "preflect quickstart --samples 20 --run demo"),
    (init.init, "preflect init recipe.yaml"),
    (run.run, "preflect run recipe.yaml --set models.teacher.concurrency=8 --budget-usd 2"),
    (run.resume, "preflect resume selective-reflection-20260101T120000 --set models.teacher.concurrency=8"),
    (runs.runs, "preflect runs"),
    (runs.show, "preflect show demo 3f2a"),
    (score.score, "preflect score answers.jsonl --student ppm --out scores.parquet"),
    (export.pairs, "preflect pairs demo --strategy best_random --min-margin 0.5"),
    (export.export, "preflect export demo --to training"),
    (check.check, "preflect check data/runs/demo/export/dpo --format trl-dpo"),
    (runs.report, "preflect report demo"),
    (schema.schema, "preflect schema DpoRow"),
    (sim.sim, "preflect sim --port 8000 --seed 7"),
)
for _command, _example in _COMMANDS:
    app.command(epilog=f"Example: {_example}")(_command)
# `filter` is a word of Python's own.
_example = "preflect filter answers.jsonl --by superfiltering --student ppm --keep 10% --out kept.jsonl"
app.command("filter", epilog=f"Example: {_example}")(filtering.filter_rows)
_GROUPS: Final = (
    (
        "journal",
        "Share, merge and look at the journals of runs: every call to a model, with its reply.",
        journal.COMMANDS,
    ),
    (
        "review",
        "Let people judge a run's answers, in an Argilla that starts with one command, and learn from what they say.",
        (*review.COMMANDS, *review_push.COMMANDS),
    ),
    ("student", "Bring a student into another form.", student.COMMANDS),
)
for _word, _help, _commands in _GROUPS:
    _group = typer.Typer(name=_word, help=_help, no_args_is_help=True, rich_markup_mode=None)
    for _command, _name, _example in _commands:
        _group.command(_name, epilog=f"Example: {_example}")(_command)
    app.add_typer(_group)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print_result(None, f"preflect {version('preflect')}", as_json=False)
        raise typer.Exit


@app.callback()
def _globals(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error; it may stand anywhere.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Options of all commands."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; `arguments` are the process's own by default.

    Returns: the exit code. Errors that preflect knows end as a message on stderr, below a traceback where `--debug`
    stands anywhere among the arguments.
    """
    given = [*(sys.argv[1:] if arguments is None else arguments)]
    words = [word for word in given if word != "--debug"]
    debug, as_json = len(words) < len(given), "--json" in words
    if arguments is None:
        sys.excepthook = _say_unexpected
    try:
        # The command itself: calling `app` would put typer's own hook in place of ours.
        typer.main.get_command(app)(words, prog_name="preflect")
    except SystemExit as ended:
        return _code(ended, as_json=as_json)
    except PreflectError as error:
        if debug:
            traceback.print_exc()
        report_error(str(error), error.exit_code, as_json=as_json)
        return error.exit_code
    return 0


def _code(ended: SystemExit, *, as_json: bool) -> int:
    """Ctrl-C before or after a run means what it means in a run: stopped early."""
    if ended.code == _INTERRUPTED:
        report_error("stopped by Ctrl-C", _STOPPED_EARLY, as_json=as_json)
        return _STOPPED_EARLY
    code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    # Arguments that no command takes: typer has said so on stderr, and a machine reads stdout.
    if as_json and isinstance(ended.__context__, typer.TyperException):
        print_result({"error": ended.__context__.format_message(), "exit_code": code}, "", as_json=True)
    return code


def _say_unexpected(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What nobody foresaw: python ends with exit code 1 after it."""
    debug = "--debug" in sys.argv
    if debug:
        traceback.print_exception(kind, error, trace)
    hint = "" if debug else "; `--debug` shows the traceback"
    what = f"unexpected {kind.__name__}: {error}"
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        remedy = "make room, then give the command again; a run goes on with `preflect resume`"
        what = f"the disk is full: {error}\nwhat was done is kept: {remedy}"
    report_error(what + hint, 1, as_json="--json" in sys.argv)
