"""What people's answers make of a sample: reviews, decisions, and new responses of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from preflect.errors import AwaitingReviewError
from preflect.grading import grade, same_text
from preflect.ports import Student
from preflect.review.answered import Answered
from preflect.review.opinions import BOTH_BAD, TIE
from preflect.review.policy import decide, heard
from preflect.review.queue import GOLD
from preflect.review.subject import reference_of
from preflect.schemas import (
    Grade,
    ReferenceCheck,
    Rejection,
    Response,
    Review,
    ReviewTask,
    Sample,
    StudentScore,
    Verdict,
)
from preflect.scoring import ScoreMetric, score_pair


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What a response must show before it's trained on: both scores of the student below their thresholds."""

    student: Student
    metric: ScoreMetric
    threshold: float
    reverse_threshold: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeBack:
    """Bring people's answers into the samples.

    A gold sample's answers are kept and decide nothing, for its grader knows, unless an expert has adjudicated it. An
    improved response that a grader fails, or that the student would not admit, is left out, and the reason stands among
    the sample's rejections.
    """

    answered: Answered
    admission: Admission | None = None
    """As in the run's own selection; None where no student scores."""
    name: str = "review"

    async def run_all(self, samples: Iterable[Sample]) -> AsyncIterator[Sample | Rejection]:
        """Every sample, with what was said of it. Raises: AwaitingReviewError: too few answers are back."""
        check_enough(self.answered)
        for sample in samples:
            yield await self.run(sample)

    async def run(self, sample: Sample) -> Sample:
        """The sample with what was said of it."""
        reviews = self.answered.reviews(sample.id)
        if not reviews:
            return sample
        task = self.answered.tasks["review", sample.id]
        told = sample.evolve(reviews=reviews)
        told = told.evolve(verdicts=(*told.verdicts, *_verdicts(task, self.answered)))
        told = told.evolve(reference_checks=tuple(_reference_checks(told, self.answered)))
        told = _graded_anew(told)
        for review in reviews:
            if review.question == "improved":
                told = await self._with_edit(told, review)
        return told

    async def _with_edit(self, sample: Sample, review: Review) -> Sample:
        """With the improved response, better than what it was made from; or with the reason why it's left out."""
        parents = [sample.response_of(response_id) for response_id in review.response_ids]
        asked = sample.instruction_of(parents[0].instruction_id)
        text = str(review.value)
        if any(same_text(text, known.text) for known in sample.responses_to(asked.id)):
            return sample
        edit = Response(instruction_id=asked.id, text=text, origin="human", parents=review.response_ids)
        grades, scores, fault = await self._assess(sample, edit)
        if fault:
            return sample.evolve(rejections=(*sample.rejections, fault))
        better = (Verdict(better_id=edit.id, worse_id=parent.id, source="human") for parent in parents)
        return sample.evolve(
            responses=(*sample.responses, edit),
            grades=(*sample.grades, *grades),
            scores=(*sample.scores, *scores),
            verdicts=(*sample.verdicts, *better),
        )

    async def _assess(self, sample: Sample, edit: Response) -> tuple[list[Grade], list[StudentScore], Rejection | None]:
        grades = [*_grade(sample, edit)]
        if any(found.score is not None and found.score < 1 for found in grades):
            return grades, [], sample.reject(self.name, "filter", "known_wrong", f"its grader fails: {edit.text[:120]}")
        if self.admission is None:
            return grades, [], None
        scores, within = await _scored(self.admission, sample, edit)
        numbers = ", ".join(f"{score.metric} {score.value}" for score in scores)
        fault = None if within else sample.reject(self.name, "filter", "not_admitted", f"improved response: {numbers}")
        return grades, scores, fault


def check_enough(answered: Answered) -> None:
    """Raises: AwaitingReviewError: a smaller share of the queue than `enough` has all its answers."""
    full, size = answered.full(), answered.size()
    if size and full >= answered.options.enough * size:
        return
    wanted = f"{answered.options.enough:.0%} of them are enough"
    each = "an answer" if answered.options.overlap == 1 else f"{answered.options.overlap} answers"
    have = f"{full:,} of {size:,} samples have {each}, {wanted}" if size else "nobody was asked yet"
    raise AwaitingReviewError(f"awaiting review: {have}")


