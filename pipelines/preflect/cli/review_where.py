"""Where a run's queues lie, by the options of `preflect review push` and `pull`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from preflect.errors import InputError
from preflect.review.home import DEFAULT_HOME

if TYPE_CHECKING:
    from preflect.engine.run_folder import RunFolder
    from preflect.schemas import ArgillaDeskSpec, DeskName, DeskSpec

Url = Annotated[str | None, typer.Option(metavar="URL", help="Your own Argilla instead of the embedded one.")]
KeyName = Annotated[
    str | None, typer.Option("--api-key-env", metavar="NAME", help="The variable with your Argilla's API key.")
]
Home = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help=f"The embedded Argilla's data, by default where they were, or {DEFAULT_HOME}."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """A file, an Argilla of one's own, or the embedded one; what is None is as it was before."""

    file: Path | None
    url: str | None
    api_key_env: str | None
    home: Path | None
    dataset: str | None = None

    def desk(self, folder: RunFolder, name: DeskName) -> DeskSpec:
        """Where a queue lies; at first in the embedded Argilla. Raises: InputError: not all options can be meant."""
        from preflect.engine.review_folder import ReviewFolder
        from preflect.schemas import ArgillaDeskSpec, JsonlDeskSpec

        given = self._of_argilla()
        if (self.file and given) or (self.url and self.home):
            raise InputError("a file, an Argilla of your own (--url) or the embedded one (--home): name one of them")
        if self.file and self.file.is_dir():
            raise InputError(f"{self.file} is a folder; name a file, in it or elsewhere")
        if self.file:
            return JsonlDeskSpec(path=str(self.file.resolve()))
        desks = ReviewFolder(folder).desks()
        known = desks.get(name)
        if known and not given:
            return known
        desk = known if isinstance(known, ArgillaDeskSpec) else _in_argilla(folder, name, desks)
        if self.home:
            desk = desk.evolve(url=None, api_key_env=None)
        if self.api_key_env and not (self.url or desk.url):
            raise InputError("--api-key-env is for an Argilla of your own; name that with --url")
        return desk.evolve(**({"home": None} if self.url else {}), **given)

    def moved(self, folder: RunFolder) -> dict[DeskName, DeskSpec]:
        """The queues that are elsewhere now: the review's in a file, or all that were in an Argilla of that sort."""
        from preflect.engine.review_folder import ReviewFolder
        from preflect.schemas import ArgillaDeskSpec

        if not (self.file or self._of_argilla()):
            return {}
        known = {} if self.file else ReviewFolder(folder).desks()
        names: list[DeskName] = [
            name
            for name, desk in known.items()
            if isinstance(desk, ArgillaDeskSpec) and (desk.url is None) == bool(self.home)
        ]
        return {name: self.desk(folder, name) for name in names or ["review"]}

    def _of_argilla(self) -> dict[str, str]:
        home = str(self.home.resolve()) if self.home else None
        options = {"url": self.url, "api_key_env": self.api_key_env, "home": home, "dataset": self.dataset}
        return {name: value for name, value in options.items() if value}


def _in_argilla(folder: RunFolder, name: DeskName, desks: Mapping[DeskName, DeskSpec]) -> ArgillaDeskSpec:
    """A desk in the Argilla that has the run's other queue, or in the embedded one."""
    from preflect.schemas import ArgillaDeskSpec

    # Whoever is let into a workspace sees all that lies in it, and may answer.
    workspace = "preflect" if name == "review" else f"preflect-{name}"
    dataset = f"{folder.path.name}-{name}"
    for other in desks.values():
        if isinstance(other, ArgillaDeskSpec):
            return other.evolve(workspace=workspace, dataset=dataset)
    return ArgillaDeskSpec(home=str(DEFAULT_HOME.resolve()), workspace=workspace, dataset=dataset)
