from __future__ import annotations

from pathlib import Path

import pytest

from preflect.adapters.input_sources import HubDataset, resolve
from preflect.adapters.shipped import shipped
from preflect.errors import DataError


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "recipes").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_file_is_looked_for_in_the_current_folder_first(here: Path) -> None:
    for folder in (here, here / "recipes"):
        (folder / "seeds.jsonl").touch()
    assert resolve("seeds.jsonl", here / "recipes") == Path("seeds.jsonl")


def test_a_file_beside_the_recipe_is_found(here: Path) -> None:
    (here / "recipes" / "seeds.jsonl").touch()
    assert resolve("seeds.jsonl", here / "recipes") == here / "recipes" / "seeds.jsonl"


def test_a_missing_file_names_the_places_tried_and_the_nearest_name(here: Path) -> None:
    (here / "recipes" / "seeds.jsonl").touch()
    with pytest.raises(DataError) as caught:
        resolve("sedes.jsonl", here / "recipes")
    message = str(caught.value)
    assert message.startswith("sedes.jsonl: no such file; looked for ")
    assert f"{here}/sedes.jsonl, {here}/recipes/sedes.jsonl" in message
    assert message.endswith(f"did you mean {here}/recipes/seeds.jsonl?")


def test_a_folder_is_refused_with_the_files_in_it(here: Path) -> None:
    (here / "recipes" / "seeds.jsonl").touch()
    with pytest.raises(DataError, match=r"recipes: is a folder; name one file in it: seeds\.jsonl"):
        resolve("recipes")


def test_a_path_into_a_folder_that_is_not_there_is_refused(here: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        resolve("nowhere/seeds.jsonl", here)


def test_shipped_seeds_have_a_name_of_their_own() -> None:
    assert resolve("preflect://seeds/instructions.jsonl") == shipped("seeds/instructions.jsonl")


@pytest.mark.parametrize(
    ("path", "dataset"),
    [
        ("hf://org/name", HubDataset("org/name")),
        ("hf://datasets/org/name", HubDataset("org/name")),
        ("hf://org/name/main", HubDataset("org/name", "main")),
        ("hf:///folder/of/data", HubDataset("/folder/of/data")),
    ],
)
def test_datasets_of_the_hub_are_named_by_organisation_name_and_configuration(path: str, dataset: HubDataset) -> None:
    assert resolve(path) == dataset


@pytest.mark.parametrize("path", ["hf://", "hf://name", "hf://a/b/c/d", "hf://org/"])
def test_what_names_no_dataset_is_refused(path: str) -> None:
    with pytest.raises(DataError):
        resolve(path)
