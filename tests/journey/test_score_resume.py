"""`preflect score` as a process of its own, killed and begun again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROWS = 1500
WAIT_S = 60.0


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows that are all different, some of them bad, for seconds of work."""
    path = tmp_path_factory.mktemp("dataset") / "rows.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number in range(ROWS):
            answer = "" if number % 100 == 0 else f"The square of {number} is {number * number}, as anyone can see."
            file.write(json.dumps({"instruction": f"What is the square of {number}?", "response": answer}) + "\n")
    return path


def begin(dataset: Path, *arguments: object, stdout: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "preflect.cli", "score", str(dataset), *map(str, arguments)]
    return subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE, text=True)


def wait_for_rows(out: Path, count: int) -> None:
    """Until so many rows are kept beside `out`."""
    lines = out.with_name(f"{out.name}.partial") / "rows.jsonl"
    deadline = time.monotonic() + WAIT_S
    while not lines.exists() or lines.read_bytes().count(b"\n") <= count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("name", ["scores.parquet", "scores.jsonl"])
def test_killed_twice_it_ends_with_the_bytes_of_a_run_that_was_let_be(dataset: Path, tmp_path: Path, name: str) -> None:
    killed, undisturbed = tmp_path / name, tmp_path / "whole" / name
    undisturbed.parent.mkdir()
    for kept in (ROWS // 8, ROWS // 2):
        with begin(dataset, "--out", killed) as process:
            wait_for_rows(killed, kept)
            process.kill()
        assert not killed.exists()
    with begin(dataset, "--out", killed) as last, begin(dataset, "--out", undisturbed, "--quiet") as whole:
        _, said = last.communicate()
        whole.communicate()
    assert (last.returncode, whole.returncode) == (0, 0)
    assert killed.read_bytes() == undisturbed.read_bytes()
    # What was kept counts from the first line of progress on.
    first, *_, final = said.splitlines()
    assert int(first.split(" of ")[0].replace(",", "")) > ROWS // 2
    assert final.startswith("1,500 of 1,500 rows, 100 % done, ")
    assert ", 15 unscorable, " in final


def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "scores.csv"
    with begin(dataset, "--out", out) as process:
        wait_for_rows(out, 100)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    assert process.returncode == 3
    assert f"{out}.partial holds the rows scored so far, and the same command goes on with the rest" in said
    wait_for_rows(out, 100)


def test_without_out_the_rows_come_as_they_are_scored(dataset: Path) -> None:
    with begin(dataset, "--quiet", stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert json.loads(process.stdout.readline())["id"] == "1"
        assert process.poll() is None
        process.kill()
