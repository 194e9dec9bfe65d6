"""What people's reviews of a run come to, in figures."""

from __future__ import annotations

from collections.abc import Callable

from preflect.engine.review_folder import ReviewFolder, answers_id
from preflect.engine.run_folder import RunFolder
from preflect.errors import InputError
from preflect.recipes.review_answers import answered_of
from preflect.review.accuracy import judge_accuracy
from preflect.review.answered import Answered
from preflect.review.figures import report_of
from preflect.review.opinions import Couple, grader_says, judge_says
from preflect.schemas import ReviewCounts, ReviewReport, Sample


def count_reviews(folder: RunFolder) -> ReviewCounts:
    """What the manifest keeps: how many reviewed, what was decided, how often the judge was right."""
    files, answered = ReviewFolder(folder), answered_of(folder)
    judge = opinions_of(answered, reviewed_samples(files, answered))
    kept = files.answers()
    return ReviewCounts(
        reviewed=len(answered.reviewed),
        decided=answered.decided(),
        reviewers=len({answer.reviewer for answer in kept}),
        answers_id=answers_id(kept, answered.options),
        judge_accuracy=judge_accuracy(answered, judge),
    )


def review_report(folder: RunFolder) -> ReviewReport:
    """All figures, also written to the run as `review/report.json` and `review/report.html`.

    Raises: InputError: nobody has answered yet.
    """
    from preflect.report.review_page import render_review_report  # noqa: PLC0415  # vl-convert

    files, answered, manifest = ReviewFolder(folder), answered_of(folder), folder.manifest()
    if not answered.reviewed:
        raise InputError(
            f"nobody has reviewed a sample of {folder.path} yet; fetch what people said with `preflect review pull "
            f"{folder.path}`"
        )
    samples = reviewed_samples(files, answered)
    report = report_of(
        answered,
        judge=opinions_of(answered, samples),
        grader=opinions_of(answered, samples, grader_says),
        lengths={response.id: len(response.text) for sample in samples.values() for response in sample.responses},
        name=manifest.name,
        simulated=manifest.simulated,
        seed=folder.recipe().seed,
    )
    render_review_report(files.report_path, report)
    files.keep_report(report)
    return report


def reviewed_samples(files: ReviewFolder, answered: Answered) -> dict[str, Sample]:
    """The samples that people answered, as they were before."""
    wanted = {*answered.reviewed}
    return {sample.id: sample for sample in files.samples() if sample.id in wanted}


def opinions_of(
    answered: Answered,
    samples: dict[str, Sample],
    says: Callable[[Sample, Couple], str | None] = judge_says,
) -> dict[str, str | None]:
    """By sample, the response that the judge prefers, or whoever else `says`."""
    return {
        sample_id: says(sample, (ids[0], ids[1]))
        for sample_id, sample in samples.items()
        if len(ids := answered.tasks["review", sample_id].response_ids) == 2  # noqa: PLR2004
    }
