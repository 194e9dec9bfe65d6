"""`preflect review push`, `pull` and `report`: samples to people, and their answers back."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from preflect.cli.out_path import file_to_write
from preflect.cli.output import AsJson, print_result
from preflect.cli.review_where import Home, KeyName, Url, Where
from preflect.cli.runs import RunName
from preflect.errors import InputError

if TYPE_CHECKING:
    from preflect.adapters.argilla_desk import ArgillaDesk
    from preflect.recipes.review_pull import Pulled
    from preflect.schemas import Estimate, ReviewReport

ToFile = Annotated[
    Path | None,
    typer.Option(
        "--to",
        metavar="FILE",
        callback=file_to_write,
        help="A file of JSON lines instead of Argilla, for a tool of yours.",
    ),
]


def push(
    run: RunName,
    to: ToFile = None,
    url: Url = None,
    api_key_env: KeyName = None,
    dataset: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The queue's name in Argilla, where another run of this name has one there."),
    ] = None,
    users: Annotated[
        list[str] | None,
        typer.Option("--user", metavar="NAME", help="Let this person in; a new one's password is printed, once."),
    ] = None,
    home: Home = None,
    more: Annotated[
        bool, typer.Option("--more", help="Choose as many again, from samples that nobody was asked about.")
    ] = False,
    adjudicate: Annotated[
        bool, typer.Option("--adjudicate", help="Ties and conflicts instead, for an expert whose word then stands.")
    ] = False,
    leave_answers: Annotated[
        bool, typer.Option("--leave-answers", help="Move the queue, and leave what was not pulled from where it was.")
    ] = False,
    options: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="An option of the review, where the recipe has no such stage."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Choose samples for people to review, and lay them out.

    What is there already stays; so the same push again changes nothing, and ends one that was killed.
    """
    from dataclasses import asdict

    from preflect.engine.run_folder import find_run
    from preflect.recipes.review_desks import open_argilla
    from preflect.recipes.review_push import push as lay_out
    from preflect.recipes.review_push import push_for_adjudication
    from preflect.schemas import ArgillaDeskSpec

    folder = find_run(run)
    where = Where(file=to, url=url, api_key_env=api_key_env, home=home, dataset=dataset)
    desk = where.desk(folder, "adjudication" if adjudicate else "review")
    names = [name.strip() for name in users or ()]
    if names and not isinstance(desk, ArgillaDeskSpec):
        raise InputError("--user lets people into Argilla; a file of JSON lines has no users")
    if "" in names:
        raise InputError("--user is the name that somebody logs in with, got an empty one")
    if adjudicate and (more or options):
        raise InputError("--adjudicate takes what people could not settle, and neither --more nor --set")
    pushed = (
        push_for_adjudication(folder, desk, leave_answers=leave_answers)
        if adjudicate
        else lay_out(folder, desk, options or (), more=more, leave_answers=leave_answers)
    )
    passwords = _admit(open_argilla(desk), names) if names and isinstance(desk, ArgillaDeskSpec) else {}
    text = (
        f"{pushed.place}: {pushed.items:,} samples, {pushed.new:,} of them new\n"
        f"  chosen by {_listed(pushed.parts)}\n"
        f"{''.join(_admitted(names, passwords))}"
        f"go on with `preflect review pull {run}` when people have answered"
    )
    print_result({**asdict(pushed), "passwords": passwords}, text, as_json=as_json)


def _admit(desk: ArgillaDesk, users: Sequence[str]) -> dict[str, str]:
    """The passwords of those who are new; where not all can be let in, those made so far are said on stderr."""
    passwords: dict[str, str] = {}
    try:
        passwords.update(desk.admit(users))
    except BaseException:
        # They are nowhere else, and nobody can set new ones.
        print("".join(_admitted([*passwords], passwords)), end="", file=sys.stderr)
        raise
    return passwords


def _admitted(users: Sequence[str], passwords: Mapping[str, str]) -> Iterator[str]:
    for name in users:
        told = f"password {passwords[name]} (shown this once)" if name in passwords else "known already"
        yield f"user      {name}, {told}\n"


def pull(
    run: RunName,
    from_: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="The file of JSON lines, where it is not where it was."),
    ] = None,
    url: Url = None,
    api_key_env: KeyName = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Fetch what people said, and make samples, training data and report anew with it.

    Improved responses become candidates, scored and graded like any other; people's decisions go before the judge's.
    Run it as often as you like: it changes what has changed.
    """
    from dataclasses import asdict

    from preflect.engine.run_folder import find_run
    from preflect.recipes.review_pull import pull as fetch

    folder = find_run(run)
    where = Where(file=from_, url=url, api_key_env=api_key_env, home=home)
    pulled = fetch(folder, where.moved(folder))
    print_result(asdict(pulled), "\n".join(_told(pulled, run)), as_json=as_json)


def report(run: RunName, as_json: AsJson = False) -> None:
    """How far people agree with each other and with the judge, and how each of them works.

    Figures with 95 % intervals; as a page and as JSON in the run's `review/` as well.
    """
    from preflect.engine.review_folder import ReviewFolder
    from preflect.engine.run_folder import find_run
    from preflect.recipes.review_figures import review_report

    folder = find_run(run)
    found = review_report(folder)
    text = "\n".join((*_lines(found), f"report   {ReviewFolder(folder).report_path}"))
    print_result(found.model_dump(mode="json"), text, as_json=as_json)


def _lines(found: ReviewReport) -> Iterator[str]:
    yield f"{found.name}: {found.reviewed:,} of {found.pushed:,} samples reviewed"
    yield f"people   decided {found.decided:,}, {found.ties:,} of them ties; {found.conflicts:,} conflicts"
    yield f"judge    right in {_shown(found.judge_accuracy)} of all samples, estimated"
    yield f"         kappa {_shown(found.human_judge)} with people; grader with people {_shown(found.human_grader)}"
    for q in found.questions:
        yield f"{q.question:<8} alpha {_shown(q.alpha)}, {q.answers:,} answers"
    for r in found.reviewers:
        gold, first = _shown(r.gold), _shown(r.first)
        yield f"{r.reviewer:<8} {r.answers:,} answers, right on gold {gold}, chose the first shown {first}"


def _shown(estimate: Estimate) -> str:
    if estimate.value is None:
        return "unknown"
    return f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"


def _told(pulled: Pulled, run: str) -> Iterator[str]:
    yield f"{pulled.answers:,} answers: {pulled.new:,} new, {pulled.changed:,} changed"
    if pulled.unknown:
        yield f"{pulled.unknown:,} answers to items that are not of this queue were left out"
    if pulled.contradictory:
        yield (
            f"{pulled.contradictory:,} answers find a reference answer right and give another one, which is left "
            "aside; 'no' would put it in its place"
        )
    yield f"{pulled.full:,} of {pulled.size:,} samples have all their answers, {pulled.decided:,} are decided"
    if pulled.go_on:
        yield f"go on with `preflect resume {run}`"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


COMMANDS: Final[tuple[tuple[Callable[..., Any], str, str], ...]] = (
    (push, "push", "preflect review push demo --to queue.jsonl"),
    (pull, "pull", "preflect review pull demo"),
    (report, "report", "preflect review report demo"),
)
