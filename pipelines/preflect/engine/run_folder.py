"""The run folder: what a run leaves on disk."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson
from pydantic import ValidationError
from ruamel.yaml import YAML

from preflect.engine.dataset import Dataset, blocks_in, parts_in
from preflect.errors import InputError
from preflect.files import write_text_atomically
from preflect.schemas import Manifest, Recipe, Rejection, Sample

RUNS: Final = Path("data/runs")
"""Where runs go, below the current folder."""


class RunFolder:
    """One run's files; see `interface` in the README for what each is."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.recipe_path = path / "recipe.yaml"
        self.manifest_path = path / "manifest.json"
        self.journal_path = path / "journal.sqlite"
        self.batches_path = path / "batches"
        """Only while batches are at their endpoints: what was sent."""
        self.samples_path = path / "samples"
        self.rejections_path = path / "rejections.parquet"
        self.input_rejections_path = path / "phases" / "input-rejected.parquet"
        """Once the input has been read to its end: its rows that are no samples."""
        self.report_path = path / "report.html"
        self.export_path = path / "export"
        self.truth_path = path / "sim" / "truth.jsonl"
        self.log_path = path / "run.log"
        self.live_path = path / ".live"
        """Only while a run is under way: lock, progress, requests to stop, what is on its way to the end."""
        self.digests_path = self.live_path / "digests"
        """What the end of the run needs of the samples that this sitting has written."""
        self.waiting_blocks_path = self.live_path / "blocks"
        """Finished samples on their way to who writes them."""

    def phase(
        self, number: int, *, closed: bool, last: bool, on_block: Callable[[str, Sequence[Sample]], None] | None = None
    ) -> Dataset:
        """The dataset after a phase's stream, or (`closed`) its whole-set stage; the run's last one is `samples/`."""
        name = f"{number}-closed" if closed else f"{number}"
        folder = self.samples_path if last else self.path / "phases" / name
        return Dataset(folder, self.path / "phases" / f"{name}-rejected", on_block)

    def samples(self) -> Iterator[Sample]:
        """Every sample that came through, in the order of the input."""
        from preflect.engine.storage import read_samples  # noqa: PLC0415  # polars

        return read_samples(self.parts())

    def blocks(self) -> Iterator[tuple[Path, Iterator[Sample]]]:
        """The same by the files they are in."""
        return blocks_in(self.samples_path)

    def parts(self) -> list[Path]:
        """The files they are in."""
        return parts_in(self.samples_path)

    def forget_digests(self) -> None:
        """Take away what another sitting found of samples: it may have written others."""
        shutil.rmtree(self.digests_path, ignore_errors=True)

    def causes_of_loss(self) -> frozenset[str]:
        """Why samples were rejected, and why those that came through lost candidates."""
        from preflect.engine.storage import causes_of_loss  # noqa: PLC0415  # polars

        return causes_of_loss(self.parts(), self.rejections_path)

    def rejections(self) -> Iterator[tuple[Rejection, Sample | None]]:
        """Every rejection, with the sample as it stood where there was one."""
        from preflect.engine.storage import read_rejections  # noqa: PLC0415  # polars

        return read_rejections(self.rejections_path)

    def manifest(self) -> Manifest:
        """Raises: InputError when this is no run folder."""
        try:
            return Manifest.model_validate_json(self.manifest_path.read_bytes())
        except FileNotFoundError as error:
            raise InputError(f"{self.path} is no run folder: it has no manifest.json") from error
        except ValidationError as error:
            raise InputError(f"{self.manifest_path} was not written by this version of preflect: {error}") from error

    def resume_command(self, manifest: Manifest) -> str:
        """What goes on with the run as it was begun: a replay that called nothing goes on calling nothing."""
        return f"preflect resume {self.path}{' --replay' if manifest.replay else ''}"

    def write_manifest(self, manifest: Manifest) -> None:
        """Replace the manifest."""
        text = orjson.dumps(manifest.model_dump(mode="json"), option=orjson.OPT_INDENT_2).decode()
        write_text_atomically(self.manifest_path, text + "\n")

    def recipe(self) -> Recipe:
        """The recipe as run."""
        return Recipe.model_validate_json(orjson.dumps(_yaml().load(self.recipe_path)))

    def write_recipe(self, recipe: Recipe) -> None:
        """Write the recipe as run: every default and override in its place."""
        text = io.StringIO()
        yaml = _yaml()
        # YAML reads these as line ends, and the writer would leave them as they are.
        yaml.allow_unicode = not any(mark in recipe.model_dump_json() for mark in "\x85\u2028\u2029\ufeff")
        yaml.dump(recipe.model_dump(mode="json", exclude_none=True), text)
        write_text_atomically(self.recipe_path, text.getvalue())


def _yaml() -> Any:
    # Untyped on purpose: ruamel leaves the streams of load and dump without types.
    yaml: Any = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False
    yaml.width = 100
    return yaml


def new_run_path(recipe: Recipe, runs: Path = RUNS) -> Path:
    """A folder that does not exist yet: `<name>-<time>`, UTC, numbered if two runs start in one second."""
    stem = f"{recipe.name}-{datetime.now(UTC):%Y%m%dT%H%M%S}"
    path, number = runs / stem, 2
    while path.exists():
        path, number = runs / f"{stem}-{number}", number + 1
    return path


def find_run(name: str, runs: Path = RUNS) -> RunFolder:
    """The run at this path or with this name. Raises: InputError that lists the runs there are."""
    for path in (Path(name), runs / name):
        if RunFolder(path).manifest_path.exists():
            return RunFolder(path)
    known = sorted(path.parent.name for path in runs.glob("*/manifest.json"))
    there = f"the runs under {runs} are {known}" if known else f"there are none under {runs} either: name its folder"
    raise InputError(f"there is no run {name!r}; {there}")


def find_journal(name: str) -> Path:
    """The file at this path, or the journal of the run there or with this name. Raises: InputError."""
    if Path(name).is_file():
        return Path(name)
    folder = find_run(name)
    if not folder.journal_path.exists():
        raise InputError(f"the run {folder.path} has no journal: it has called nothing yet")
    return folder.journal_path
