"""A run in a few lines: what it cost and by which prices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from preflect.cli.summary import text_of
from preflect.engine import RunResult
from preflect.engine.run_folder import RunFolder
from preflect.schemas import CallCounts, InputSpec, Manifest, OpenAIModel, Price, Recipe, StageCounts
from preflect.schemas.stages import Respond


def shown(path: Path, *calls: CallCounts, lost_usd: float = 0.0, **manifested: Any) -> list[str]:
    teacher = OpenAIModel(model="m", price=Price(input=1.0, output=2.0, as_of="a-table 1.0 of 2026-01-31"))
    folder = RunFolder(path)
    folder.write_recipe(
        Recipe(name="r", input=InputSpec(path="x"), models={"teacher": teacher}, stages=(Respond(models=("teacher",)),))
    )
    manifest = Manifest(
        name="r", status="stopped", simulated=False, seed=0, engine="local", input_path="x", input_sha256="0",
        recipe_id="r", versions={}, calls=calls, lost_usd=lost_usd, started_at="2026-01-01T00:00:00Z", seconds=65,
    )  # fmt: skip
    return text_of(RunResult(folder, manifest.evolve(**manifested))).splitlines()


def test_the_cost_of_a_run_comes_with_its_tokens_its_losses_and_the_table_of_its_prices(tmp_path: Path) -> None:
    calls = CallCounts(
        stage="respond", model="teacher", calls=40, prompt_tokens=4000, completion_tokens=2000, cached_tokens=1500,
        reasoning_tokens=700, cost_usd=1.25, latency_s=9.0,
    )  # fmt: skip
    lines = shown(tmp_path, calls, lost_usd=0.05)
    assert "calls    40, 6,000 tokens (1,500 cached, 700 reasoning), $1.30, 1:05 min" in lines
    assert "lost     up to $0.0500 of it, for requests that brought no usable reply" in lines
    assert "prices   teacher: a-table 1.0 of 2026-01-31" in lines


def test_a_run_that_cost_nothing_says_no_more_of_it(tmp_path: Path) -> None:
    lines = shown(tmp_path)
    assert "calls    0, 0 tokens, $0.00, 1:05 min" in lines
    assert not [line for line in lines if line.startswith(("lost", "prices"))]


def test_what_comes_out_of_the_input_goes_into_the_first_stage(tmp_path: Path) -> None:
    stages = (StageCounts(stage="respond", rows_in=45, rows_out=45, rejected=0),)
    lines = shown(tmp_path, input_rows=50, input_rejected=5, stages=stages)
    assert ["input", "50", "45", "5"] in map(str.split, lines)
