"""What went through each stage, counted from what is on disk, so that it's right however often the run was resumed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from preflect.engine.journal import Journal
from preflect.engine.plan import Phase, Plan
from preflect.engine.run_folder import RunFolder
from preflect.errors import RunError
from preflect.schemas import StageCounts

_Reasons = dict[str, Counter[str]]


def count_stages(plan: Plan, folder: RunFolder, journal: Journal, input_rejected: int) -> tuple[StageCounts, ...]:
    """One entry a stage, in the recipe's order.

    Raises: RunError when rows are missing: more went into a stage than came out or were rejected.
    """
    from preflect.engine.storage import count_rows, lost_candidates  # noqa: PLC0415  # polars

    rejected: _Reasons = {}
    for rejection, _ in folder.rejections():
        rejected.setdefault(rejection.stage, Counter())[rejection.reason] += 1
    lost: _Reasons = {}
    parts = folder.parts()
    for stage, reason, count in lost_candidates(parts):
        lost.setdefault(stage, Counter())[reason] += count
    counts = tuple(_walk(plan, folder, plan.input_rows - input_rejected, rejected))
    _check(counts, count_rows(parts), folder)
    return tuple(
        count.evolve(
            candidates_lost=dict(lost.get(count.stage, Counter())),
            seconds=round(journal.counter(f"stage_seconds:{count.stage}"), 3),
        )
        for count in counts
    )


def _check(counts: Sequence[StageCounts], survivors: int, folder: RunFolder) -> None:
    for count in counts:
        if count.made < 0:
            raise RunError(
                f"rows were lost: {count.rows_in} went into stage '{count.stage}', {count.rows_out} came out and "
                f"{count.rejected} were rejected; see {folder.log_path}"
            )
    if counts[-1].rows_out != survivors:
        raise RunError(
            f"rows were lost: {counts[-1].rows_out} should have come out of stage '{counts[-1].stage}', {survivors} "
            f"are in {folder.path / 'samples'}; see {folder.log_path}"
        )


def _walk(plan: Plan, folder: RunFolder, rows: int, rejected: _Reasons) -> Iterator[StageCounts]:
    for phase in plan.phases:
        for place in phase.stages:
            reasons = rejected.get(plan.names[place], Counter())
            count = StageCounts(
                stage=plan.names[place],
                rows_in=rows,
                rows_out=rows - reasons.total(),
                rejected=reasons.total(),
                reasons=dict(reasons),
            )
            rows = count.rows_out
            yield count
        if phase.closing is not None:
            reasons = rejected.get(plan.names[phase.closing], Counter())
            out = _rows_after(plan, folder, phase)
            yield StageCounts(
                stage=plan.names[phase.closing],
                rows_in=rows,
                made=out + reasons.total() - rows,
                rows_out=out,
                rejected=reasons.total(),
                reasons=dict(reasons),
            )
            rows = out


def _rows_after(plan: Plan, folder: RunFolder, phase: Phase) -> int:
    last = phase.number == len(plan.phases) - 1
    return folder.phase(phase.number, closed=True, last=last).rows()
