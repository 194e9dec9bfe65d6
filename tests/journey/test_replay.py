"""Runs from a journal alone, and journals that travel."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from preflect.engine.run_folder import RunFolder

from .conftest import Run, Simulator, WriteRecipe, contents
from .endpoint import Endpoint, said, serving


def assert_done(done: object) -> None:
    assert getattr(done, "returncode", None) == 0, getattr(done, "stderr", "")


@pytest.mark.parametrize("engine", ["local", "distilabel"])
def test_a_replay_gives_the_same_bytes_and_calls_nothing(
    engine: str, tmp_path: Path, preflect: Run, write_recipe: WriteRecipe
) -> None:
    recipe = write_recipe(engine=engine)
    assert_done(preflect("run", recipe, "--run", tmp_path / "first", "--quiet"))
    again = preflect("run", recipe, "--run", tmp_path / "again", "--replay", tmp_path / "first", "--json")
    assert_done(again)
    assert contents(tmp_path / "again") == contents(tmp_path / "first")
    manifest = json.loads(again.stdout)["manifest"]
    assert (manifest["replay"], manifest["simulated"], manifest["calls"]) == (True, True, [])
    assert not (tmp_path / "again" / "sim").exists()


def test_a_replay_needs_neither_the_endpoint_nor_its_key(
    tmp_path: Path, preflect: Run, write_recipe: WriteRecipe
) -> None:
    secret = "sk-journey-5521"
    with serving(Endpoint(lambda asked: said(f"An answer to {asked}"))) as endpoint:
        teacher = {"kind": "openai", "model": "m", "base_url": endpoint.base_url, "api_key_env": "JOURNEY_KEY"}
        recipe = write_recipe(models={"teacher": teacher}, stages=[{"stage": "respond", "model": "teacher"}])
        assert_done(preflect("run", recipe, "--run", tmp_path / "first", env={"JOURNEY_KEY": secret}))
    assert_done(preflect("journal", "export", tmp_path / "first", "--to", tmp_path / "calls.parquet"))
    for cassette in ("first", "first/journal.sqlite", "calls.parquet"):
        run = tmp_path / "again" / cassette.replace("/", "-")
        assert_done(preflect("run", recipe, "--run", run, "--replay", cassette, "--quiet"))
        assert contents(run) == contents(tmp_path / "first")
        assert not RunFolder(run).manifest().simulated
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(secret.encode() in content for content in written)


def test_what_an_openai_model_at_the_simulator_answered_stays_simulated_in_a_replay(
    tmp_path: Path, preflect: Run, simulator: Simulator, write_recipe: WriteRecipe
) -> None:
    teacher = {"kind": "openai", "model": "sim", "base_url": simulator.base_url}
    recipe = write_recipe(models={"teacher": teacher}, stages=[{"stage": "respond", "model": "teacher"}])
    assert_done(preflect("run", recipe, "--run", tmp_path / "first", "--quiet"))
    assert_done(preflect("journal", "export", "first", "--to", "calls.parquet"))
    assert_done(preflect("run", recipe, "--run", tmp_path / "again", "--replay", "calls.parquet", "--quiet"))
    assert contents(tmp_path / "again") == contents(tmp_path / "first")
    assert RunFolder(tmp_path / "again").manifest().simulated


@pytest.mark.parametrize("engine", ["local", "distilabel"])
def test_a_miss_stops_the_run_says_whose_and_what_to_do_and_doing_it_helps(
    engine: str, tmp_path: Path, preflect: Run, write_recipe: WriteRecipe
) -> None:
    recipe = write_recipe(engine=engine)
    assert_done(preflect("run", recipe, "--run", tmp_path / "whole", "--quiet"))
    assert_done(preflect("run", recipe, "--run", tmp_path / "part", "--limit", "9", "--quiet"))
    missed = preflect("run", recipe, "--run", tmp_path / "again", "--replay", "part", "--quiet")
    assert missed.returncode == 3
    assert "the journal has no reply of model 'teacher' to what stage 'respond' asks about sample " in missed.stderr
    assert f"ask the models for what is missing with `preflect resume {tmp_path}/again`" in missed.stderr
    assert f"`preflect journal import FILE --into {tmp_path}/again`" in missed.stderr
    assert f"`preflect resume {tmp_path}/again --replay`" in missed.stderr
    assert "go on with `preflect resume again --replay`" in preflect("show", "again").stdout
    assert preflect("resume", "again", "--replay", "--quiet").returncode == 3
    assert_done(preflect("journal", "import", "whole", "--into", "again"))
    assert_done(preflect("resume", "again", "--replay", "--quiet"))
    assert contents(tmp_path / "again") == contents(tmp_path / "whole")


def test_after_a_miss_a_resume_without_replay_asks_only_for_what_is_missing(
    tmp_path: Path, preflect: Run, simulator: Simulator, write_recipe: WriteRecipe
) -> None:
    teacher = {"kind": "openai", "model": "sim", "base_url": simulator.base_url}
    recipe = write_recipe(models={"teacher": teacher}, stages=[{"stage": "respond", "model": "teacher"}])
    assert_done(preflect("run", recipe, "--run", tmp_path / "part", "--limit", "9", "--quiet"))
    assert preflect("run", recipe, "--run", tmp_path / "again", "--replay", "part", "--quiet").returncode == 3
    assert simulator.requests() == 9
    assert_done(preflect("resume", "again", "--quiet"))
    assert simulator.requests() == 24
    manifest = RunFolder(tmp_path / "again").manifest()
    assert [count.calls for count in manifest.calls] == [15]
    assert not manifest.replay


def test_imported_calls_are_not_paid_out_of_the_budget(
    tmp_path: Path, preflect: Run, write_recipe: WriteRecipe
) -> None:
    models = {"teacher": {"kind": "sim", "max_tokens": 200, "concurrency": 1, "price": {"output": 1000}}}
    recipe = write_recipe(models=models, stages=[{"stage": "respond", "model": "teacher"}])
    assert_done(preflect("run", recipe, "--run", tmp_path / "rich", "--quiet"))
    assert preflect("run", recipe, "--run", tmp_path / "poor", "--budget-usd", "0.5", "--quiet").returncode == 3
    imported = preflect("journal", "import", "rich", "--into", "poor", "--json")
    assert_done(imported)
    merged = json.loads(imported.stdout)
    in_all = sum(count.calls for count in RunFolder(tmp_path / "rich").manifest().calls)
    assert (merged["conflicts"], merged["imported"] + merged["known"]) == (0, in_all)
    assert merged["known"] > 0
    assert_done(preflect("resume", "poor", "--quiet"))
    assert sum(count.cost_usd for count in RunFolder(tmp_path / "poor").manifest().calls) <= 0.5
    found = json.loads(preflect("journal", "stats", "poor", "--json").stdout)
    assert found["paid_here_usd"] <= 0.5
    assert sum(group["imported"] for group in found["groups"]) == merged["imported"]


def test_a_journal_is_shown_exported_and_told_apart(tmp_path: Path, preflect: Run, write_recipe: WriteRecipe) -> None:
    assert_done(preflect("run", write_recipe(), "--run", tmp_path / "run", "--limit", "6", "--quiet"))
    shown = preflect("journal", "stats", "run")
    assert_done(shown)
    header, first, *_ = shown.stdout.splitlines()
    names = "stage model calls imported tokens in cached tokens out reasoning cost median p95 p99 finish reasons"
    assert " ".join(header.split()) == names
    assert first.split()[:2] == ["judge_aspects", "judge"]
    assert "calls    " in shown.stdout
    assert ", compressed " in shown.stdout
    exported = preflect("journal", "export", "run", "--to", tmp_path / "out" / "calls.parquet")
    assert_done(exported)
    table = pl.read_parquet(tmp_path / "out" / "calls.parquet")
    assert table.columns[:5] == ["key", "model", "stage", "sample_id", "text"]
    assert exported.stdout.startswith(f"wrote {len(table)} calls to ")
    into = preflect("journal", "import", "run", "out/calls.parquet", "--into", "both.sqlite")
    assert into.stdout == f"imported {len(table)} calls into both.sqlite; {len(table)} were there already\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("journal", "stats", "gone"), "there is no run 'gone'"),
        (("journal", "stats", "rows.jsonl"), "rows.jsonl: not a journal"),
        (("journal", "export", "rows.jsonl", "--to", "x.parquet"), "rows.jsonl: not a journal"),
        (("journal", "import", "rows.jsonl", "--into", "new.sqlite"), "rows.jsonl: not a journal"),
        (("journal", "import", "gone.parquet", "--into", "new.sqlite"), "there is no run 'gone.parquet'"),
        (("run", "recipe.yaml", "--run", "run", "--replay", "gone"), "there is no run 'gone'"),
        (("run", "recipe.yaml", "--run", "run", "--replay", "rows.jsonl"), "rows.jsonl: not a journal"),
    ],
)
def test_what_is_no_journal_is_wrong_input(
    words: tuple[str, ...], message: str, tmp_path: Path, preflect: Run, write_recipe: WriteRecipe
) -> None:
    write_recipe()
    (tmp_path / "rows.jsonl").write_text('{"instruction": "Name a bird."}\n' * 100, encoding="utf-8")
    refused = preflect(*words)
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"error: {message}")
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "new.sqlite").exists()
