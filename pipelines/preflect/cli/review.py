"""`preflect review start`, `status` and `stop`: the embedded Argilla."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from preflect.cli.output import AsJson, Quiet, print_result
from preflect.review.home import DEFAULT_HOME, ReviewHome

if TYPE_CHECKING:
    from preflect.review.environment import Say

Home = Annotated[Path, typer.Option(metavar="DIR", help="The folder that holds the server's data.")]
_SEEN_BY_SERVER: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH")


def start(
    home: Home = DEFAULT_HOME,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Where to listen; by default where it did before, or any free one."),
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    i_know: Annotated[bool, typer.Option("--i-know", help="Let --host be open to the network, without TLS.")] = False,
    environment: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            exists=True,
            envvar="PREFLECT_REVIEW_ENVIRONMENT",
            help="A virtual environment with argilla-server, instead of the one that is made on first use.",
        ),
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Start the review server in the background, or find the one that is running.

    It is Argilla with its web pages, for this machine alone. On first use its packages are installed in an environment
    of their own. All that it knows is in --home, and is there again after a restart.
    """
    from preflect.review.address import address_of
    from preflect.review.environment import server_environment
    from preflect.review.process import Launch, start

    with _told(quiet=quiet or as_json) as say:
        launch = Launch(
            address=address_of(host, port, network_allowed=i_know),
            environment=lambda: environment or server_environment(_cache() / "review-server", say),
            variables={name: os.environ[name] for name in _SEEN_BY_SERVER if name in os.environ},
        )
        running, was_there = start(ReviewHome(home), launch, say)
    credentials = ReviewHome(home).credentials()
    assert credentials is not None
    where = ReviewHome(home).credentials_file
    facts = asdict(running) | {
        "username": credentials.username,
        "credentials": str(where),
        "already_running": was_there,
    }
    text = (
        f"review server {'is already running' if was_there else 'started'}: {running.url}\n"
        f"user      {credentials.username}\n"
        f"password  in {where}\n"
        f"stop it   preflect review stop{'' if home == DEFAULT_HOME else f' --home {home}'}"
    )
    print_result(facts, text, as_json=as_json)


def status(home: Home = DEFAULT_HOME, as_json: AsJson = False) -> None:
    """Say whether the review server runs, where, and what it holds."""
    from preflect.review.process import status

    found = status(ReviewHome(home))
    counts = ", ".join(f"{number:,} {what}" for what, number in found.counts.items())
    if found.running is None:
        text = "the review server is not running; `preflect review start` starts it"
    elif found.version is None:
        text = f"the review server (process {found.running.pid}) does not answer at {found.running.url}"
    else:
        text = f"Argilla {found.version} at {found.running.url}, process {found.running.pid}"
    facts: dict[str, Any] = {
        "running": found.running is not None,
        **(asdict(found.running) if found.running else {"pid": None, "url": None}),
        "version": found.version,
        **found.counts,
    }
    print_result(facts, f"{text}\n{counts}".rstrip(), as_json=as_json)


def stop(home: Home = DEFAULT_HOME, as_json: AsJson = False) -> None:
    """Stop the review server; its data stay."""
    from preflect.review.process import stop

    stopped = stop(ReviewHome(home))
    text = f"stopped the review server (process {stopped.pid})" if stopped else "the review server is not running"
    print_result({"stopped": stopped is not None, "pid": stopped.pid if stopped else None}, text, as_json=as_json)


@contextmanager
def _told(*, quiet: bool) -> Generator[Say]:
    """What is being done: one line that changes on a terminal, else a line for each step."""
    if quiet:
        yield lambda _: None
        return
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda step: print(step, file=sys.stderr, flush=True)
        return
    with console.status("starting") as shown:
        yield shown.update


def _cache() -> Path:
    """The user's folder for what can be made again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "preflect"


COMMANDS: Final[tuple[tuple[Any, str, str], ...]] = (
    (start, "start", "preflect review start --home data/review --port 6900"),
    (status, "status", "preflect review status --json"),
    (stop, "stop", "preflect review stop"),
)
