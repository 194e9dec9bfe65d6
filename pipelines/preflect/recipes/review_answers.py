"""A run's queue with the answers that were pulled."""

from __future__ import annotations

from preflect.engine.review_folder import ReviewFolder, review_stage
from preflect.engine.run_folder import RunFolder
from preflect.review.answered import Answered
from preflect.schemas import ReviewQueue, ReviewStage


def answered_of(folder: RunFolder) -> Answered:
    """All that is known of what people said; empty before the first push."""
    files = ReviewFolder(folder)
    options = review_stage(folder.recipe())
    queue = files.queue() or ReviewQueue(options=options or ReviewStage())
    # The recipe's word stands: policy and `enough` may have changed since the queue was chosen.
    return Answered(queue.evolve(options=options) if options else queue, files.answers())
