"""A local run begins without what it needs only later, or never: importing that would take longer than all the rest."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import WriteRecipe

RECIPE = """\
name: small
engine: local
input: {path: rows.jsonl}
models:
  teacher: {kind: openai, model: m}
stages:
  - {stage: respond, model: teacher}
  - {stage: judge_aspects, model: teacher}
"""
LATER: frozenset[str] = frozenset(
    {
        "arro3",
        "datasets",
        "distilabel",
        "genai_prices",
        "huggingface_hub",
        "jsonschema",
        "openai",
        "polars",
        "rapidfuzz",
        "regex",
        "requests",
        "vl_convert",
    }
)


def test_nothing_heavy_is_imported_before_the_first_call(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"instruction": "Name a bird."}\n', encoding="utf-8")
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    program = Path(__file__).with_name("modules_at_first_call.py")
    done = subprocess.run(
        [sys.executable, program, "recipe.yaml"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    imported = {name.split(".")[0] for name in json.loads(done.stdout)}
    assert "aiohttp" in imported
    assert imported & LATER == set()


TRAP = """
from pathlib import Path
Path(__file__).with_suffix(".imported").touch()
raise ImportError("a user's own file")
"""


@pytest.mark.parametrize("engine", ["local", "distilabel"])
def test_no_process_of_a_run_imports_from_the_folder_that_it_is_started_in(
    engine: str, tmp_path: Path, write_recipe: WriteRecipe
) -> None:
    recipe = write_recipe(engine=engine)
    for name in ("aiohttp", "distilabel", "json", "orjson", "polars", "uvloop", "vl_convert"):
        (tmp_path / f"{name}.py").write_text(TRAP, encoding="utf-8")
    python = [sys.executable, "-P", "-m", "preflect.cli"]  # as the `preflect` that pip installs
    done = subprocess.run(
        [*python, "run", recipe, "--run", "run"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [*tmp_path.glob("*.imported")] == []
