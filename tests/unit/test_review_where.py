"""Where a run's queues are laid out, by what is said and what is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from preflect.cli.review_where import Where
from preflect.engine.review_folder import ReviewFolder
from preflect.engine.run_folder import RunFolder
from preflect.errors import InputError
from preflect.schemas import ArgillaDeskSpec


def where(file: Path | None = None, home: Path | None = None) -> Where:
    return Where(file=file, url=None, api_key_env=None, home=home)


@pytest.mark.parametrize(
    "there",
    [
        ArgillaDeskSpec(home="/h1", dataset="of-its-own"),
        ArgillaDeskSpec(url="http://team.example", api_key_env="TEAM_KEY", dataset="of-its-own"),
    ],
)
def test_an_expert_is_asked_in_the_argilla_where_everybody_is(tmp_path: Path, there: ArgillaDeskSpec) -> None:
    folder = RunFolder(tmp_path / "run")
    ReviewFolder(folder).keep_desk("review", there)
    expected = there.evolve(workspace="preflect-adjudication", dataset="run-adjudication")
    assert where().desk(folder, "adjudication") == expected
    elsewhere = expected.evolve(home=str(tmp_path), url=None, api_key_env=None)
    assert where(home=tmp_path).desk(folder, "adjudication") == elsewhere


@pytest.mark.parametrize("folder", [Path("/"), Path()])
def test_a_folder_is_no_file_for_a_queue(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(InputError, match="is a folder; name a file"):
        where(file=folder).desk(RunFolder(tmp_path / "run"), "review")