def _verdicts(task: ReviewTask, answered: Answered) -> Iterator[Verdict]:
    if task.part == GOLD and not any(vote.adjudicates for vote in answered.votes(task.sample_id)):
        return
    match answered.options.kind:
        case "preference":
            yield from _preference(task, answered)
        case "sft":
            yield from _below_rating(task, answered)
        case "rft":
            return


def _preference(task: ReviewTask, answered: Answered) -> Iterator[Verdict]:
    decision = answered.decision(task.sample_id)
    if decision is None:
        return
    open_ = decision.value in {TIE, BOTH_BAD}
    better, worse = sorted(task.response_ids, key=lambda response_id: (response_id != decision.value, response_id))
    yield Verdict(
        better_id=better,
        worse_id=worse,
        tie=open_,
        source="human",
        confidence=decision.share,
        unusable=decision.value == BOTH_BAD,
    )


def _below_rating(task: ReviewTask, answered: Answered) -> Iterator[Verdict]:
    """A response that those who are heard rate below `min_rating` on average."""
    rated = [int(vote.value) for vote in heard(answered.votes(task.sample_id, "rating"), answered.options)]
    if rated and sum(rated) < Fraction(answered.options.min_rating) * len(rated):
        (only,) = task.response_ids
        yield Verdict(better_id=only, worse_id=only, tie=True, source="human", unusable=True)


def _reference_checks(sample: Sample, answered: Answered) -> Iterator[ReferenceCheck]:
    decision = answered.decision(sample.id) if answered.options.kind == "rft" else None
    asked = reference_of(sample)
    if asked is None or decision is None or decision.value not in {"yes", "no"}:
        return
    right = decision.value == "yes"
    yield ReferenceCheck(
        instruction_id=asked.id, right=right, correction=None if right else _correction(sample.id, answered)
    )


def _correction(sample_id: str, answered: Answered) -> str | None:
    """What most of those write who decided that the reference answer is wrong; None where no single thing is."""
    refuted = {
        (v.reviewer, v.adjudicates) for v in heard(answered.votes(sample_id), answered.options) if v.value == "no"
    }
    written = (v for v in answered.votes(sample_id, "reference") if (v.reviewer, v.adjudicates) in refuted)
    decision = decide(written, answered.options, answered.weights)
    return decision and decision.value


def _graded_anew(sample: Sample) -> Sample:
    """What was graded by a reference answer that people refute is graded by theirs, or counts as not graded."""
    refuted = {check.instruction_id: check for check in sample.reference_checks if not check.right}
    if not refuted:
        return sample
    grades: list[Grade] = []
    for known in sample.grades:
        check = refuted.get(sample.response_of(known.response_id).instruction_id)
        if check is None:
            grades.append(known)
        elif check.correction is not None:
            grades += _grade(sample, sample.response_of(known.response_id))
    return sample.evolve(grades=tuple(grades))


def _grade(sample: Sample, response: Response) -> Iterator[Grade]:
    asked = sample.checked(sample.instruction_of(response.instruction_id))
    if asked is not None and asked.grader is not None:
        result = grade(asked.grader, response.text, asked.reference_answer)
        yield Grade(response_id=response.id, grader=asked.grader.type, score=result.score, reason=result.reason)


async def _scored(admission: Admission, sample: Sample, edit: Response) -> tuple[list[StudentScore], bool]:
    pair = (admission.student, sample.instruction_of(edit.instruction_id), edit)
    forward, reverse = await asyncio.gather(
        score_pair(*pair, "forward", threshold=admission.threshold),
        score_pair(*pair, "reverse", threshold=admission.reverse_threshold),
    )
    bounds = {admission.metric: admission.threshold, "r_ifd_ppl": admission.reverse_threshold}
    scores = [*forward, *reverse]
    within = all(s.value is not None and s.value < bounds[s.metric] for s in scores if s.metric in bounds)
    return scores, within
