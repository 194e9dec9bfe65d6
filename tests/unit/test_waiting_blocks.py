"""Blocks on their way: what was handed over is what is written, and only once."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preflect.engine.dataset import Dataset
from preflect.engine.executor import Outcome
from preflect.engine.run_folder import RunFolder
from preflect.engine.waiting_blocks import WaitingBlocks
from preflect.schemas import Instruction, Message, Rejection, Sample

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
OUTCOMES = st.builds(Outcome, st.integers(0), st.none() | SAMPLES, st.none() | REJECTIONS)


class Written(Dataset):
    """Remembers its blocks."""

    def __init__(self) -> None:
        super().__init__(Path(), Path())
        self.blocks: dict[int, list[Outcome]] = {}

    def write(self, block: int, outcomes: Iterable[Outcome]) -> None:
        assert block not in self.blocks
        self.blocks[block] = list(outcomes)


@given(st.dictionaries(st.integers(0, 10**6), st.lists(OUTCOMES, max_size=3), max_size=3))
@settings(deadline=None)
def test_blocks_come_out_as_they_were_put_in(blocks: dict[int, list[Outcome]]) -> None:
    with tempfile.TemporaryDirectory() as path:
        folder = RunFolder(Path(path))
        folder.live_path.mkdir()
        waiting, written = WaitingBlocks(folder), Written()
        waiting.clear()
        for block, outcomes in blocks.items():
            waiting.put(block, outcomes)
        for block in blocks:
            waiting.write(block, written)
            with pytest.raises(FileNotFoundError):
                waiting.write(block, written)
        assert written.blocks == blocks
        assert not len(waiting)


def test_what_finds_no_room_leaves_none_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = RunFolder(tmp_path)
    folder.live_path.mkdir()
    waiting = WaitingBlocks(folder)
    waiting.clear()

    def half_written(path: Path, _: bytes) -> None:
        path.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(Path, "write_bytes", half_written)
        with pytest.raises(OSError, match="No space"):
            waiting.put(0, [])
    assert not len(waiting)
    waiting.put(0, [])
    waiting.clear()
    assert not len(waiting)
