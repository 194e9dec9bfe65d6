import json
from asyncio import to_thread
from math import exp
from pathlib import Path

import polars as pl
import pytest

from preflect.adapters.ppm import PpmScorer
from preflect.cli import main
from preflect.ports import ScoreQuery
from preflect.schemas import PpmStudent

CAPTURE = pytest.CaptureFixture[str]
FRANCE = {"question": "What is the capital of France?", "answer": "The capital of France is Paris."}
COLOURS = {
    "question": "Name three colours of the rainbow.",
    "answer": "Red, green and violet are three of its colours.",
}
COLUMNS = ["--column", "instruction=question", "--column", "response=answer"]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(*rows: dict[str, str]) -> str:
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return "rows.jsonl"


async def test_the_score_of_a_row_is_the_student_s_own(capsys: CAPTURE) -> None:
    query = ScoreQuery(direction="forward", instruction=FRANCE["question"], input=None, response=FRANCE["answer"])
    nll = await PpmScorer(PpmStudent()).score(query)
    assert nll.conditioned is not None
    assert nll.unconditioned is not None
    expected = exp(nll.conditioned - nll.unconditioned)
    # The command runs an event loop of its own, so it needs a thread without one.
    assert await to_thread(main, ["score", write(FRANCE), *COLUMNS]) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["id"] == "1"
    assert row["ifd_ppl"] == pytest.approx(expected, rel=1e-12)
    assert (row["conditioned_tokens"], row["student"], row["template"]) == (nll.conditioned_tokens, "ppm", "gpt2")


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv", "out.parquet"])
def test_every_row_comes_out_with_scores_or_a_reason(name: str, capsys: CAPTURE) -> None:
    rows = write(FRANCE, {"question": "Say nothing.", "answer": ""}, COLOURS)
    assert main(["score", rows, *COLUMNS, "--out", name]) == 0
    read = {".jsonl": pl.read_ndjson, ".csv": pl.read_csv, ".parquet": pl.read_parquet}[Path(name).suffix]
    frame = read(name)
    assert frame["id"].cast(pl.String).to_list() == ["1", "2", "3"]
    assert frame["ifd_ppl"].is_null().to_list() == [False, True, False]
    assert frame["r_ifd_ppl"].is_null().to_list() == [False, True, False]
    assert frame["reason"].to_list() == [None, "unscorable:no_response", None]
    said = capsys.readouterr().out
    assert said.startswith("3 rows by ppm (gpt2, ")
    assert "  1 without a score: unscorable:no_response\n" in said
    assert "ppm is a lexical proxy" in said
    assert said.endswith(f"wrote {name}\n")


def test_a_column_without_any_value_keeps_its_type() -> None:
    assert main(["score", write(FRANCE), *COLUMNS, "--out", "out.parquet", "--quiet"]) == 0
    assert pl.read_parquet_schema("out.parquet")["reason"] == pl.String()


def test_json_holds_the_rows_and_what_they_say_together(capsys: CAPTURE) -> None:
    assert main(["score", write(FRANCE, COLOURS), *COLUMNS, "--json"]) == 0
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    values = [row["ifd_ppl"] for row in document["rows"]]
    assert captured.err == ""
    assert document["summary"]["rows"] == 2
    assert document["summary"]["median"]["ifd_ppl"] == pytest.approx(sum(values) / 2, rel=1e-3)
    assert document["summary"]["below_one"]["ifd_ppl"] == sum(v < 1 for v in values) / 2
    assert document["summary"]["reasons"] == {}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--column", "instruction=question"], "no row has a response"),
        (["--column", "instruction"], "--column instruction: write it as FIELD=COLUMN, such as instruction=question"),
        (["--column", "prompt=question"], "--column prompt=…: no such field; the fields are instruction, input,"),
        ([*COLUMNS, "--student", "gpt2"], "student 'gpt2' is not one of ppm, transformers:FOLDER"),
        ([*COLUMNS, "--out", "scores.txt"], "--out scores.txt: scores are written as .parquet, .jsonl, .csv; got .txt"),
        ([*COLUMNS, "--out", "no/scores.csv"], "--out no/scores.csv: there is no folder no; make it first"),
    ],
)
def test_wrong_input_is_refused_before_anything_is_scored(arguments: list[str], message: str, capsys: CAPTURE) -> None:
    assert main(["score", write(FRANCE), *arguments]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.startswith("error: ")


@pytest.mark.parametrize("out", ["rows.jsonl", "./link.jsonl", "folder/rows.jsonl"])
def test_the_dataset_is_never_written_over(out: str, capsys: CAPTURE) -> None:
    rows = write(FRANCE)
    Path("link.jsonl").symlink_to(rows)
    Path("folder").symlink_to(".")
    before = Path(rows).read_bytes()
    for path in (rows, "link.jsonl"):
        assert main(["score", path, *COLUMNS, "--out", out]) == 2
        said = capsys.readouterr().err
        assert f"{Path(out)} is what {path} is read from, and would be written over; name another --out" in said
    assert Path(rows).read_bytes() == before


def test_a_file_of_a_dataset_s_folder_is_not_written_over(capsys: CAPTURE) -> None:
    Path("data").mkdir()
    Path(write(FRANCE)).rename("data/rows.jsonl")
    assert main(["score", "hf://./data", *COLUMNS, "--out", "data/rows.jsonl"]) == 2
    assert "data/rows.jsonl is what hf://./data is read from" in capsys.readouterr().err


def test_a_missing_file_is_wrong_input(capsys: CAPTURE) -> None:
    assert main(["score", "nowhere.jsonl"]) == 2
    assert "nowhere.jsonl" in capsys.readouterr().err


def test_calibration_says_whether_the_student_is_fit_for_these_rows(capsys: CAPTURE) -> None:
    rows = write(*({"question": f"What is {n} plus {n}?", "answer": f"{n} plus {n} is {n + n}."} for n in range(30)))
    assert main(["score", rows, *COLUMNS, "--calibrate", "--pairs", "20", "--json", "--quiet"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["student"], document["sampled"], document["scores"]["ifd_ppl"]["pairs"]) == ("ppm", 20, 20)
    assert document["scores"]["ifd_ppl"]["auc"] > 0.8
    assert main(["score", rows, *COLUMNS, "--calibrate", "--pairs", "20"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("20 rows by ppm (gpt2, ")
    threshold = document["scores"]["ifd_ppl"]["threshold"]
    assert f"thresholds: {{ifd_ppl: {threshold:.4g}, ifd_loss: " in said.out
    assert "40 of 40 rows, 100 % done" in said.err


def test_calibration_writes_no_file(capsys: CAPTURE) -> None:
    assert main(["score", write(FRANCE), *COLUMNS, "--calibrate", "--out", "scores.csv"]) == 2
    assert "--calibrate scores a sample and writes no file" in capsys.readouterr().err


def test_one_student_named_twice_is_asked_once(capsys: CAPTURE) -> None:
    assert main(["score", write(FRANCE), *COLUMNS, "--student", "ppm", "--student", "ppm", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["rows"]) == 1
