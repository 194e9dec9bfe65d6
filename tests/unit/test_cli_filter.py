"""`preflect filter` on files."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from preflect.cli import main

CAPTURE = pytest.CaptureFixture[str]


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """Twenty rows of three columns in rows.jsonl, one of them without a response."""
    monkeypatch.chdir(tmp_path)
    made: list[dict[str, object]] = [
        {"instruction": f"What is {n} plus {n}?", "response": f"{n} plus {n} is {2 * n}." if n else "", "extra": [n]}
        for n in range(20)
    ]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in made), encoding="utf-8")
    return made


@pytest.mark.parametrize("by", ["cherry", "superfiltering", "superfiltering_d"])
def test_rows_are_kept_as_they_are_and_the_others_have_their_reason(
    rows: list[dict[str, object]], by: str, capsys: CAPTURE
) -> None:
    assert main(["filter", "rows.jsonl", "--by", by, "--keep", "10%", "--out", "kept.jsonl", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    kept = [json.loads(line) for line in Path("kept.jsonl").read_text(encoding="utf-8").splitlines()]
    rejected = pl.read_ndjson("kept.rejected.jsonl")
    assert (document["kept"], document["rows"], document["by"], document["student"]) == (2, 20, by, "ppm")
    assert len(kept) == 2
    assert all(row in rows for row in kept)
    assert rejected.row(0, named=True) == {
        "row": 1,
        "id": "1",
        "reason": "unscorable",
        "detail": "unscorable:no_response",
    }
    numbers: list[int] = rejected["row"].to_list()
    left = [rows[number - 1] for number in numbers]
    assert sorted(map(str, (*left, *kept))) == sorted(map(str, rows))
    assert sum(document["rejected"].values()) == 18
    assert sorted(path.name for path in Path().iterdir()) == ["kept.jsonl", "kept.rejected.jsonl", "rows.jsonl"]


def test_the_same_command_keeps_the_same_rows(rows: list[dict[str, object]], capsys: CAPTURE) -> None:
    for name in ("one.parquet", "two.parquet"):
        assert main(["filter", "rows.jsonl", "--by", "superfiltering_d", "--keep", "0.1", "--out", name]) == 0
    assert Path("one.parquet").read_bytes() == Path("two.parquet").read_bytes()
    assert pl.read_parquet("one.parquet").columns == ["instruction", "response", "extra"]
    said = capsys.readouterr().out
    assert said.startswith("kept 2 of 20 rows by superfiltering_d under ppm\n")
    assert "ppm is a lexical proxy" in said
    assert "wrote one.parquet and one.rejected.jsonl" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--keep", "ten"], "--keep ten: write a share above nought and up to all, such as 10% or 0.1"),
        (["--pool", "0%"], "--pool 0%: write a share"),
        (["--keep", "110%"], "--keep 110%: write a share"),
        (
            ["--by", "superfiltering_d", "--embeddings", "glove"],
            "embeddings 'glove' are not one of hashed, transformers:FOLDER",
        ),
        (["--student", "gpt2"], "student 'gpt2' is not one of ppm"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_scored(
    rows: list[dict[str, object]], arguments: list[str], message: str, capsys: CAPTURE
) -> None:
    assert main(["filter", "rows.jsonl", "--out", "kept.jsonl", *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("out", ["rows.rejected.jsonl", "rows.csv", "rows.jsonl"])
def test_the_dataset_is_never_written_over(rows: list[dict[str, object]], out: str, capsys: CAPTURE) -> None:
    dataset = Path("rows.jsonl") if out == "rows.jsonl" else Path("rows.jsonl").rename("rows.rejected.jsonl")
    before = dataset.read_bytes()
    assert main(["filter", str(dataset), "--out", out]) == 2
    assert f"{dataset} is what {dataset} is read from, and would be written over" in capsys.readouterr().err
    assert dataset.read_bytes() == before
    assert [path.name for path in Path().iterdir()] == [dataset.name]


def test_a_folder_without_a_name_is_no_place_for_rows(rows: list[dict[str, object]], capsys: CAPTURE) -> None:
    assert main(["filter", "rows.jsonl", "--out", "."]) == 2
    assert "'.' is a folder, and a file is wanted" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["kept.csv", "kept.rejected.jsonl"])
def test_a_place_for_a_folder_is_refused_before_anything_is_scored(
    rows: list[dict[str, object]], name: str, capsys: CAPTURE
) -> None:
    Path(name).mkdir()
    assert main(["filter", "rows.jsonl", "--out", "kept.csv"]) == 2
    told = {"kept.csv": "'kept.csv' is a folder", "kept.rejected.jsonl": "--out kept.rejected.jsonl: is a folder"}
    assert told[name] in capsys.readouterr().err
    assert not Path("kept.csv.partial").exists()


def test_rows_that_make_no_table_are_refused_before_anything_is_scored(
    rows: list[dict[str, object]], capsys: CAPTURE
) -> None:
    assert main(["filter", "rows.jsonl", "--keep", "1.0", "--out", "kept.csv"]) == 2
    said = capsys.readouterr().err
    assert "--out kept.csv: cannot be written: CSV format does not support nested data; choose another place" in said
    assert [path.name for path in Path().iterdir()] == ["rows.jsonl"]


def test_scores_of_rows_that_make_no_table_after_all_are_taken_by_the_next_try(
    rows: list[dict[str, object]], capsys: CAPTURE
) -> None:
    flat = [{**row, "extra": 1} for row in rows * 10]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in (*flat, *rows)), encoding="utf-8")
    assert main(["filter", "rows.jsonl", "--keep", "1.0", "--out", "kept.csv"]) == 2
    said = capsys.readouterr().err
    assert (
        "kept.csv.partial holds the scores: the same command takes them, or --out X where it is named X.partial" in said
    )
    Path("kept.csv.partial").rename("kept.jsonl.partial")
    assert main(["filter", "rows.jsonl", "--keep", "1.0", "--out", "kept.jsonl"]) == 0
    assert "220 of 220 rows, 100 % done" in capsys.readouterr().err
    assert not Path("kept.jsonl.partial").exists()


TYPED = pl.DataFrame(
    {
        "instruction": [f"What is {n} plus {n}?" for n in range(6)],
        "response": [f"{n} plus {n} is {2 * n}." for n in range(6)],
        "small": pl.Series(range(6), dtype=pl.Int32),
        "real": pl.Series([n / 10 for n in range(6)], dtype=pl.Float32),
        "empty": pl.Series([None] * 6, dtype=pl.String),
        "kind": pl.Series(["a", "b"] * 3, dtype=pl.Categorical),
        "large": pl.Series([2**64 - 1] * 6, dtype=pl.UInt64),
        "list": pl.Series(["[]"] * 6).str.json_decode(pl.List(pl.Int8)),
        "at": pl.Series(range(6), dtype=pl.Datetime("ns")),
    }
)


@pytest.mark.parametrize("limit", [6, 4])
def test_rows_of_parquet_keep_their_types(tmp_path: Path, limit: int) -> None:
    source, out = tmp_path / "rows.parquet", tmp_path / "kept.parquet"
    TYPED.write_parquet(source, row_group_size=2)
    assert main(["filter", str(source), "--keep", "0.5", "--limit", str(limit), "--out", str(out), "--quiet"]) == 0
    left = pl.read_ndjson(tmp_path / "kept.rejected.jsonl")["row"].to_list()
    kept = [place for place in range(limit) if place + 1 not in left]
    assert len(kept) == limit // 2
    assert_frame_equal(pl.read_parquet(out), TYPED[kept])


def test_a_csv_of_parquet_has_every_digit(tmp_path: Path) -> None:
    source, out = tmp_path / "rows.parquet", tmp_path / "kept.csv"
    TYPED.drop("list").write_parquet(source)
    assert main(["filter", str(source), "--keep", "1.0", "--out", str(out), "--quiet"]) == 0
    last = out.read_text(encoding="utf-8").splitlines()[-1]
    assert last.endswith(",5,0.5,,b,18446744073709551615,1970-01-01T00:00:00.000000005")


def test_a_damaged_dataset_is_told_as_one(tmp_path: Path, capsys: CAPTURE) -> None:
    (tmp_path / "rows.parquet").write_bytes(b"PAR1....PAR1")
    assert main(["filter", str(tmp_path / "rows.parquet"), "--out", str(tmp_path / "kept.parquet")]) == 2
    assert "a damaged Parquet file" in capsys.readouterr().err
