"""`preflect filter` on files."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

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
        (["--embeddings", "glove"], "embeddings 'glove' are not one of hashed, transformers:FOLDER"),
        (["--student", "gpt2"], "student 'gpt2' is not one of ppm"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_scored(
    rows: list[dict[str, object]], arguments: list[str], message: str, capsys: CAPTURE
) -> None:
    assert main(["filter", "rows.jsonl", "--out", "kept.jsonl", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_rows_that_make_no_table_are_the_users_affair(rows: list[dict[str, object]], capsys: CAPTURE) -> None:
    assert main(["filter", "rows.jsonl", "--keep", "1.0", "--out", "kept.csv"]) == 2
    assert "choose another place, or .jsonl, which takes any rows" in capsys.readouterr().err
    # The scores are kept for the next try.
    assert Path("kept.csv.partial").is_dir()
