"""`preflect review pull`: fetch what people said, and bring it into the run."""

from __future__ import annotations

import asyncio
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from preflect.desk import ReviewItem
from preflect.engine.review_folder import ReviewFolder, alone, answers_id, review_phase
from preflect.engine.run_folder import RunFolder
from preflect.engine.way_on import with_way_on
from preflect.errors import DataError, InputError, JudgeTooInaccurateError
from preflect.recipes.admission import admission_of, scoring_students
from preflect.recipes.finish import Ending, report
from preflect.recipes.review_answers import answered_of
from preflect.recipes.review_desks import check_apart, open_desk, place_of
from preflect.recipes.review_figures import count_reviews
from preflect.recipes.review_push import items_of, tasks_of
from preflect.recipes.students import build_student
from preflect.review.answered import Answered
from preflect.review.form import contradicts_itself, faults_of, form_of
from preflect.review.take_back import Admission, TakeBack
from preflect.schemas import (
    ChatModelSpec,
    DeskName,
    DeskSpec,
    Manifest,
    PairStage,
    Recipe,
    Rejection,
    ReviewAnswer,
    ReviewQueue,
    Sample,
)
from preflect.stages.pair import choose_pair, pair_rng

_MOST_FAULTS: Final = 5
_Key = tuple[DeskName, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """What a pull came to."""

    answers: int
    """All that are there."""
    new: int
    changed: int
    unknown: int
    """Answers to items that are not of this queue."""
    contradictory: int
    """Answers that find a reference answer right and give another one: theirs is left aside."""
    full: int
    """Samples with all their answers."""
    size: int
    """Samples in the queue."""
    decided: int
    go_on: bool
    """Whether the run is to be resumed now: answers came for a stage of it."""


def pull(folder: RunFolder, moved: Mapping[DeskName, DeskSpec]) -> Pulled:
    """Fetch the answers from wherever the queue was laid out, and make samples, exports and report anew with them.

    A run with a stage `review` is not touched but for its answers: `resume` goes on with them.
    Args: moved are the queues that are elsewhere than where they were laid out last.
    Raises: InputError: nothing was pushed; DataError: an answer does not fit the form; nothing was changed.
    JudgeTooInaccurateError: all is brought in, and not exported; the run is stopped till the judge is found right more
    often, or `resume` allows it.
    """
    with alone(folder) as files:
        queue = files.queue()
        if queue is None:
            raise InputError(
                f"nobody was asked about {folder.path} yet; begin with `preflect review push {folder.path}`"
            )
        desks: dict[DeskName, DeskSpec] = {**files.desks(), **moved}
        check_apart(desks)
        before = _before(files, moved)
        # Where it was laid out by this run, a queue is known to be this run's.
        items: dict[DeskName, list[ReviewItem]] = {name: items_of(files, queue, name) for name in moved}
        after, unknown = _merged(queue, desks, before, items)
        for name, desk in moved.items():
            files.keep_desk(name, desk)
        files.keep_answers(after.values())
        new = len(after.keys() - before.keys())
        changed = sum(key in before and before[key] != a.evolve(place=before[key].place) for key, a in after.items())
        try:
            go_on = bring_in(folder)
        except JudgeTooInaccurateError as error:
            counts = f"{len(after):,} answers are brought in: {new:,} new, {changed:,} changed"
            raise JudgeTooInaccurateError(f"{counts}\n{with_way_on(error, folder)}") from error
        answered = answered_of(folder)
        return Pulled(
            answers=len(after),
            new=new,
            changed=changed,
            unknown=unknown,
            contradictory=_contradictory(files, queue, after.values()),
            full=answered.full(),
            size=answered.size(),
            decided=answered.decided(),
            go_on=go_on,
        )


def _before(files: ReviewFolder, moved: Mapping[DeskName, DeskSpec]) -> dict[_Key, ReviewAnswer]:
    """What was pulled so far; an Argilla that has moved took along what is in it."""
    moves = {was: moved[name] for name, was in files.desks().items() if name in moved}
    places = {was: now for was, now in moves.items() if was.kind == now.kind == "argilla"}
    return {
        (a.desk, a.sample_id, a.reviewer): a.evolve(place=places.get(a.place, a.place) if a.place else None)
        for a in files.answers()
    }


def _contradictory(files: ReviewFolder, queue: ReviewQueue, answers: Iterable[ReviewAnswer]) -> int:
    if queue.options.kind != "rft":
        return 0
    shown = {item.id: item.reference for item in items_of(files, queue, "review")}
    return sum(contradicts_itself(answer.values, shown.get(answer.sample_id)) for answer in answers)


def _merged(
    queue: ReviewQueue,
    desks: Mapping[DeskName, DeskSpec],
    before: Mapping[_Key, ReviewAnswer],
    items: Mapping[DeskName, Sequence[ReviewItem]],
) -> tuple[dict[_Key, ReviewAnswer], int]:
    """What was known with what is there now.

    Withdrawn is what was there the last time: answers from elsewhere stay, and those to items that are gone.
    """
    after, unknown, faults = {**before}, 0, list[str]()
    keys_of: dict[tuple[DeskName, str], list[_Key]] = defaultdict(list)
    for key in before:
        keys_of[key[:2]].append(key)
    for name, spec in desks.items():
        known = {task.sample_id for task in tasks_of(queue, name)}
        form = form_of(queue.options, name)
        found = open_desk(spec).answers(items.get(name, ()))
        if name in items and known.isdisjoint(found):
            raise InputError(f"{place_of(spec)} has no item of this run's queue; name where the queue is")
        for item_id, answers in found.items():
            if item_id not in known:
                unknown += len(answers)
                continue
            for key in keys_of[name, item_id]:
                if before[key].place == spec:
                    del after[key]
            for answer in answers:
                where = f"{place_of(spec)}: {item_id}, {answer.reviewer}"
                faults += (f"{where}: {fault}" for fault in faults_of(form, answer.values))
                values = dict(sorted(answer.values.items()))
                after[name, item_id, answer.reviewer] = answer.evolve(desk=name, values=values, place=spec)
    if faults:
        more = f"\n… and {len(faults) - _MOST_FAULTS} more" if len(faults) > _MOST_FAULTS else ""
        raise DataError("answers that don't fit the form:\n" + "\n".join(faults[:_MOST_FAULTS]) + more)
    return after, unknown


def bring_in(folder: RunFolder) -> bool:
    """Make the run of what is known now; returns whether it is to be resumed for that."""
    manifest, phase = folder.manifest(), review_phase(folder.recipe())
    known = answers_id(ReviewFolder(folder).answers(), answered_of(folder).options)
    is_old = manifest.review is None or manifest.review.answers_id != known
    if phase is None:
        # One that the gate has stopped is told of it by every pull.
        if is_old or manifest.status != "done":
            _make_anew(folder, manifest)
        return False
    if manifest.phases_done > phase.number and is_old:
        # What the later phases left goes when the run is resumed.
        reopened = manifest.evolve(phases_done=phase.number, status="paused", message=_resume(folder))
        folder.write_manifest(reopened.evolve(review=count_reviews(folder)))
    elif is_old:
        folder.write_manifest(manifest.evolve(review=count_reviews(folder)))
    return folder.manifest().status != "done"


def _resume(folder: RunFolder) -> str:
    return f"reviews came in after its end; go on with `preflect resume {folder.path}`"


def _make_anew(folder: RunFolder, manifest: Manifest) -> None:
    """Samples, exports and report with the reviews; the manifest last, so that what dies before is done again."""
    from preflect.engine.storage import lost_candidates, write_samples  # noqa: PLC0415  # polars

    files, recipe = ReviewFolder(folder), folder.recipe()
    files.keep_before()
    answered = answered_of(folder)
    stage = TakeBack(answered=answered, admission=_admission(recipe, answered))
    for block, samples in files.blocks_before():
        write_samples(folder.samples_path / block.name, _with_reviews(samples, stage, recipe))
    lost: dict[str, dict[str, int]] = {}
    for of_stage, reason, count in lost_candidates(folder.parts()):
        reasons = lost.setdefault(of_stage, {})
        reasons[reason] = reasons.get(reason, 0) + count
    counts = tuple(count.evolve(candidates_lost=lost.get(count.stage, {})) for count in manifest.stages)
    made = manifest.evolve(status="done", message="", stages=counts, review=count_reviews(folder), exports=())
    with closing(Ending()) as ending:
        try:
            made = made.evolve(exports=ending.export(folder, made.review))
        except JudgeTooInaccurateError as error:
            # Data that a judge chose who is known to be wrong too often must not lie there.
            shutil.rmtree(folder.export_path, ignore_errors=True)
            stopped = made.evolve(status="stopped", message=str(error))
            report(folder, stopped)
            folder.write_manifest(stopped)
            raise
        ending.report(folder, made)
    folder.write_manifest(made)


def _admission(recipe: Recipe, answered: Answered) -> Admission | None:
    """The run's student, which is loaded only where somebody wrote a response."""
    edits = any(review.question == "improved" for s in answered.reviewed for review in answered.reviews(s))
    if not edits:
        return None
    specs = {name: recipe.models[name] for name in scoring_students(recipe)}
    return admission_of(recipe, {n: build_student(s) for n, s in specs.items() if not isinstance(s, ChatModelSpec)})


def _with_reviews(samples: Iterable[Sample], stage: TakeBack, recipe: Recipe) -> Iterator[Sample]:
    with asyncio.Runner() as runner:
        for sample in samples:
            told = runner.run(stage.run(sample))
            yield sample if told == sample else _paired_anew(told, recipe)


def _paired_anew(sample: Sample, recipe: Recipe) -> Sample:
    """The sample with its pairs chosen again, as the recipe's stages would."""
    from preflect.engine.plan import stage_names  # noqa: PLC0415

    stages = {n: s for n, s in zip(stage_names(recipe), recipe.stages, strict=True) if isinstance(s, PairStage)}
    kept = tuple(rejection for rejection in sample.rejections if rejection.stage not in stages)
    sample = sample.evolve(pairs=(), rejections=kept) if stages else sample
    for name, stage in stages.items():
        rng = pair_rng(recipe.seed, sample.id)
        chosen = choose_pair(sample, stage.strategy, stage.min_margin, rng, stage=name)
        if isinstance(chosen, Rejection):
            sample = sample.evolve(rejections=(*sample.rejections, chosen))
        else:
            sample = sample.evolve(pairs=(*sample.pairs, chosen))
    return sample
