"""The steps of a phase, driven by hand: what goes over distilabel, and what is missed when some of it does not."""

from __future__ import annotations

import json
import random
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from preflect.engine.live_files import LiveFiles
from preflect.engine.run_folder import RunFolder
from preflect.recipes.plan import ENTRY
from preflect.schemas import Sample

from .distilabel_runs import Traps, run_of_five_rows

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its imports alone give a dozen
    from distilabel.pipeline import Pipeline

    from preflect.adapters.distilabel_pipeline import Close, Stream, Write


@dataclass(frozen=True)
class Steps:
    """The steps of the folder's phase, outside of any pipeline."""

    stream: Stream
    write: Write
    close: Close

    def rows(self) -> list[dict[str, Any]]:
        """All that `Stream` gives, with `Write` ready for it."""
        self.stream.load()
        self.write.load()
        return [row for batch, _ in self.stream.process() for row in batch]


@pytest.fixture
def steps(folder: RunFolder) -> Steps:
    return steps_of(folder)


def steps_of(folder: RunFolder) -> Steps:
    share: dict[str, Any] = {"run_path": str(folder.path), "phase_number": 0, "entry": ENTRY}
    with Pipeline(name="steps", cache_dir=folder.path / "cache"):
        return Steps(Stream(name="stream", **share), Write(name="write", **share), Close(name="close", **share))


def test_the_work_begins_when_the_step_is_loaded_since_distilabel_waits_before_it_asks_for_rows(tmp_path: Path) -> None:
    folder = run_of_five_rows(tmp_path, "grade")
    stream = steps_of(folder).stream
    stream.load()
    deadline = time.monotonic() + 60
    while finished(folder) < 5:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert [(batch, is_last) for batch, is_last in stream.process()] == [
        ([{"says": "block", "number": 0}], False),
        ([{"says": "whole", "number": 1}], True),
    ]


def finished(folder: RunFolder) -> int:
    snapshot = LiveFiles(folder.live_path).snapshot()
    return snapshot.finished if snapshot else 0


def outcome_of(folder: RunFolder) -> dict[str, Any]:
    return json.loads(LiveFiles(folder.live_path).outcome.read_bytes())


def test_a_none_in_its_first_rows_breaks_its_write_buffer_and_we_send_none(
    traps: Traps, steps: Steps, folder: RunFolder
) -> None:
    assert traps.report["nones"].startswith("Arrow")
    sent = steps.rows()
    [written] = steps.write.process(sent)
    [closed] = steps.close.process(written)
    for step, rows in ((steps.stream, sent), (steps.write, written), (steps.close, closed)):
        assert len(rows) == 2
        assert all(set(step.outputs) <= set(row) for row in rows)
        assert all(type(value) in {str, int, bool} for row in rows for value in row.values())
    assert outcome_of(folder) == {"error": None, "message": ""}
    assert len(closed_samples(folder)) == 5


def closed_samples(folder: RunFolder) -> list[Sample]:
    return list(folder.phase(0, closed=True, last=True).samples())


def test_blocks_in_any_order_are_the_dataset_in_the_order_of_the_input(
    steps: Steps, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("dataset", "phase_work"):
        monkeypatch.setattr(f"preflect.engine.{module}.BLOCK", 2)
    *rows, end = steps.rows()
    assert len(rows) == 3
    random.Random(4).shuffle(rows)
    for row in (*rows, end):
        list(steps.write.process([row]))
    assert [s.index for s in folder.phase(0, closed=False, last=False).samples()] == [0, 1, 2, 3, 4]
    assert not [*folder.waiting_blocks_path.iterdir()]


def test_only_the_first_yield_of_a_batch_counts_and_write_makes_no_second(traps: Traps, steps: Steps) -> None:
    assert [row["turn"] for row in traps.report["twice"]] == ["first"] * 6
    assert len(list(steps.write.process(steps.rows()))) == 1


def test_a_block_lost_between_the_steps_is_missed_and_not_called_whole(steps: Steps, folder: RunFolder) -> None:
    _, end = steps.rows()
    [written] = steps.write.process([end])
    assert outcome_of(folder) == {"error": "RunError", "message": "distilabel lost blocks: 1 were sent, 0 arrived"}
    assert not folder.phase(0, closed=False, last=False).has(0)
    list(steps.close.process(written))
    assert outcome_of(folder)["message"].startswith("distilabel lost blocks")
    assert not folder.phase(0, closed=True, last=True).has(0)


def test_a_block_that_cannot_be_written_is_told_of_at_once_and_again_at_the_end(
    steps: Steps, folder: RunFolder
) -> None:
    block, end = steps.rows()
    (folder.phase(0, closed=False, last=False).folder / "part-00000.parquet").mkdir()
    list(steps.write.process([block]))
    deadline = time.monotonic() + 60
    while not LiveFiles(folder.live_path).outcome.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    with pytest.raises(IsADirectoryError):  # which distilabel writes into the log, and goes on
        list(steps.write.process([end]))
    assert "a step of the distilabel pipeline broke: IsADirectoryError" in outcome_of(folder)["message"]


class PanicError(BaseException):
    """What PyO3 makes of a panic is no Exception either."""


@pytest.mark.parametrize("error", [PanicError("a library's fault"), SystemExit(3)])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_stream_that_broke_off_however_never_passes_for_a_whole_one(
    error: BaseException, steps: Steps, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr("preflect.adapters.distilabel_pipeline.write_stream", broken)
    rows = steps.rows()
    assert rows == [{"says": "broken", "number": 0}]
    [written] = steps.write.process(rows)
    list(steps.close.process(written))
    assert outcome_of(folder) == {"error": "RunError", "message": "the samples of a phase broke off"}
    assert not folder.phase(0, closed=True, last=True).has(0)


def test_what_distilabel_made_of_a_failed_batch_is_not_closed(steps: Steps, folder: RunFolder) -> None:
    list(steps.close.process([{"says": "whole", "number": 1, "is_whole": None}]))
    assert outcome_of(folder) == {"error": "RunError", "message": "not all samples of a phase were written"}
    assert not folder.phase(0, closed=True, last=True).has(0)
