"""`preflect review push`: choose a queue, and lay it out where people review."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from preflect.desk import ReviewItem
from preflect.engine.review_folder import ReviewFolder, alone, review_stage
from preflect.engine.run_folder import RunFolder
from preflect.errors import InputError, MissingPartError, NoQueueError
from preflect.recipes.review_answers import answered_of
from preflect.recipes.review_desks import check_apart, open_desk, place_of
from preflect.recipes.review_options import gate_fault, options_with
from preflect.recipes.students import build_embedder
from preflect.review.form import form_of, item_of
from preflect.review.queue import ADJUDICATE, candidates, choose_round
from preflect.schemas import DeskName, DeskSpec, ReviewQueue, ReviewRound, ReviewStage, ReviewTask, content_id

_MADE_BY: Final = {"size", "random", "gold", "signals", "similar"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What a push came to."""

    place: str
    items: int
    """In all of the desk's queue."""
    new: int
    """Of them those that were laid out now; the others were there."""
    parts: dict[str, int]
    """Items by why they were chosen."""
    chosen_now: int
    """Items that this push chose; 0: it only saw to it that all are there."""


def push(
    folder: RunFolder, desk: DeskSpec, overrides: Sequence[str] = (), *, more: bool = False, leave_answers: bool = False
) -> Pushed:
    """Choose the run's queue, once, and lay out what of it is not there yet.

    Args: overrides are `key=VALUE` of the stage's options, for a run without that stage; more chooses another queue of
    the same size, from samples that nobody was asked about; leave_answers moves the queue though the place before has,
    or may have, answers that were not pulled.
    Raises: InputError, MissingPartError: nothing was laid out.
    """
    with alone(folder) as files:
        queue = files.queue() or ReviewQueue(options=_options(files, overrides))
        # One that was made by an older version says no more whose it is than a new one.
        queue = queue if queue.run else queue.evolve(run=_run_id(files.run))
        if overrides and queue.rounds:
            options = _options(files, overrides)
            if not more:
                _check_stands(queue.options, options)
            queue = queue.evolve(options=options)
        chosen = _next_round(files, queue) if more or not _rounds(queue, "review") else None
        if chosen:
            queue = queue.evolve(rounds=(*queue.rounds, chosen))
        pushed = lay_out(files, queue, "review", desk, leave_answers=leave_answers)
        return _told(queue, "review", desk, pushed, len(chosen.tasks) if chosen else 0)


def push_for_adjudication(folder: RunFolder, desk: DeskSpec, *, leave_answers: bool = False) -> Pushed:
    """Lay out what people could not settle, ties and conflicts, for an expert whose word then stands.

    Raises: InputError: there is no such sample.
    """
    with alone(folder) as files:
        answered = answered_of(folder)
        open_ = tuple(task.evolve(part=ADJUDICATE) for task in answered.open_cases())
        queue = answered.queue
        if not open_ and not _rounds(queue, "adjudication"):
            raise InputError(
                f"the run {folder.path} has no sample that all its reviewers have answered and that is open: a tie, or "
                "as many for one as for the other"
            )
        if open_:
            new = ReviewRound(desk="adjudication", kind=queue.options.kind, population=len(open_), tasks=open_)
            queue = queue.evolve(rounds=(*queue.rounds, new))
        pushed = lay_out(files, queue, "adjudication", desk, leave_answers=leave_answers)
        return _told(queue, "adjudication", desk, pushed, len(open_))


def _run_id(run: RunFolder) -> str:
    """The same for a queue that is made anew, and another for a copy of the run that has no queue yet."""
    return content_id([str(run.path.resolve()), run.manifest().started_at])


def _options(files: ReviewFolder, overrides: Sequence[str]) -> ReviewStage:
    stage, queue = review_stage(files.run.recipe()), files.queue()
    if stage and overrides:
        raise InputError(
            f"--set {overrides[0]}: the recipe has a stage 'review', and what it says stands; leave it out"
        )
    options = stage or options_with(queue.options if queue else ReviewStage(), overrides)
    if queue and queue.rounds and options.kind != queue.options.kind:
        raise InputError(
            f"kind is {queue.options.kind!r} in the queue that people have, got {options.kind!r}; a run is reviewed "
            "in one way, use a copy of it for another"
        )
    if shut := gate_fault(files.run.recipe().limits, options):
        raise InputError(shut)
    return options


def _check_stands(known: ReviewStage, wanted: ReviewStage) -> None:
    """Raises: InputError: what the queue was made by would change, and it would not."""
    stands, asked = (options.model_dump(include=_MADE_BY) for options in (known, wanted))
    if changed := [name for name in asked if asked[name] != stands[name]]:
        was, got = (", ".join(f"{name} {values[name]}" for name in changed) for values in (stands, asked))
        raise InputError(
            f"the queue that people have was made by {was}; got {got}; add --more to make another so, or leave them out"
        )


