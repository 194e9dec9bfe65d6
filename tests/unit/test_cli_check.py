import json
from pathlib import Path

import polars as pl
import pytest

from preflect.cli import main

CAPTURE = pytest.CaptureFixture[str]
QUESTION = {"role": "user", "content": "What is 2 + 2?"}
RIGHT = {"role": "assistant", "content": "It is 4."}
WRONG = {"role": "assistant", "content": "It is 5."}
GOOD_SFT = {"messages": [QUESTION, RIGHT]}
GOOD_DPO = {"prompt": [QUESTION], "chosen": [RIGHT], "rejected": [WRONG]}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(name: str, *rows: object) -> str:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return name


def test_a_good_dataset_is_done_with_in_a_line(capsys: CAPTURE) -> None:
    assert main(["check", write("rows.jsonl", GOOD_SFT), "--format", "trl-sft"]) == 0
    assert capsys.readouterr().out == "1 rows, 0 bad\n"


def test_every_bad_row_is_named_and_the_input_is_wrong(capsys: CAPTURE) -> None:
    same = GOOD_DPO | {"id": "q7", "rejected": [RIGHT]}
    assert main(["check", write("rows.jsonl", GOOD_DPO, same, {"prompt": [QUESTION]})]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("rows.jsonl:2 (q7): ")
    assert lines[1].startswith("rows.jsonl:3: ")
    assert lines[2:] == ["3 rows, 2 bad"]


def test_a_folder_is_checked_file_by_file_by_its_columns(capsys: CAPTURE) -> None:
    write("export/sft/train.jsonl", GOOD_SFT)
    Path("export/dpo").mkdir()
    pl.DataFrame([GOOD_DPO]).write_parquet("export/dpo/train.parquet")
    write("export/refused.jsonl", {"reason": "empty"})
    assert main(["check", "export"]) == 0
    assert capsys.readouterr().out == "2 rows, 0 bad\n"


def test_the_sides_of_a_split_are_checked_together(capsys: CAPTURE) -> None:
    write("export/sft/train.jsonl", GOOD_SFT)
    write("export/sft/test.jsonl", GOOD_SFT)
    write("other/train.jsonl", GOOD_SFT)
    assert main(["check", "."]) == 2
    said = capsys.readouterr().out.splitlines()
    assert (len(said), said[0].split(": ")[1], said[1]) == (2, "in_both_splits", "3 rows, 1 bad")


def test_a_prompt_that_a_trainer_would_drop_for_its_length_is_bad(capsys: CAPTURE) -> None:
    long = {"messages": [QUESTION | {"content": "x" * 40_000}, RIGHT]}
    assert main(["check", write("rows.jsonl", GOOD_SFT, long)]) == 2
    assert "prompt_too_long: 40000 characters, 32768 at most" in capsys.readouterr().out
    assert main(["check", "rows.jsonl", "--max-prompt-chars", "40000"]) == 0


def test_a_column_that_the_trainer_takes_for_its_own_is_pointed_out(capsys: CAPTURE) -> None:
    assert main(["check", write("rows.jsonl", GOOD_SFT | {"labels": 1})]) == 2
    assert "reserved columns, which a trainer takes for its own: labels; rename them\n" in capsys.readouterr().out


def test_json_is_one_document_with_every_bad_row(capsys: CAPTURE) -> None:
    assert main(["check", write("rows.jsonl", GOOD_SFT, {"messages": [QUESTION]}), "--json"]) == 2
    document = json.loads(capsys.readouterr().out)
    assert (document["good"], document["rows"], len(document["bad"])) == (False, 2, 1)
    assert (document["bad"][0]["row"], document["bad"][0]["id"]) == (2, None)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.jsonl", '{"x": 1}\n', "rows.jsonl: the columns x tell no format; name it with --format trl-sft"),
        ("rows.jsonl", "{broken\n", "rows.jsonl: the columns (none) tell no format"),
        ("rows.parquet", "no parquet", "rows.parquet cannot be read as Parquet"),
    ],
)
def test_a_file_that_says_no_format_is_wrong_input(name: str, content: str, message: str, capsys: CAPTURE) -> None:
    Path(name).write_text(content, encoding="utf-8")
    assert main(["check", name]) == 2
    assert message in capsys.readouterr().err


def test_an_unknown_format_is_told_the_known_ones(capsys: CAPTURE) -> None:
    assert main(["check", write("rows.jsonl", GOOD_SFT), "--format", "sft"]) == 2
    said = capsys.readouterr().err
    assert said == "error: unknown format 'sft'; known are trl-sft, trl-dpo, trl-rft, trl-kto\n"


def test_nothing_to_check_is_wrong_input(capsys: CAPTURE) -> None:
    assert main(["check", "nowhere"]) == 2
    assert capsys.readouterr().err == "error: nowhere is neither a file nor a folder with .parquet or .jsonl files\n"
