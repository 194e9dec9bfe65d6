"""Which batches of requests are at their endpoints: one file each in the run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from preflect.files import atomic_write
from preflect.ports import SentBatch, SentLine
from preflect.schemas import content_id


class BatchNotes:
    """Implements `preflect.ports.BatchStore` with a JSON file for each batch, whole or absent.

    A file goes when all that came of its batch is in the journal, so what lies there is what a resume picks up.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open_batches(self, model: str | None = None) -> tuple[SentBatch, ...]:
        """Those of this model, or of all, whose replies are not all in the journal."""
        kept = (_read(path) for path in sorted(self._folder.glob("*.json")))
        return tuple(batch for batch in kept if model in (None, batch.model))

    def keep(self, batch: SentBatch) -> None:
        """Return when it's durable; takes the place of what was kept of the batch before."""
        with atomic_write(self._path(batch)) as unfinished:
            unfinished.write_bytes(orjson.dumps(batch))

    def drop(self, batch: SentBatch) -> None:
        """Nothing is to come of the batch any more."""
        self._path(batch).unlink(missing_ok=True)

    def _path(self, batch: SentBatch) -> Path:
        # Not by the endpoint's own name, which may hold anything.
        return self._folder / f"{content_id([batch.model, batch.input_file_id])}.json"


def _read(path: Path) -> SentBatch:
    fields: dict[str, Any] = orjson.loads(path.read_bytes())
    lines = tuple(SentLine(**line) for line in fields.pop("lines"))
    return SentBatch(**fields, lines=lines)
