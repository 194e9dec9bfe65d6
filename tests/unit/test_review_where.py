"""Where a run's queues are laid out, by what is said and what is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from preflect.cli.review_where import Where
from preflect.engine.review_folder import ReviewFolder
from preflect.engine.run_folder import RunFolder
from preflect.schemas import ArgillaDeskSpec


def where(file: Path | None = None, home: Path | None = None) -> Where:
    return Where(file=file, url=None, api_key_env=None, home=home)


@pytest.mark.parametrize("there", [{"home": "/h1"}, {"url": "http://team.example", "api_key_env": "TEAM_KEY"}])
def test_an_expert_is_asked_in_the_argilla_where_everybody_is(tmp_path: Path, there: dict[str, str]) -> None:
    folder = RunFolder(tmp_path / "run")
    ReviewFolder(folder).keep_desk("review", ArgillaDeskSpec(dataset="of-its-own", **there))
    assert where().desk(folder, "adjudication") == ArgillaDeskSpec(
        workspace="preflect-adjudication", dataset="run-adjudication", **there
    )
    elsewhere = ArgillaDeskSpec(home=str(tmp_path), workspace="preflect-adjudication", dataset="run-adjudication")
    assert where(home=tmp_path).desk(folder, "adjudication") == elsewhere
