"""Blocks written beside the run: the same bytes as in one process, whatever dies, and nobody left behind."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from preflect.engine import run
from preflect.engine.phase_work import write_stream
from preflect.engine.plan import Phase
from preflect.engine.progress import Snapshot
from preflect.engine.run_folder import RunFolder
from preflect.engine.running import Watch, resume
from preflect.engine.sitting import Sitting
from preflect.engine.writer_beside import WriterBeside
from preflect.errors import RunError, StoppedError
from preflect.recipes import load
from preflect.recipes.plan import plan_to_resume

from .conftest import WriteRecipe, beside_this, command, contents

ROWS = 1000
"""Three blocks and a part of one."""


@pytest.fixture
def recipe(tmp_path: Path, write_recipe: WriteRecipe) -> Path:
    rows = [{"instruction": f"Name {number} harbours.", "reference_answer": "none"} for number in range(ROWS)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    models = {"teacher": {"kind": "sim", "max_tokens": 60, "concurrency": 200}}
    stages = [{"stage": "respond", "model": "teacher"}, {"stage": "grade"}]
    return write_recipe(
        input={"path": str(tmp_path / "rows.jsonl")},
        models=models,
        stages=stages,
        engine="local",
        limits={"max_rejected": 1.0},
    )


@pytest.fixture
def whole(tmp_path: Path, recipe: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What a run leaves that writes all by itself."""
    with monkeypatch.context() as patched:
        patched.setattr("preflect.engine.writer_beside.FEWEST", 10 * ROWS)
        return contents(run(load(recipe), tmp_path / "whole").folder.path)


def writers() -> list[psutil.Process]:
    return beside_this("preflect.engine.writer_beside")


def at(finished: int, act: Callable[[], object]) -> Callable[[Snapshot], None]:
    """Do it once, as soon as so many samples are finished."""
    done: list[object] = []

    def publish(snapshot: Snapshot) -> None:
        if snapshot.finished >= finished and not done:
            done.append(act())

    return publish


def goes_on(path: Path) -> RunFolder:
    folder = RunFolder(path)
    return resume(plan_to_resume(folder), folder).folder


def test_a_run_with_its_blocks_written_beside_it_gives_the_same_bytes(
    tmp_path: Path, recipe: Path, whole: dict[str, str]
) -> None:
    seen: list[psutil.Process] = []
    folder = run(load(recipe), tmp_path / "run", Watch(publish=at(900, lambda: seen.extend(writers())))).folder
    assert len(seen) == 1
    assert not writers()
    assert contents(folder.path) == whole
    assert not folder.live_path.exists()


def test_a_stopped_run_has_its_whole_blocks_and_goes_on_with_the_same_bytes(
    tmp_path: Path, recipe: Path, whole: dict[str, str]
) -> None:
    stop: list[bool] = []
    watch = Watch(publish=at(400, lambda: stop.append(True)), stop_requested=lambda: bool(stop))
    with pytest.raises(StoppedError):
        run(load(recipe), tmp_path / "run", watch)
    assert not writers()
    assert not [*(tmp_path / "run" / ".live" / "blocks").glob("*")]
    assert contents(goes_on(tmp_path / "run").path) == whole


def test_a_writer_that_is_killed_ends_the_run_and_costs_no_sample(
    tmp_path: Path, recipe: Path, whole: dict[str, str]
) -> None:
    with pytest.raises(RunError, match=r"ended with exit code -9; see .*run\.log"):
        run(load(recipe), tmp_path / "run", Watch(publish=at(900, lambda: [w.kill() for w in writers()])))
    assert contents(goes_on(tmp_path / "run").path) == whole


def test_whoever_goes_on_after_a_kill_waits_for_what_is_still_being_written(
    tmp_path: Path, recipe: Path, whole: dict[str, str]
) -> None:
    waiting = tmp_path / "run" / ".live" / "blocks" / "0.json"
    with subprocess.Popen(command("run", recipe, "--run", tmp_path / "run", "--quiet")) as running:
        while not waiting.exists():
            assert running.poll() is None
            time.sleep(0.002)
        running.kill()  # its writer has hardly begun
    assert contents(goes_on(tmp_path / "run").path) == whole


def test_a_block_that_cannot_be_written_ends_the_run_with_the_reason(
    tmp_path: Path, recipe: Path, whole: dict[str, str]
) -> None:
    in_the_way = tmp_path / "run" / "samples" / "part-00001.parquet"
    with pytest.raises(RunError, match=r"the samples cannot be written: .*part-00001"):
        run(load(recipe), tmp_path / "run", Watch(publish=at(1, in_the_way.mkdir)))
    assert not writers()
    shutil.rmtree(in_the_way)
    assert contents(goes_on(tmp_path / "run").path) == whole


class Breaks:
    """Carries the stream beside a writer, and breaks off when that has been given all."""

    def __init__(self, error: BaseException) -> None:
        self._error = error
        self.left: Sequence[psutil.Process] = ()

    def carry(self, phase: Phase, sitting: Sitting) -> None:
        sitting.streamed(phase).create()
        with WriterBeside(sitting, phase) as writer:
            write_stream(sitting, phase, writer.write)
            self.left = writers()
            raise self._error


@pytest.mark.parametrize("error", [StoppedError("enough"), RuntimeError("a fault of ours")])
def test_whatever_ends_the_stream_ends_the_writer_and_is_what_is_told(
    error: BaseException, tmp_path: Path, recipe: Path, whole: dict[str, str]
) -> None:
    runner = Breaks(error)
    with pytest.raises(type(error)):
        run(replace(load(recipe), runner=runner), tmp_path / "run")
    assert runner.left
    assert not writers()
    assert contents(goes_on(tmp_path / "run").path) == whole
