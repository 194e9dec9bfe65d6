"""What a command says and nobody reads, or nothing can hold, changes nothing of what it did."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest

from preflect.engine.run_folder import RunFolder

from .conftest import WriteRecipe, command

FULL = Path("/dev/full")


@pytest.fixture
def closed_pipe() -> Generator[int]:
    """The end to write to of a pipe that nobody reads, as after `| head -1`."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


def ended(stdout: int, *words: str | Path) -> tuple[int, str]:
    """Exit code and stderr."""
    done = subprocess.run(command(*words), stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_a_run_whose_reader_has_gone_ends_as_it_would_have(
    as_json: tuple[str, ...], closed_pipe: int, tmp_path: Path, write_recipe: WriteRecipe
) -> None:
    recipe = write_recipe(input={"path": "preflect://seeds/instructions.jsonl", "limit": 4})
    assert ended(closed_pipe, "run", recipe, "--run", tmp_path / "run", "--quiet", *as_json) == (0, "")
    assert RunFolder(tmp_path / "run").manifest().status == "done"
    code, errors = ended(closed_pipe, "run", recipe, "--run", tmp_path / "run", *as_json)
    assert code == 2
    assert errors.startswith(f"error: {tmp_path / 'run'} already holds a run; ")
    assert errors.count("\n") == 1


def test_what_is_found_is_told_by_the_exit_code_though_nobody_reads_it(closed_pipe: int, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"prompt": 1}\n' * 2000, encoding="utf-8")
    assert ended(closed_pipe, "check", rows, "--format", "trl-dpo") == (2, "")


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
def test_a_run_whose_summary_finds_no_room_says_so_in_one_line_and_is_kept(
    tmp_path: Path, write_recipe: WriteRecipe
) -> None:
    recipe = write_recipe(input={"path": "preflect://seeds/instructions.jsonl", "limit": 4})
    with FULL.open("w") as full:
        told = ended(full.fileno(), "run", recipe, "--run", tmp_path / "run", "--quiet")
    assert told == (1, "error: stdout cannot be written (No space left on device); what was done is kept\n")
    assert RunFolder(tmp_path / "run").manifest().status == "done"
