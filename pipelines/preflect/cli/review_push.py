"""`preflect review push`, `pull` and `report`: samples to people, and their answers back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from preflect.cli.output import AsJson, print_result
from preflect.cli.runs import RunName
from preflect.errors import InputError

if TYPE_CHECKING:
    from preflect.engine.run_folder import RunFolder
    from preflect.recipes.review_pull import Pulled
    from preflect.schemas import DeskName, DeskSpec

ToFile = Annotated[
    Path | None,
    typer.Option("--to", metavar="FILE", help="A file of JSON lines instead of Argilla, for a tool of yours."),
]
Url = Annotated[str | None, typer.Option(metavar="URL", help="Your own Argilla instead of the embedded one.")]
KeyName = Annotated[
    str | None, typer.Option("--api-key-env", metavar="NAME", help="The variable with your Argilla's API key.")
]


def push(
    run: RunName,
    to: ToFile = None,
    url: Url = None,
    api_key_env: KeyName = None,
    more: Annotated[
        bool, typer.Option("--more", help="Choose as many again, from samples that nobody was asked about.")
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
    from preflect.recipes.review_push import push as lay_out

    folder = find_run(run)
    pushed = lay_out(folder, _desk(folder, "review", to, url, api_key_env), options or (), more=more)
    text = (
        f"{pushed.place}: {pushed.items:,} samples, {pushed.new:,} of them new\n"
        f"  chosen by {_listed(pushed.parts)}\n"
        f"go on with `preflect review pull {run}` when people have answered"
    )
    print_result(asdict(pushed), text, as_json=as_json)


def pull(
    run: RunName,
    from_: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="The file of JSON lines, where it is not where it was."),
    ] = None,
    url: Url = None,
    api_key_env: KeyName = None,
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
    desk = _desk(folder, "review", from_, url, api_key_env) if from_ or url else None
    pulled = fetch(folder, desk)
    print_result(asdict(pulled), "\n".join(_told(pulled, run)), as_json=as_json)


def _told(pulled: Pulled, run: str) -> Iterator[str]:
    yield f"{pulled.answers:,} answers: {pulled.new:,} new, {pulled.changed:,} changed"
    if pulled.unknown:
        yield f"{pulled.unknown:,} answers to items that are not of this queue were left out"
    yield f"{pulled.full:,} of {pulled.size:,} samples have all their answers, {pulled.decided:,} are decided"
    if pulled.go_on:
        yield f"go on with `preflect resume {run}`"


def _desk(folder: RunFolder, name: DeskName, to: Path | None, url: str | None, api_key_env: str | None) -> DeskSpec:
    """Where to lay out: what the options say, else where it was before, else the embedded Argilla."""
    from preflect.engine.review_folder import ReviewFolder
    from preflect.schemas import ArgillaDeskSpec, JsonlDeskSpec

    if to and (url or api_key_env):
        raise InputError("--to names a file and --url an Argilla; give one of them")
    if to:
        return JsonlDeskSpec(path=str(to.resolve()))
    if not url and (known := ReviewFolder(folder).desks().get(name)):
        return known
    return ArgillaDeskSpec(url=url, api_key_env=api_key_env, dataset=f"{folder.path.name}-{name}")


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


COMMANDS: Final[tuple[tuple[Callable[..., Any], str, str], ...]] = (
    (push, "push", "preflect review push demo --to queue.jsonl"),
    (pull, "pull", "preflect review pull demo"),
)


def add_to(review: typer.Typer) -> None:
    """Put these commands among those of `preflect review`."""
    for command, name, example in COMMANDS:
        review.command(name, epilog=f"Example: {example}")(command)
