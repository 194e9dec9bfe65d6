"""The run folder: recipe and manifest come back as written, and runs are found by path or name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from preflect.engine.run_folder import RunFolder, find_run, new_run_path
from preflect.errors import InputError
from preflect.schemas import Manifest, Recipe


def recipe(**changes: object) -> Recipe:
    fields = {"name": "small", "input": {"path": "rows.jsonl"}, "stages": [{"stage": "grade"}]}
    return Recipe.model_validate_json(json.dumps(fields | changes))


def manifest() -> Manifest:
    return Manifest(
        name="small",
        status="running",
        simulated=False,
        seed=0,
        engine="local",
        input_path="rows.jsonl",
        input_sha256="0" * 64,
        recipe_id="r",
        versions={"python": "3"},
        started_at="2024-01-01T00:00:00+00:00",
    )


@given(path=st.text(min_size=1), column=st.text(min_size=1))
@example(path="0", column="\x85")
@example(path="\u2028", column="\ufeffa")
def test_any_recipe_comes_back_from_its_yaml(path: str, column: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = RunFolder(tmp_path_factory.mktemp("run"))
    written = recipe(input={"path": path, "columns": {"instruction": column, "id": {"column": column}}})
    folder.write_recipe(written)
    assert folder.recipe() == written


def test_the_recipe_as_run_names_every_option_that_was_left_to_its_default(tmp_path: Path) -> None:
    RunFolder(tmp_path).write_recipe(recipe())
    text = (tmp_path / "recipe.yaml").read_text(encoding="utf-8")
    assert text.startswith("name: small\nseed: 0\nengine: distilabel\n")
    assert "max_rejected: 0.2" in text


def test_the_manifest_comes_back(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_manifest(manifest())
    folder.write_manifest(manifest().evolve(status="done"))
    assert folder.manifest() == manifest().evolve(status="done")
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


def test_a_folder_that_is_no_run_and_a_manifest_of_another_version_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is no run folder: it has no manifest\.json"):
        RunFolder(tmp_path).manifest()
    (tmp_path / "manifest.json").write_text('{"schema_version": 99}')
    with pytest.raises(InputError, match=r"manifest\.json was not written by this version of preflect"):
        RunFolder(tmp_path).manifest()


def test_two_runs_that_start_in_one_second_get_folders_of_their_own(tmp_path: Path) -> None:
    paths: set[Path] = set()
    for _ in range(3):
        path = new_run_path(recipe(), tmp_path)
        path.mkdir()
        paths.add(path)
    assert len(paths) == 3
    assert all(path.name.startswith("small-2") for path in paths)


def test_a_run_is_found_by_path_or_name_and_the_others_are_listed(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        RunFolder(tmp_path / name).write_manifest(manifest())
    assert find_run("a", tmp_path).path == tmp_path / "a"
    assert find_run(str(tmp_path / "b"), tmp_path / "elsewhere").path == tmp_path / "b"
    with pytest.raises(InputError, match=r"there is no run 'c'; the runs under .* are \['a', 'b'\]"):
        find_run("c", tmp_path)
    with pytest.raises(InputError, match="there are none under"):
        find_run("c", tmp_path / "elsewhere")
