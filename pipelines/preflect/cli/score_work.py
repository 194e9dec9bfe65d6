"""The work behind `preflect score`: one dataset, one student, and all that is left to score."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from preflect.adapters.reading import InputSurvey, read_rows, survey
from preflect.cli.progress import Publish
from preflect.cli.tally import Tally
from preflect.engine.progress import RowProgress
from preflect.engine.rate import Rate
from preflect.errors import DataError, InputError, InterruptedRunError
from preflect.ports import MadeBy, Student
from preflect.recipes.calibrate import Calibration, calibration, matched_and_shuffled, sample_pairs
from preflect.recipes.score import DatasetPair, PairScores, pairs_of_rows, score_dataset
from preflect.recipes.score_file import Job, ScoreFile, open_score_file, partial_folder
from preflect.recipes.students import build_student
from preflect.schemas import InputSpec, StudentSpec

_SHOWN_EVERY_S: Final = 0.1

Take = Callable[[PairScores], None]


def surveyed(rows: InputSpec) -> InputSurvey:
    """One pass over the dataset, before a student is loaded. Raises: DataError: there is nothing to score."""
    found = survey(rows)
    if not found.has_response:
        raise DataError(
            f"{rows.path}: no row has a response, and without one there is nothing to score; the columns are "
            f"{', '.join(found.columns)}: name the right one with --column response=COLUMN"
        )
    return found


@contextmanager
def going_on_after(out: Path) -> Generator[None]:
    """Turn Ctrl-C into what is kept and how to go on. Raises: InterruptedRunError."""
    try:
        yield
    except KeyboardInterrupt as stop:
        kept = f"{partial_folder(out)} holds the rows scored so far, and the same command goes on with the rest"
        raise InterruptedRunError(f"stopped by Ctrl-C; {kept}") from stop


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreWork:
    """A dataset that was looked through, and the students that score it."""

    rows: InputSpec
    found: InputSurvey
    students: tuple[Student, ...]
    job: Job
    publish: Publish

    def hand_over(self, take: Take) -> Tally:
        """Score all rows, and give each away as soon as it is there."""
        tally = Tally(len(self.students))
        asyncio.run(self._score(self._pairs(), self.found.rows, tally, take))
        return tally

    def calibrate(self, count: int, seed: int) -> list[Calibration]:
        """How well each student tells so many pairs from shuffled ones. Raises: DataError: there is none to compare."""
        both = matched_and_shuffled(sample_pairs(self._pairs(), count, seed=seed), seed=seed)
        lines: list[PairScores] = []
        number = len(self.students)
        asyncio.run(self._score(both, len(both), Tally(number), lines.append))
        return [calibration(lines[place::number], seed=seed) for place in range(number)]

    @contextmanager
    def kept(self, out: Path) -> Generator[tuple[ScoreFile, Tally]]:
        """All rows scored into the file behind `out`, gone on with where an earlier sitting left it.

        Raises: as `open_score_file`.
        """
        tally = Tally(len(self.students))
        with open_score_file(out, self.job) as file:
            for scores in file.read():
                tally.add(scores)
            asyncio.run(self._score(self._pairs(), self.found.rows, tally, file.add))
            yield file, tally

    def _pairs(self) -> Iterator[DatasetPair]:
        return pairs_of_rows(read_rows(self.rows))

    async def _score(self, pairs: Iterable[DatasetPair], rows: int, tally: Tally, take: Take) -> None:
        shown = _Shown(self.publish, rows * len(self.students))
        async with aclosing(score_dataset(pairs, *self.students, done=tally.lines)) as scored:
            async for scores in scored:
                take(scores)
                tally.add(scores)
                shown.count(tally)
        shown.show(tally)


class _Shown:
    """Publishes how far it is, a few times a second."""

    def __init__(self, publish: Publish, total: int) -> None:
        self._publish, self._total = publish, total
        self._since = self._next = time.monotonic()
        self._rate = Rate(self._since)

    def count(self, tally: Tally) -> None:
        """One row more is done."""
        now = time.monotonic()
        self._rate.add(now)
        if now >= self._next:
            self._next = now + _SHOWN_EVERY_S
            self.show(tally)

    def show(self, tally: Tally) -> None:
        """Publish where it stands now."""
        now = time.monotonic()
        self._publish(
            RowProgress(
                total=self._total,
                done=tally.lines,
                unscorable=tally.unscorable,
                rows_per_s=self._rate.per_second(now),
                elapsed_s=now - self._since,
            )
        )


def prepared(rows: InputSpec, specs: Sequence[StudentSpec], publish: Publish) -> ScoreWork:
    """Look through the dataset, then load the students.

    Raises: as `surveyed` and `build_student`; InputError: two students' scores would look as by one.
    """
    found = surveyed(rows)
    students = tuple(map(build_student, specs))
    _check_apart(students)
    job: Job = {
        "format": 1,
        "input": found.sha256,
        "columns": rows.model_dump(mode="json")["columns"],
        "limit": rows.limit,
        "student": [f"{student.name} {student.revision}" for student in students],
        "options": [spec.model_dump(mode="json") for spec in specs],
    }
    return ScoreWork(rows=rows, found=found, students=students, job=job, publish=publish)


def _check_apart(students: Sequence[Student]) -> None:
    known: set[MadeBy] = set()
    for student in students:
        made_by = (student.name, student.revision, student.template)
        if made_by in known:
            name, revision, template = made_by
            raise InputError(
                f"nothing tells the scores of two students apart: both are by {name!r} ({revision}, {template}); leave "
                "one out, or, behind a server, serve it under another name (--served-model-name)"
            )
        known.add(made_by)
