"""A recipe that filters a dataset by a student's scores."""

from __future__ import annotations

import json
from pathlib import Path

from preflect.cli import main
from preflect.engine.run_folder import RunFolder

RECIPE = """
name: filtered
engine: local
input: {path: rows.jsonl}
models: {student: {kind: ppm}}
stages:
  - {stage: filter, by: superfiltering_d, model: student, keep: 0.2, pool: 0.5}
export: {kinds: [sft]}
"""


def test_a_fifth_of_the_samples_goes_on_and_the_rest_has_its_reasons(tmp_path: Path) -> None:
    rows = [{"instruction": f"What is {n} plus {n}?", "response": f"{n} plus {n} is {2 * n}."} for n in range(20)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    assert main(["run", str(tmp_path / "recipe.yaml"), "--run", str(tmp_path / "run"), "--quiet"]) == 0
    [stage] = RunFolder(tmp_path / "run").manifest().stages
    assert (stage.stage, stage.rows_in, stage.rows_out, stage.rejected) == ("filter", 20, 4, 16)


def test_a_filter_asks_a_student_and_not_a_chat_model(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"instruction": "Hi.", "response": "Hello."}\n', encoding="utf-8")
    wrong = RECIPE.replace("{kind: ppm}", "{kind: sim}")
    (tmp_path / "recipe.yaml").write_text(wrong, encoding="utf-8")
    assert main(["run", str(tmp_path / "recipe.yaml"), "--run", str(tmp_path / "run"), "--quiet"]) == 2
