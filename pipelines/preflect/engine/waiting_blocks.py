"""Whole blocks on their way to who writes them: files, so that nobody waits for a writer that is slower."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from preflect.engine.dataset import Dataset
from preflect.engine.executor import Outcome
from preflect.engine.run_folder import RunFolder

_OUTCOMES: Final = TypeAdapter(list[Outcome])


class WaitingBlocks:
    """One process puts blocks in, and another writes them."""

    def __init__(self, folder: RunFolder) -> None:
        self._path = folder.waiting_blocks_path

    def clear(self) -> None:
        """Begin anew: what an earlier sitting left is made again, by calls that are in the journal."""
        shutil.rmtree(self._path, ignore_errors=True)
        self._path.mkdir()

    def put(self, block: int, outcomes: list[Outcome]) -> None:
        """Hand a whole block over."""
        waiting = self._waiting(block)
        try:
            waiting.write_bytes(_OUTCOMES.dump_json(outcomes))
        except OSError:
            waiting.unlink(missing_ok=True)  # on a full disk there must be room to say so
            raise

    def write(self, block: int, dataset: Dataset) -> None:
        """Write one that was handed over."""
        waiting = self._waiting(block)
        dataset.write(block, _OUTCOMES.validate_json(waiting.read_bytes()))
        waiting.unlink()

    def __len__(self) -> int:
        """How many are not written yet."""
        return sum(1 for _ in self._path.iterdir())

    def _waiting(self, block: int) -> Path:
        return self._path / f"{block}.json"
