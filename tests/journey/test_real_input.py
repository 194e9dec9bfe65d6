"""Datasets as others publish them, run as they are: columns are mapped, files stay untouched."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from preflect.engine.run_folder import RunFolder
from preflect.schemas import NumberGrader

from .conftest import Run, WriteRecipe

# The shapes of GSM8K and of Self-Instruct's seed tasks; the texts are our own.
SOLUTIONS = [
    {
        "question": "A crate holds 12 jars of honey. How many jars are in 6 crates?",
        "answer": "There are 12*6=<<12*6=72>>72 jars.\n#### 72",
    },
    {
        "question": "A mill grinds 540 kg a day. How many kilograms are that in two days?",
        "answer": "In two days it grinds 540*2 = <<540*2=1080>>1,080 kg.\nThat is all.\n#### 1,080",
    },
    {
        "question": "A kettle of 2.5 l is emptied into cups of 0.5 l. How many cups does it fill?",
        "answer": "It fills 2.5/0.5=<<2.5/0.5=5>>5 cups.\n#### 5",
    },
]
TASKS: list[dict[str, Any]] = [
    {
        "id": "seed_task_0",
        "name": "opposites",
        "instruction": "Give the opposite of the word.",
        "instances": [{"input": "shallow", "output": "The opposite of shallow is deep."}],
        "is_classification": False,
    },
    {
        "id": "seed_task_1",
        "name": "rainy_day",
        "instruction": "Suggest something to do on a rainy afternoon.",
        "instances": [{"input": "", "output": "Bake bread: it takes hours, and the house smells of it after."}],
        "is_classification": False,
    },
]


def write_jsonl(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("engine", ["local", "distilabel"])
def test_gsm8k_s_questions_run_with_the_answer_behind_the_marks(
    engine: str, tmp_path: Path, preflect: Run, write_recipe: WriteRecipe
) -> None:
    path = write_jsonl(tmp_path / "train.jsonl", SOLUTIONS)
    before = path.read_bytes()
    columns = {"instruction": "question", "reference_answer": {"column": "answer", "pattern": "#### (.+)$"}}
    recipe = write_recipe(
        engine=engine,
        input={"path": "train.jsonl", "columns": columns, "grader": {"type": "number"}},
        stages=[{"stage": "respond", "model": "teacher", "samples": 2}, {"stage": "grade"}],
        export={"test_fraction": 0},
    )
    run = tmp_path / "run"
    done = preflect("run", recipe, "--run", run)
    assert done.returncode == 0, done.stderr
    samples = list(RunFolder(run).samples())
    assert [sample.instruction.text for sample in samples] == [row["question"] for row in SOLUTIONS]
    assert [sample.instruction.reference_answer for sample in samples] == ["72", "1,080", "5"]
    assert all(isinstance(sample.instruction.grader, NumberGrader) for sample in samples)
    assert all(len(sample.grades) == 2 for sample in samples)
    assert "truth    6 of 6 responses are to instructions that the simulator does not know" in done.stdout
    assert path.read_bytes() == before
    prompts = pl.read_parquet(run / "export" / "rft" / "train.parquet")["prompt"].to_list()
    assert sorted(turns[0]["content"] for turns in prompts) == sorted(row["question"] for row in SOLUTIONS)


def test_self_instruct_s_tasks_run_with_their_first_instance(
    tmp_path: Path, preflect: Run, write_recipe: WriteRecipe
) -> None:
    path = write_jsonl(tmp_path / "seed_tasks.jsonl", TASKS)
    before = path.read_bytes()
    recipe = write_recipe(
        input={
            "path": "seed_tasks.jsonl",
            "columns": {"input": "instances.0.input", "response": "instances.0.output"},
        },
        stages=[
            {"stage": "reflect_response", "model": "teacher"},
            {"stage": "select_response", "model": "student"},
            {"stage": "judge_aspects", "model": "judge"},
        ],
    )
    run = tmp_path / "run"
    done = preflect("run", recipe, "--run", run)
    assert done.returncode == 0, done.stderr
    word, rain = RunFolder(run).samples()
    assert (word.source_id, word.source) == ("seed_task_0", "seed_tasks.jsonl")
    assert (word.instruction.input, rain.instruction.input) == ("shallow", None)
    for sample, task in ((word, TASKS[0]), (rain, TASKS[1])):
        assert [response.origin for response in sample.responses] == ["dataset", "rewrite"]
        assert sample.responses[0].text == task["instances"][0]["output"]
    assert "Give the opposite of the word." in preflect("show", run, "seed_task_0").stdout
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({}, "the columns are question, answer; name the right one with input.columns, for example {instruction: "),
        ({"instruction": "qestion"}, "did you mean 'question'?"),
        ({"instruktion": "question"}, "unknown key 'instruktion' in 'input.columns'; did you mean 'instruction'?"),
        (
            {"instruction": "question", "reference_answer": {"column": "answer", "pattern": "(("}},
            "input.columns.reference_answer.pattern: '((' is no regular expression: ",
        ),
    ],
)
def test_columns_that_are_not_mapped_rightly_are_refused_before_the_run(
    *, columns: dict[str, Any], message: str, tmp_path: Path, preflect: Run, write_recipe: WriteRecipe
) -> None:
    write_jsonl(tmp_path / "train.jsonl", SOLUTIONS)
    recipe = write_recipe(input={"path": "train.jsonl", "columns": columns})
    done = preflect("run", recipe)
    assert done.returncode == 2
    assert message in done.stderr
    assert not (tmp_path / "data").exists()
