"""The work behind `preflect score`: one dataset, one student, and all that is left to score."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from preflect.adapters.reading import InputSurvey, read_rows, survey
from preflect.cli.progress import Publish
from preflect.cli.scores_out import Summary
from preflect.engine.progress import RowProgress
from preflect.engine.rate import Rate
from preflect.errors import DataError, InterruptedRunError
from preflect.ports import Student
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
    """A dataset that was looked through, and the student that scores it."""

    rows: InputSpec
    found: InputSurvey
    student: Student
    job: Job
    publish: Publish

    def hand_over(self, take: Take) -> Summary:
        """Score all rows, and give each away as soon as it is there."""
        summary = Summary()
        asyncio.run(self._score(self._pairs(), self.found.rows, summary, take))
        return summary

    def calibrate(self, count: int, seed: int) -> Calibration:
        """How well the student tells so many pairs from shuffled ones. Raises: DataError: there are none to compare."""
        both = matched_and_shuffled(sample_pairs(self._pairs(), count, seed=seed), seed=seed)
        lines: list[PairScores] = []
        asyncio.run(self._score(both, len(both), Summary(), lines.append))
        return calibration(lines, seed=seed)

    @contextmanager
    def kept(self, out: Path) -> Generator[tuple[ScoreFile, Summary]]:
        """All rows scored into the file behind `out`, gone on with where an earlier sitting left it.

        Raises: as `open_score_file`.
        """
        summary = Summary()
        with open_score_file(out, self.job) as file:
            for scores in file.read():
                summary.add(scores)
            asyncio.run(self._score(self._pairs(file.rows), self.found.rows, summary, file.add))
            yield file, summary

    def _pairs(self, done: int = 0) -> Iterator[DatasetPair]:
        return pairs_of_rows(islice(read_rows(self.rows), done, None))

    async def _score(self, pairs: Iterable[DatasetPair], total: int, summary: Summary, take: Take) -> None:
        shown = _Shown(self.publish, total)
        async with aclosing(score_dataset(pairs, self.student)) as scored:
            async for scores in scored:
                take(scores)
                summary.add(scores)
                shown.count(summary)
        shown.show(summary)


class _Shown:
    """Publishes how far it is, a few times a second."""

    def __init__(self, publish: Publish, total: int) -> None:
        self._publish, self._total = publish, total
        self._since = self._next = time.monotonic()
        self._rate = Rate(self._since)

    def count(self, summary: Summary) -> None:
        """One row more is done."""
        now = time.monotonic()
        self._rate.add(now)
        if now >= self._next:
            self._next = now + _SHOWN_EVERY_S
            self.show(summary)

    def show(self, summary: Summary) -> None:
        """Publish where it stands now."""
        now = time.monotonic()
        self._publish(
            RowProgress(
                total=self._total,
                done=summary.rows,
                unscorable=summary.unscorable,
                rows_per_s=self._rate.per_second(now),
                elapsed_s=now - self._since,
            )
        )


def prepared(rows: InputSpec, spec: StudentSpec, publish: Publish) -> ScoreWork:
    """Look through the dataset, then load the student; raises as `surveyed` and `build_student` do."""
    found = surveyed(rows)
    student = build_student(spec)
    job: Job = {
        "format": 1,
        "input": found.sha256,
        "columns": rows.model_dump(mode="json")["columns"],
        "limit": rows.limit,
        "student": student.name,
        "revision": student.revision,
        "options": spec.model_dump(mode="json"),
    }
    return ScoreWork(rows=rows, found=found, student=student, job=job, publish=publish)
