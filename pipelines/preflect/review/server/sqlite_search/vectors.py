"""Vectors of a dataset as one matrix, kept in memory until they change."""

import asyncio
import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from argilla_server.errors.future import UnprocessableEntityError
from numpy.typing import NDArray
from sqlalchemy.ext.asyncio import AsyncSession
from sqlite_search.clause import Clause
from sqlite_search.running import rows

# float32 is wrong in the seventh digit: a vector's score with itself would be 0.99999994, and miss a threshold of 1.
DIGITS = 6
# Matrices of other settings are let go, the longest unused first.
MOST_KEPT = 4


@dataclass(frozen=True, slots=True)
class Matrix:
    """Vectors of length one, each with the number of its record."""

    changes: int
    records: NDArray[np.int64]
    units: NDArray[np.float32]

    def nearest(self, value: list[float], among: Collection[int] | None, most: int) -> list[tuple[int, float]]:
        """Records and scores, (1 + cosine) / 2 as Elasticsearch has it, the best first, equal ones as logged."""
        if not self.units.size:
            return []
        if len(value) != self.units.shape[1]:
            raise UnprocessableEntityError(f"a vector of {self.units.shape[1]} numbers is needed, got {len(value)}")
        chosen = slice(None) if among is None else np.isin(self.records, np.fromiter(among, np.int64))
        records = self.records[chosen]
        scores = np.round((1 + self.units[chosen] @ _units([value])[0].astype(np.float32)) / 2, DIGITS).clip(0, 1)
        best = np.lexsort((records, -scores))[:most]
        return [(int(records[i]), round(float(scores[i]), DIGITS)) for i in best]


class Matrices:
    """The matrices of the settings that were asked for last."""

    def __init__(self) -> None:
        self._kept: dict[UUID, Matrix] = {}

    async def of(self, session: AsyncSession, settings_id: UUID) -> Matrix:
        """Never older than the transaction that asks: the count of changes is read before the vectors."""
        changes = await rows(
            session,
            Clause("SELECT changes FROM preflect_vectors WHERE settings_id = ?", (settings_id.hex,)),
        )
        count = changes[0][0] if changes else 0
        matrix = self._kept.pop(settings_id, None)
        if matrix is None or matrix.changes != count:
            matrix = await _load(session, settings_id, count)
        self._kept[settings_id] = matrix
        while len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        return matrix


async def _load(session: AsyncSession, settings_id: UUID, changes: int) -> Matrix:
    found = await rows(
        session,
        Clause(
            "SELECT records.rowid, value FROM vectors JOIN records ON records.id = record_id"
            " WHERE vector_settings_id = ?",
            (settings_id.hex,),
        ),
    )
    return await asyncio.to_thread(_matrix, changes, found)


def _matrix(changes: int, found: list[tuple[Any, ...]]) -> Matrix:
    numbers = np.fromiter((record for record, _ in found), np.int64, len(found))
    units = np.empty((len(found), len(json.loads(found[0][1])) if found else 0), np.float32)
    for row, (_, value) in enumerate(found):
        units[row] = json.loads(value)
    return Matrix(changes, numbers, _units(units))


def _units(vectors: Any) -> NDArray[Any]:
    """Vectors of length one; one of zeros stays as it is, at a right angle to all."""
    matrix = np.asarray(vectors)
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    return matrix / np.where(lengths == 0, 1, lengths)
