"""Whole blocks on their way to who writes them: files, so that nobody waits for a writer that is slower."""

from __future__ import annotations

import shutil

from pydantic import TypeAdapter

from preflect.engine.dataset import Dataset
from preflect.engine.executor import Outcome
from preflect.engine.run_folder import RunFolder

_OUTCOMES = TypeAdapter(list[Outcome])


class WaitingBlocks:
    """One process puts blocks in, and another writes them."""

    def __init__(self, folder: RunFolder) -> None:
        self._path = folder.waiting_blocks_path

    def clear(self) -> None:
        """Begin anew: what an earlier sitting left is made again from the journal."""
        shutil.rmtree(self._path, ignore_errors=True)
        self._path.mkdir()

    def put(self, block: int, outcomes: list[Outcome]) -> None:
        """Hand a whole block over."""
        (self._path / f"{block}.json").write_bytes(_OUTCOMES.dump_json(outcomes))

    def write(self, block: int, dataset: Dataset) -> None:
        """Write one that was handed over."""
        waiting = self._path / f"{block}.json"
        dataset.write(block, _OUTCOMES.validate_json(waiting.read_bytes()))
        waiting.unlink()
