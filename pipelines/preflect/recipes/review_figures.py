"""What people's reviews of a run come to, in figures."""

from __future__ import annotations

from preflect.engine.review_folder import ReviewFolder, answers_id
from preflect.engine.run_folder import RunFolder
from preflect.recipes.review_answers import answered_of
from preflect.review.accuracy import judge_accuracy
from preflect.review.answered import Answered
from preflect.review.opinions import judge_says
from preflect.schemas import ReviewCounts, Sample


def count_reviews(folder: RunFolder) -> ReviewCounts:
    """What the manifest keeps: how many reviewed, what was decided, how often the judge was right."""
    files, answered = ReviewFolder(folder), answered_of(folder)
    judge = opinions_of(answered, reviewed_samples(files, answered))
    kept = files.answers()
    return ReviewCounts(
        reviewed=len(answered.reviewed),
        decided=sum(answered.decision(sample_id) is not None for sample_id in answered.reviewed),
        reviewers=len({answer.reviewer for answer in kept}),
        answers_id=answers_id(kept),
        judge_accuracy=judge_accuracy(answered, judge, seed=folder.recipe().seed),
    )


def reviewed_samples(files: ReviewFolder, answered: Answered) -> dict[str, Sample]:
    """The samples that people answered, as they were before."""
    wanted = {*answered.reviewed}
    return {sample.id: sample for sample in files.samples() if sample.id in wanted}


def opinions_of(answered: Answered, samples: dict[str, Sample]) -> dict[str, str | None]:
    """By sample, the response that the judge prefers."""
    return {
        sample_id: judge_says(sample, (ids[0], ids[1]))
        for sample_id, sample in samples.items()
        if len(ids := answered.tasks["review", sample_id].response_ids) == 2  # noqa: PLR2004
    }
