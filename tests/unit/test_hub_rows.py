from __future__ import annotations

import json
from pathlib import Path

import pytest
from huggingface_hub import constants

from preflect.adapters.hub_rows import dataset_sha256, rows_of_dataset
from preflect.adapters.input_row import RawRow
from preflect.adapters.input_sources import HubDataset
from preflect.adapters.reading import read_samples, survey
from preflect.errors import DataError, MissingPartError
from preflect.schemas import InputSpec, Sample


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    home = tmp_path / "tasks"
    home.mkdir()
    rows = ({"question": f"Task {n}", "level": n} for n in range(3))
    (home / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return home


def test_a_local_dataset_folder_streams_its_rows(folder: Path) -> None:
    rows = list(rows_of_dataset(HubDataset(str(folder)), "train"))
    assert rows[0] == RawRow(1, {"question": "Task 0", "level": 0})
    assert [row.number for row in rows] == [1, 2, 3]


def test_samples_come_from_a_dataset_as_from_a_file(folder: Path) -> None:
    spec = InputSpec(path=f"hf://{folder}", columns={"instruction": "question"}, limit=2)
    samples = [sample for sample in read_samples(spec) if isinstance(sample, Sample)]
    assert [sample.seed.text for sample in samples] == ["Task 0", "Task 1"]
    assert survey(spec).sha256 == dataset_sha256(HubDataset(str(folder)), "train")


def test_a_dataset_s_hash_follows_its_split_and_stays_the_same_on_the_second_look(folder: Path) -> None:
    dataset = HubDataset(str(folder))
    assert dataset_sha256(dataset, "train") == dataset_sha256(dataset, "train")
    assert dataset_sha256(dataset, "train") != dataset_sha256(dataset, "test")


def test_a_split_that_is_not_there_is_refused_with_those_that_are(folder: Path) -> None:
    with pytest.raises(DataError, match=r"split 'tset'.*Available splits: \['train'\].*input\.split"):
        list(rows_of_dataset(HubDataset(str(folder)), "tset"))


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="check the name"):
        list(rows_of_dataset(HubDataset(str(tmp_path / "nothing")), "train"))


def test_a_name_that_the_hub_does_not_allow_is_refused() -> None:
    with pytest.raises(DataError, match="Repo id"):
        list(rows_of_dataset(HubDataset("org/two words"), "train"))


def test_a_hub_that_cannot_be_reached_is_a_missing_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)  # what the variable of that name sets before the import
    with pytest.raises(MissingPartError, match=r"hf://org/name: cannot be reached.*give input\.path its file"):
        list(rows_of_dataset(HubDataset("org/name"), "train"))