def _next_round(files: ReviewFolder, queue: ReviewQueue) -> ReviewRound:
    seed = files.run.recipe().seed
    pushed = {task.sample_id for r in queue.rounds for task in r.tasks}
    found = candidates(files.samples(), queue.options, seed, pushed)
    chosen = choose_round(found, queue.options, seed, len(queue.rounds))
    if not chosen.tasks:
        what = {"preference": "two responses to compare", "sft": "a response", "rft": "a reference answer"}
        left = f" that nobody was asked about, of {len(pushed):,} that were" if pushed else ""
        raise InputError(f"the run {files.run.path} has no sample with {what[queue.options.kind]}{left}")
    return chosen


def lay_out(
    files: ReviewFolder, queue: ReviewQueue, name: DeskName, desk: DeskSpec, *, leave_answers: bool = False
) -> int:
    """Lay out what of the queue is not there yet; returns how many items that were.

    The queue is kept before, once the desk takes it: whatever dies then, the next push lays out the same.
    """
    # An expert's word stands alone, however many are asked at first.
    options = queue.options if name == "review" else queue.options.evolve(overlap=1)
    form = form_of(options, f"{files.run.manifest().name}-{name}", queue.run)
    items = items_of(files, queue, name)
    if options.similar and desk.kind == "argilla":
        items = _with_vectors(items)
    check_apart({**files.desks(), name: desk})
    if not leave_answers:
        _check_all_is_pulled(files, files.queue() or queue, name, desk)

    def keep(there: Collection[str]) -> None:
        _keep_what_is_gone(files, desk, there)
        files.keep_queue(queue)
        files.keep_desk(name, desk)

    return open_desk(desk).push(form, items, keep)


def items_of(files: ReviewFolder, queue: ReviewQueue, name: DeskName) -> list[ReviewItem]:
    """What is laid out at this desk, oldest first."""
    tasks = {task.sample_id: task for task in tasks_of(queue, name)}
    items = {s.id: item_of(s, tasks[s.id], queue.options) for s in files.samples() if s.id in tasks}
    return [items[sample_id] for sample_id in tasks]


def _with_vectors(items: Sequence[ReviewItem]) -> list[ReviewItem]:
    vectors = build_embedder("hashed").embed(["\n".join((item.prompt, *item.responses)) for item in items])
    return [replace(item, vector=vector.tolist()) for item, vector in zip(items, vectors, strict=True)]


def _check_all_is_pulled(files: ReviewFolder, queue: ReviewQueue, name: DeskName, desk: DeskSpec) -> None:
    """Raises: InputError: where the queue was until now, people have answered since the last pull, or may have."""
    was = files.desks().get(name)
    if was is None or was == desk:
        return
    pulled = {(a.sample_id, a.reviewer): a.values for a in files.answers() if a.desk == name}
    known = {task.sample_id for task in tasks_of(queue, name)}
    try:
        there = [a for item_id, said in open_desk(was).answers().items() if item_id in known for a in said]
    except NoQueueError:
        return
    except (InputError, MissingPartError) as error:
        if _may_have_moved(was, desk) and known and known <= _items_at(desk):
            return
        raise InputError(
            f"{place_of(was)}, where the queue is until now, cannot be asked for what was not pulled: {error}; or "
            "add --leave-answers"
        ) from error
    if left := sum(pulled.get((a.sample_id, a.reviewer)) != a.values for a in there):
        raise InputError(
            f"{place_of(was)}, where the queue is until now, has {left:,} answers that were not pulled; fetch them "
            f"before it moves: `preflect review pull {files.run.path}`; or add --leave-answers"
        )


def _may_have_moved(was: DeskSpec, desk: DeskSpec) -> bool:
    """Whether one Argilla may be at both addresses, with all that people said in it."""
    if was.kind != "argilla" or desk.kind != "argilla":
        return False
    return (was.workspace, was.dataset) == (desk.workspace, desk.dataset)


def _items_at(desk: DeskSpec) -> set[str]:
    try:
        return {*open_desk(desk).answers()}
    except NoQueueError:
        return set()


def _keep_what_is_gone(files: ReviewFolder, desk: DeskSpec, there: Collection[str]) -> None:
    """Answers to items that are no longer where they were pulled from: laid out anew, they would look withdrawn."""
    answers = files.answers()
    if any(gone := [a.place == desk and a.sample_id not in there for a in answers]):
        files.keep_answers(a.evolve(place=None) if is_gone else a for a, is_gone in zip(answers, gone, strict=True))


def tasks_of(queue: ReviewQueue, name: DeskName) -> list[ReviewTask]:
    """All that was ever given to this desk, oldest first."""
    return [task for r in _rounds(queue, name) for task in r.tasks]


def _rounds(queue: ReviewQueue, name: DeskName) -> list[ReviewRound]:
    return [r for r in queue.rounds if r.desk == name]


def _told(queue: ReviewQueue, name: DeskName, desk: DeskSpec, new: int, chosen: int) -> Pushed:
    tasks = tasks_of(queue, name)
    parts: dict[str, Any] = dict(sorted(Counter(task.part for task in tasks).items()))
    return Pushed(place=place_of(desk), items=len(tasks), new=new, parts=parts, chosen_now=chosen)
