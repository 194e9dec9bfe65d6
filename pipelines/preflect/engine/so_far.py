"""What a run has to show at any moment, counted from what is on disk: how it stands, samples, rejections, calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import chain

from preflect.engine.dataset import Dataset
from preflect.engine.journal import LOST_USD, open_journal
from preflect.engine.lock import is_held
from preflect.engine.plan import split_phases, stage_names
from preflect.engine.run_folder import RunFolder
from preflect.engine.traffic import traffic_so_far
from preflect.errors import InputError
from preflect.schemas import Manifest, Recipe, Rejection, Sample, StageCounts


def standing(folder: RunFolder, manifest: Manifest) -> str:
    """The manifest's status, or `killed` where it says `running` and nobody is at work."""
    return "killed" if manifest.status == "running" and not is_held(folder.live_path) else manifest.status


def check_done(folder: RunFolder) -> None:
    """Raises: InputError when the run is not done, with how it stands and how to go on."""
    manifest = folder.manifest()
    stands = standing(folder, manifest)
    if stands == "running":
        raise InputError(f"the run {folder.path} is still at work; wait until it's done")
    if stands != "done":
        raise InputError(
            f"the run {folder.path} is {stands}, and its samples are not all there; go on with "
            f"`{folder.resume_command(manifest)}`"
        )


def manifest_so_far(folder: RunFolder) -> Manifest:
    """The manifest; that of a run that is not done with the stages and calls so far."""
    manifest = folder.manifest()
    if manifest.status == "done":
        return manifest
    if standing(folder, manifest) == "killed":
        manifest = manifest.evolve(status="stopped", message="its process was killed")
    return with_calls_so_far(folder, manifest).evolve(stages=tuple(_stages(folder)))


def with_calls_so_far(folder: RunFolder, manifest: Manifest) -> Manifest:
    """The manifest of a run that is not done with its calls, and what was spent without a usable reply."""
    if not folder.journal_path.exists():
        return manifest
    with open_journal(folder.journal_path) as journal:
        return manifest.evolve(
            calls=journal.counts(),
            lost_usd=journal.counter(LOST_USD),
            traffic=traffic_so_far(journal, folder.recipe().models),
        )


def steps(recipe: Recipe, folder: RunFolder) -> Iterator[tuple[tuple[int, ...], Dataset]]:
    """What each part of the run leaves, in order, with its stages by place: those of a stream, or one of the set."""
    phases = split_phases(recipe)
    for phase in phases:
        last = phase.number == len(phases) - 1
        yield phase.stages, folder.phase(phase.number, closed=False, last=last and phase.closing is None)
        if phase.closing is not None:
            yield (phase.closing,), folder.phase(phase.number, closed=True, last=last)


def rejections_so_far(folder: RunFolder) -> Iterator[tuple[Rejection, Sample | None]]:
    """Every rejection; those of the input are written down at the end of the run alone."""
    if folder.rejections_path.exists():
        return folder.rejections()
    return chain.from_iterable(dataset.rejections() for _, dataset in steps(folder.recipe(), folder))


def samples_so_far(folder: RunFolder) -> Iterator[tuple[Sample, Rejection | None]]:
    """Every sample as it stands: those that came through, the rejected ones, then earlier states of all of them."""
    yield from ((sample, None) for sample in folder.samples())
    yield from ((sample, rejection) for rejection, sample in rejections_so_far(folder) if sample)
    for _, dataset in reversed([*steps(folder.recipe(), folder)]):
        yield from ((sample, None) for sample in dataset.samples())


def _stages(folder: RunFolder) -> Iterator[StageCounts]:
    recipe = folder.recipe()
    names, rows = stage_names(recipe), 0
    for places, dataset in steps(recipe, folder):
        if not dataset.folder.exists():
            return
        reasons: dict[str, Counter[str]] = {}
        for rejection, _ in dataset.rejections():
            reasons.setdefault(rejection.stage, Counter())[rejection.reason] += 1
        through, alone = dataset.rows(), any(recipe.stages[place].whole_set for place in places)
        rows = rows if alone else through + sum(counted.total() for counted in reasons.values())
        for place in places:
            here = reasons.get(names[place], Counter[str]())
            out = through if alone else rows - here.total()
            yield StageCounts(
                stage=names[place],
                rows_in=rows,
                made=out + here.total() - rows,
                rows_out=out,
                rejected=here.total(),
                reasons=dict(here),
            )
            rows = out
