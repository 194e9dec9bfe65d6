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
from hypothesis import given, settings
from hypothesis import strategies as st

from preflect.adapters.distilabel_rows import Counted, read_row, row_of
from preflect.engine.executor import Outcome
from preflect.engine.live_files import LiveFiles
from preflect.engine.run_folder import RunFolder
from preflect.recipes.plan import ENTRY
from preflect.schemas import Instruction, Message, Rejection, Sample

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
        """All that `Stream` gives."""
        self.stream.load()
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
    assert [len(batch) for batch, _ in stream.process()] == [6, 0]


def finished(folder: RunFolder) -> int:
    snapshot = LiveFiles(folder.live_path).snapshot()
    return snapshot.finished if snapshot else 0


def outcome_of(folder: RunFolder) -> dict[str, Any]:
    return json.loads(LiveFiles(folder.live_path).outcome.read_bytes())


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
METADATA = st.dictionaries(TEXT, st.none() | st.booleans() | NUMBERS | TEXT | st.lists(TEXT), max_size=3)


def sample_of(text: str, index: int, metadata: dict[str, Any]) -> Sample:
    instruction = Instruction(messages=(Message(role="user", content=text),))
    return Sample(id=instruction.id, index=index, instructions=(instruction,), metadata=metadata)


SAMPLES = st.builds(sample_of, TEXT, st.integers(0, 10**6), METADATA)
REJECTIONS = st.builds(
    Rejection, sample_id=TEXT, stage=TEXT, cause=st.sampled_from(["call", "filter"]), reason=TEXT, detail=TEXT
)


@given(st.builds(Outcome, st.integers(0), st.none() | SAMPLES, st.none() | REJECTIONS))
@settings(deadline=None)
def test_every_outcome_is_one_text_and_comes_back_from_it(outcome: Outcome) -> None:
    row = row_of(outcome)
    assert list(row) == ["row"]
    assert read_row({"row": row["row"].encode().decode()}) == outcome


@given(st.integers(0), st.booleans())
def test_the_count_at_the_end_comes_back_as_one(rows: int, complete: bool) -> None:
    assert read_row(row_of(Counted(rows, complete))) == Counted(rows, complete)


def test_a_none_in_its_first_rows_breaks_its_write_buffer_and_we_send_none(
    traps: Traps, steps: Steps, folder: RunFolder
) -> None:
    assert traps.report["nones"].startswith("Arrow")
    sent = steps.rows()
    [written] = steps.write.process(sent)
    [closed] = steps.close.process(written)
    for step, rows in ((steps.stream, sent), (steps.write, written), (steps.close, closed)):
        assert len(rows) == 6
        assert all(set(step.outputs) <= set(row) for row in rows)
        assert all(type(value) in {str, int, bool} for row in rows for value in row.values())
    assert outcome_of(folder) == {"error": None, "message": ""}
    assert len(closed_samples(folder)) == 5


def closed_samples(folder: RunFolder) -> list[Sample]:
    return list(folder.phase(0, closed=True, last=True).samples())


def test_rows_in_any_order_are_written_in_the_order_of_the_input(steps: Steps, folder: RunFolder) -> None:
    *rows, end = steps.rows()
    random.Random(4).shuffle(rows)
    for batch in (rows[:2], [*rows[2:], end]):
        list(steps.write.process(batch))
    assert [s.index for s in folder.phase(0, closed=False, last=False).samples()] == [0, 1, 2, 3, 4]


def test_only_the_first_yield_of_a_batch_counts_and_write_makes_no_second(traps: Traps, steps: Steps) -> None:
    assert [row["turn"] for row in traps.report["twice"]] == ["first"] * 6
    assert len(list(steps.write.process(steps.rows()))) == 1


def test_a_row_lost_between_the_steps_is_missed_and_the_block_is_not_called_whole(
    steps: Steps, folder: RunFolder
) -> None:
    rows = steps.rows()
    list(steps.write.process([*rows[:2], *rows[3:]]))
    assert outcome_of(folder) == {"error": "RunError", "message": "distilabel lost rows: 5 were sent, 4 arrived"}
    streamed = folder.phase(0, closed=False, last=False)
    assert not streamed.has(0)
    assert sorted(streamed.partial_outcomes(0)) == [0, 1, 3, 4]
    list(steps.close.process([{"row": "", "received": 4}]))
    assert not folder.phase(0, closed=True, last=True).has(0)
