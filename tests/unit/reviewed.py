"""Samples that people could be asked about, for the tests of review."""

from __future__ import annotations

from collections.abc import Sequence

from preflect.schemas import (
    Comparison,
    Grade,
    Instruction,
    Message,
    Pair,
    Provenance,
    Rating,
    Response,
    Sample,
    StudentScore,
)
from preflect.scoring import ScoreMetric

MADE = Provenance(model="secret-model", prompt_version="p@1", call_id="c")


def a_sample(
    number: int = 0,
    *,
    texts: Sequence[str] = ("alpha", "beta"),
    ratings: Sequence[int | None] = (),
    grades: Sequence[float | None] = (),
    ifd: Sequence[float | None] = (),
    paired: bool = True,
    **fields: object,
) -> Sample:
    """A sample whose first response is chosen over its second, with these ratings, grades and IFDs of each."""
    asked = Instruction(messages=(Message(role="user", content=f"Question {number}?"),))
    responses = tuple(
        Response(instruction_id=asked.id, text=f"{text} {number}", index=place, provenance=MADE)
        for place, text in enumerate(texts)
    )
    pair = Pair(
        instruction_id=asked.id,
        chosen_id=responses[0].id,
        rejected_id=responses[-1].id,
        strategy="best_worst",
        basis="rating",
        margin=1.0,
    )
    made = Sample(
        id=asked.id,
        index=number,
        instructions=(asked,),
        responses=responses,
        pairs=(pair,) if paired else (),
        ratings=tuple(
            rating
            for r, score in zip(responses, ratings, strict=False)
            if score is not None
            for rating in (a_rating(r.id, score),)
        ),
        grades=tuple(
            Grade(response_id=r.id, grader="number", score=s) for r, s in zip(responses, grades, strict=False)
        ),
        scores=tuple(a_score(asked, r, "ifd_ppl", value) for r, value in zip(responses, ifd, strict=False)),
    )
    return made.evolve(**fields)


def a_rating(response_id: str, score: int, judge: str = "judge", aspect: str = "helpfulness") -> Rating:
    return Rating(response_id=response_id, aspect=aspect, score=score, rationale="", judge=judge, provenance=MADE)


def a_comparison(first: str, second: str, preferred: str, judge: str = "judge") -> Comparison:
    return Comparison.model_validate(
        {
            "first_id": first,
            "second_id": second,
            "preferred": preferred,
            "rationale": "",
            "judge": judge,
            "provenance": MADE,
        }
    )


def a_score(asked: Instruction, response: Response, metric: ScoreMetric, value: float | None) -> StudentScore:
    return StudentScore(
        student="s",
        revision="1",
        template="gpt2",
        metric=metric,
        instruction_id=asked.id,
        response_id=response.id,
        value=value,
        conditioned_tokens=9,
        unconditioned_tokens=9,
    )


def ids(sample: Sample) -> tuple[str, str]:
    """The ids of its first and its last response."""
    return sample.responses[0].id, sample.responses[-1].id
