"""Review desks by what was said of them: opened where they are used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from preflect.adapters.environment import secret
from preflect.adapters.jsonl_desk import JsonlDesk
from preflect.desk import ReviewDesk
from preflect.errors import InputError, MissingPartError
from preflect.review.home import DEFAULT_HOME, ReviewHome
from preflect.schemas import ArgillaDeskSpec, DeskName, DeskSpec, JsonlDeskSpec

if TYPE_CHECKING:
    from preflect.adapters.argilla_desk import ArgillaDesk


def open_desk(spec: DeskSpec) -> ReviewDesk:
    """The desk itself. Raises: MissingPartError, InputError: it can't be reached."""
    if isinstance(spec, JsonlDeskSpec):
        return JsonlDesk(Path(spec.path))
    return open_argilla(spec)


def open_argilla(spec: ArgillaDeskSpec) -> ArgillaDesk:
    """The team's own Argilla by URL and key, or the embedded one by where it listens now.

    Raises: InputError: the key's variable is not set; MissingPartError: the embedded one does not run.
    """
    from preflect.adapters.argilla_desk import ArgillaDesk  # noqa: PLC0415  # few runs are reviewed

    if spec.url is not None:
        if spec.api_key_env is None:
            raise InputError(f"name the variable with the API key of the Argilla at {spec.url}: --api-key-env NAME")
        url, api_key = spec.url, secret(spec.api_key_env)
    else:
        url, api_key = _embedded(Path(spec.home or DEFAULT_HOME))
    return ArgillaDesk(url=url, api_key=api_key, workspace=spec.workspace, dataset=spec.dataset)


def _embedded(home: Path) -> tuple[str, str]:
    running, credentials = ReviewHome(home).running(), ReviewHome(home).credentials()
    if running is None or credentials is None:
        raise MissingPartError(
            f"no review server runs in {home}; start it with `preflect review start`, name your own Argilla with "
            "--url, or a file with --to"
        )
    return running.url, credentials.api_key


def check_apart(desks: Mapping[DeskName, DeskSpec]) -> None:
    """Raises: InputError: both queues are in one place, where every reviewer's word would be taken for an expert's."""
    places = [place_of(desk) for desk in desks.values()]
    if len({*places}) < len(places):
        raise InputError(
            f"{places[0]} is where all reviewers answer, and cannot be where an expert does: each word there would be "
            "the expert's; lay out what people could not settle elsewhere, `review push --adjudicate --to FILE`"
        )


def place_of(spec: DeskSpec) -> str:
    """Where it is, for people."""
    if isinstance(spec, JsonlDeskSpec):
        return spec.path
    return f"{spec.workspace}/{spec.dataset} in {spec.url or 'the embedded Argilla'}"
