"""`preflect score` by several students."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from preflect.cli import main

from .logprob_servers import LogprobServer, served


def test_two_students_score_each_row_and_are_compared(
    tiny_lm: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, out = tmp_path / "rows.jsonl", tmp_path / "scores.parquet"
    texts = [{"instruction": f"What is the sum of {n} and 30?", "response": f"It is {n + 30}."} for n in range(12)]
    rows.write_text("".join(json.dumps(row) + "\n" for row in texts), encoding="utf-8")
    students = ["--student", "ppm", "--student", f"transformers:{tiny_lm('gpt2')}", "--template", "gpt2"]
    command = ["score", str(rows), *students, "--max-length", "256", "--out", str(out), "--quiet"]
    assert main([*command, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)["summary"]
    table = pl.read_parquet(out)
    ppm, tiny = table.filter(student="ppm"), table.filter(pl.col("student") != "ppm")
    assert table["id"].to_list() == [str(n // 2 + 1) for n in range(24)]
    assert (ppm.height, tiny.height, tiny["revision"].n_unique()) == (12, 12, 1)
    assert [one["rows"] for one in document["students"]] == [12, 12]
    by_metric = {found["metric"]: found for found in document["agreement"]}
    assert [*by_metric] == ["ifd_ppl", "ifd_loss", "r_ifd_ppl"]
    # Polars computes it by ranks of its own.
    of_both = pl.DataFrame({"a": ppm["ifd_ppl"], "b": tiny["ifd_ppl"]})
    expected = of_both.select(pl.corr("a", "b", method="spearman")).item()
    assert by_metric["ifd_ppl"]["spearman"] == pytest.approx(expected)
    assert by_metric["ifd_ppl"]["rows"] == 12
    assert main(command) == 0
    said = capsys.readouterr().out
    assert said.count("12 rows by ") == 2
    assert "ppm and " in said
    assert " % of 12\n" in said


def test_two_servers_whose_scores_nothing_would_tell_apart_are_refused(
    tiny_lm: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"instruction": "What is 3 and 4?", "response": "It is 7."}), encoding="utf-8")
    with served(LogprobServer(tiny_lm("llama"), "vllm")) as one, served(LogprobServer(tiny_lm("llama"), "vllm")) as two:
        students = ["--student", f"vllm:{one.url}", "--student", f"vllm:{two.url}"]
        assert main(["score", str(rows), *students, "--template", "alpaca"]) == 2
    said = capsys.readouterr().err
    assert "nothing tells the scores of two students apart: both are by 'tiny'" in said
    assert "--served-model-name" in said


def test_several_are_calibrated_in_one_table_each_as_it_would_be_alone(
    tiny_lm: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, tiny = tmp_path / "rows.jsonl", f"transformers:{tiny_lm('gpt2')}"
    texts = [{"instruction": f"What is the sum of {n} and 30?", "response": f"It is {n + 30}."} for n in range(12)]
    rows.write_text("".join(json.dumps(row) + "\n" for row in texts), encoding="utf-8")

    def calibrated(*students: str, options: tuple[str, ...] = ("--json",)) -> str:
        named = [word for student in students for word in ("--student", student)]
        fixed = ("--template", "gpt2", "--max-length", "256", "--pairs", "10", "--calibrate", "--quiet")
        assert main(["score", str(rows), *named, *fixed, *options]) == 0
        return capsys.readouterr().out

    both, alone = json.loads(calibrated("ppm", tiny))["students"], json.loads(calibrated("ppm"))
    assert both[0] == alone
    assert [one["student"] for one in both] == ["ppm", Path(tiny).name]
    table = calibrated("ppm", tiny, options=()).splitlines()
    assert table[0].startswith("10 rows by ppm (gpt2, ")
    assert sum(line.strip().startswith(("ppm: ", "gpt2")) for line in table) == 6
    assert sum("5 % of the shuffled pairs: thresholds: {ifd_ppl: " in line for line in table) == 2


def test_students_of_different_kinds_are_given_the_options_that_each_has(
    tiny_lm: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("THE_KEY", "sk-secret")
    rows = tmp_path / "rows.jsonl"
    texts = [{"instruction": f"What is the sum of {n} and 30?", "response": f"It is {n + 30}."} for n in range(10)]
    rows.write_text("".join(json.dumps(row) + "\n" for row in texts), encoding="utf-8")
    folder = tiny_lm("gpt2")
    with served(LogprobServer(folder, "vllm")) as server:
        student = ("--student", f"vllm:{server.url}", "--tokenizer", str(folder), "--api-key-env", "THE_KEY")
        fixed = ("--template", "gpt2", "--max-length", "256", "--json", "--quiet")
        assert main(["score", str(rows), "--student", "ppm", *student, *fixed]) == 0
        summary = json.loads(capsys.readouterr().out)["summary"]
        assert [one["student"] for one in summary["students"]] == ["ppm", "tiny"]
        assert main(["filter", str(rows), *student, *fixed, "--out", str(tmp_path / "kept.jsonl")]) == 0
        assert json.loads(capsys.readouterr().out)["student"] == "tiny"
    assert {*server.keys} == {"Bearer sk-secret"}
