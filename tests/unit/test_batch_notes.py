"""What stands on disk of batches at their endpoints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from preflect.engine.batches import BatchNotes
from preflect.ports import SentBatch, SentLine

LINE = SentLine(key="k", stage="respond", sample_id="s", most_usd=0.25)
BATCH = SentBatch(model="teacher", input_file_id="../file 1", batch_id=None, lines=(LINE,))


def test_a_batch_is_there_as_it_was_kept_last_until_it_is_dropped(tmp_path: Path) -> None:
    notes = BatchNotes(tmp_path / "batches")
    assert notes.open_batches() == ()
    made = replace(BATCH, batch_id="batch_1")
    notes.keep(BATCH)
    notes.keep(made)
    other = replace(BATCH, model="judge")
    notes.keep(other)
    again = BatchNotes(tmp_path / "batches")
    assert again.open_batches("teacher") == (made,)
    assert set(again.open_batches()) == {made, other}
    again.drop(made)
    again.drop(made)
    assert notes.open_batches() == (other,)
