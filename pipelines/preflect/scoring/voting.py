"""Several students asked the same: the first one decides, and what the others say is kept beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from preflect.ports import Student
from preflect.schemas import Opinion, Sample, StudentScore

Question = Literal["rewrite", "admission", "filter"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Voter:
    """A student that a stage asks, and what its scores must be below for a pair to be admitted."""

    name: str
    """In the recipe."""
    student: Student
    threshold: float = 1.0
    reverse_threshold: float | None = None
    """Where r_ifd_ppl has one of its own."""

    def says(self, stage: str, question: Question, *, yes: bool) -> Opinion:
        """Its answer, as it is kept in the sample."""
        return Opinion(
            stage=stage,
            question=question,
            model=self.name,
            student=self.student.name,
            revision=self.student.revision,
            template=self.student.template,
            yes=yes,
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What one student says to a question, in words too, and the scores that it goes by."""

    yes: bool
    words: str
    scores: Sequence[StudentScore]


async def answer_of_first(
    sample: Sample,
    stage: str,
    question: Question,
    voters: Sequence[Voter],
    ask: Callable[[Voter], Awaitable[Answer]],
) -> tuple[Sample, Answer]:
    """The sample with all scores and, of several voters, what each says; and the answer of the first one."""
    answers = await asyncio.gather(*map(ask, voters))
    # The first one's scores last: what comes later goes by the newest.
    scores = [score for answer in reversed(answers) for score in answer.scores]
    says = [voter.says(stage, question, yes=answer.yes) for voter, answer in zip(voters, answers, strict=True)]
    return with_new_scores(with_opinions(sample, says), *scores), answers[0]


def with_opinions(sample: Sample, opinions: Sequence[Opinion]) -> Sample:
    """The sample with what several students say to one question; one alone says nothing that the stage doesn't show."""
    return sample.evolve(opinions=(*sample.opinions, *opinions)) if len(opinions) > 1 else sample


def with_new_scores(sample: Sample, *scores: StudentScore) -> Sample:
    """The sample with these scores; one that was computed anew, exactly, takes the place of the one before."""
    by_what = {_what(score): score for score in (*sample.scores, *scores)}
    return sample.evolve(scores=tuple(by_what.values()))


def _what(score: StudentScore) -> tuple[str, ...]:
    made_by = (score.student, score.revision, score.template, score.metric)
    return (*made_by, score.instruction_id, score.response_id)
