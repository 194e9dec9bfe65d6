"""What a run keeps of its review: the queue, where it was laid out, and the answers that came back."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import orjson
from pydantic import BaseModel, TypeAdapter

from preflect.engine.dataset import blocks_in, parts_in
from preflect.engine.lock import remove_held, sole_use
from preflect.engine.plan import Phase, split_phases
from preflect.engine.run_folder import RunFolder
from preflect.engine.so_far import check_done
from preflect.errors import InputError
from preflect.files import write_text_atomically
from preflect.schemas import (
    DeskName,
    DeskSpec,
    Recipe,
    ReviewAnswer,
    ReviewDesks,
    ReviewQueue,
    ReviewReport,
    ReviewStage,
    Sample,
    content_id,
)

_ANSWERS: TypeAdapter[list[ReviewAnswer]] = TypeAdapter(list[ReviewAnswer])


class ReviewFolder:
    """`review/` of a run folder."""

    def __init__(self, run: RunFolder) -> None:
        self.run = run
        self.path = run.path / "review"
        self.report_path = self.path / "report.html"
        self._before = self.path / "before"
        """The samples as the run left them, where no stage of it is `review`."""

    def queue(self) -> ReviewQueue | None:
        """What was given to reviewers; None before the first push."""
        path = self.path / "queue.json"
        return ReviewQueue.model_validate_json(path.read_bytes()) if path.exists() else None

    def keep_queue(self, queue: ReviewQueue) -> None:
        """Replace it."""
        self._write("queue.json", queue)

    def desks(self) -> dict[DeskName, DeskSpec]:
        """Where the queues were laid out."""
        path = self.path / "desks.json"
        return ReviewDesks.model_validate_json(path.read_bytes()).desks if path.exists() else {}

    def keep_desk(self, name: DeskName, desk: DeskSpec) -> None:
        """Remember where a queue was laid out."""
        desks: dict[DeskName, DeskSpec] = {**self.desks(), name: desk}
        self._write("desks.json", ReviewDesks(desks=desks))

    def answers(self) -> list[ReviewAnswer]:
        """All answers that were pulled, by sample and reviewer."""
        path = self.path / "answers.jsonl"
        if not path.exists():
            return []
        return [ReviewAnswer.model_validate_json(line) for line in path.read_bytes().splitlines()]

    def keep_answers(self, answers: Iterable[ReviewAnswer]) -> None:
        """Replace them; the same answers are the same bytes, in whatever order they came."""
        lines = (answer.model_dump_json() + "\n" for answer in in_order(answers))
        write_text_atomically(self.path / "answers.jsonl", "".join(lines))

    def keep_report(self, report: ReviewReport) -> None:
        """Replace `report.json`."""
        self._write("report.json", report)

    def samples(self) -> Iterator[Sample]:
        """The samples that people are asked about, as they were before anybody was.

        Raises: InputError: the run has not come so far.
        """
        from preflect.engine.storage import read_samples  # noqa: PLC0415  # polars

        recipe = self.run.recipe()
        phase = review_phase(recipe)
        if phase is None:
            # The run was done, though `limits.judge_min_accuracy` may have stopped it since.
            if self._before.exists():
                return read_samples(parts_in(self._before))
            check_done(self.run)
            return self.run.samples()
        if self.run.manifest().phases_done < phase.number or not self._is_streamed(phase):
            raise InputError(
                f"the run {self.run.path} has not reached its stage 'review'; go on with `preflect resume "
                f"{self.run.path}`"
            )
        return self.run.phase(phase.number, closed=False, last=False).samples()

    def _is_streamed(self, phase: Phase) -> bool:
        manifest = self.run.manifest()
        return manifest.status == "paused" or manifest.phases_done > phase.number

    def keep_before(self) -> None:
        """Set the samples aside as the run left them, once."""
        if self._before.exists():
            return
        copy = self._before.with_name("before.tmp")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.run.samples_path, copy)
        copy.replace(self._before)

    def blocks_before(self) -> Iterator[tuple[Path, Iterator[Sample]]]:
        """File by file what `keep_before` set aside."""
        return blocks_in(self._before)

    def _write(self, name: str, record: BaseModel) -> None:
        text = orjson.dumps(record.model_dump(mode="json"), option=orjson.OPT_INDENT_2).decode()
        write_text_atomically(self.path / name, text + "\n")


@contextmanager
def alone(run: RunFolder) -> Generator[ReviewFolder]:
    """The review of a run on which nobody else is at work while the block runs. Raises: InputError."""
    with sole_use(run.live_path):
        run.forget_digests()
        yield ReviewFolder(run)
        remove_held(run.live_path)


def in_order(answers: Iterable[ReviewAnswer]) -> list[ReviewAnswer]:
    """By sample, desk and reviewer."""
    return sorted(answers, key=lambda a: (a.sample_id, a.desk, a.reviewer))


def answers_id(answers: Sequence[ReviewAnswer], options: ReviewStage) -> str:
    """Hash of the answers, whatever their order and place, and of the options that say what they decide."""
    said = _ANSWERS.dump_python(in_order(answers), mode="json", exclude={"__all__": {"place"}})
    return content_id([said, options.model_dump(mode="json")])


def review_stage(recipe: Recipe) -> ReviewStage | None:
    """The recipe's stage of review, if it has one."""
    return next((stage for stage in recipe.stages if isinstance(stage, ReviewStage)), None)


def review_phase(recipe: Recipe) -> Phase | None:
    """The phase that ends with it."""
    return next(
        (
            phase
            for phase in split_phases(recipe)
            if phase.closing is not None and isinstance(recipe.stages[phase.closing], ReviewStage)
        ),
        None,
    )
