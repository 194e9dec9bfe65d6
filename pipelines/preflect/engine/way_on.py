"""What a user does about a run that stopped."""

from __future__ import annotations

from preflect.engine.batches import BatchNotes
from preflect.engine.run_folder import RunFolder
from preflect.errors import (
    AwaitingReviewError,
    BudgetError,
    JudgeTooInaccurateError,
    LastingLossesError,
    ReplayMissError,
    StoppedError,
)


def _at_endpoints(folder: RunFolder) -> str:
    sent = BatchNotes(folder.batches_path).open_batches()
    if not sent:
        return ""
    requests, batches = sum(len(batch.lines) for batch in sent), "1 batch" if len(sent) == 1 else f"{len(sent)} batches"
    return f"; left at work at the endpoint, to be picked up then: {batches} ({requests:,} requests)"


def with_way_on(error: StoppedError, folder: RunFolder) -> str:
    """Why a run stopped, with the command that goes on with it and what is left at work meanwhile."""
    return f"{error}\neverything is kept: {_command(error, folder)}{_at_endpoints(folder)}"


def _command(error: StoppedError, folder: RunFolder) -> str:
    resume = f"`{folder.resume_command(folder.manifest())}"
    match error:
        case AwaitingReviewError():
            return (
                f"lay the queue out with `preflect review push {folder.path}`, fetch what people said with `preflect "
                f"review pull {folder.path}`, then go on with {resume}`"
            )
        case LastingLossesError():
            return f"go on with {resume} --set limits.max_rejected=SHARE`, which leaves them out"
        case JudgeTooInaccurateError():
            return f"choose another judge in a new run, or allow it with {resume} --set limits.judge_min_accuracy=LESS`"
        case BudgetError():
            return f"go on with {resume} --budget-usd MORE`"
        case ReplayMissError():
            return (
                f"ask the models for what is missing with `preflect resume {folder.path}`, or bring it from a journal "
                f"that has it with `preflect journal import FILE --into {folder.path}` and go on with {resume}`"
            )
        case _:
            return f"go on with {resume}`"
