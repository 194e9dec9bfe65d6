import random
from collections.abc import Sequence
from typing import Literal

import pytest

from preflect.schemas import (
    Grade,
    Instruction,
    Message,
    Pair,
    Provenance,
    Rating,
    Rejection,
    Response,
    Sample,
    Selection,
    StudentScore,
    Verdict,
)
from preflect.schemas.stages import Strategy
from preflect.stages.pair import Pair as PairStage
from preflect.stages.pair import choose_pair

from .reviewed import a_score

MADE = Provenance(model="m", prompt_version="p@1", call_id="c")
ASKED = Instruction(messages=(Message(role="user", content="Name a river."),))
A, B, C, D = (Response(instruction_id=ASKED.id, text=text) for text in ("alpha", "beta", "gamma", "delta"))


def rated(response: Response, *scores: int, judge: str = "judge", aspects: Sequence[str] = "wxyz") -> list[Rating]:
    return [
        Rating(response_id=response.id, aspect=aspect, score=score, rationale="", judge=judge, provenance=MADE)
        for aspect, score in zip(aspects, scores, strict=False)
    ]


def verdict(
    better: Response, worse: Response, source: Literal["judge", "grader", "human"] = "human", *, tie: bool = False
) -> Verdict:
    return Verdict(better_id=better.id, worse_id=worse.id, source=source, tie=tie)


def graded(scores: Sequence[tuple[Response, float | None]]) -> tuple[Grade, ...]:
    return tuple(Grade(response_id=r.id, grader="number", score=score) for r, score in scores)


def r_ifd(response: Response, value: float | None) -> StudentScore:
    return a_score(ASKED, response, "r_ifd_ppl", value)


def sample_of(
    *responses: Response,
    ratings: Sequence[Sequence[Rating]] = (),
    grades: Sequence[tuple[Response, float | None]] = (),
    verdicts: Sequence[Verdict] = (),
    scores: Sequence[StudentScore] = (),
) -> Sample:
    return Sample(
        id=ASKED.id,
        index=0,
        instructions=(ASKED,),
        responses=responses,
        ratings=tuple(rating for group in ratings for rating in group),
        grades=graded(grades),
        verdicts=tuple(verdicts),
        scores=tuple(scores),
    )


def choose(sample: Sample, strategy: Strategy = "best_worst", min_margin: float = 0.0) -> Pair | Rejection:
    return choose_pair(sample, strategy, min_margin, random.Random(1))


def chosen(sample: Sample, strategy: Strategy = "best_worst", min_margin: float = 0.0) -> tuple[str, str, str, float]:
    pair = choose(sample, strategy, min_margin)
    assert isinstance(pair, Pair), pair
    names = {response.id: response.text for response in sample.responses}
    return names[pair.chosen_id], names[pair.rejected_id], pair.basis, pair.margin


def reason(sample: Sample, strategy: Strategy = "best_worst", min_margin: float = 0.0) -> str:
    rejection = choose(sample, strategy, min_margin)
    assert isinstance(rejection, Rejection), rejection
    assert (rejection.sample_id, rejection.stage, rejection.cause) == (sample.id, "pair", "filter")
    assert rejection.detail
    return rejection.reason


def test_the_best_rated_is_chosen_over_the_worst_and_the_margin_is_the_difference_of_the_means() -> None:
    sample = sample_of(A, B, C, ratings=[rated(A, 4, 4, 3, 4), rated(B, 5, 4, 5, 4), rated(C, 2, 3, 2, 2)])
    assert chosen(sample) == ("beta", "gamma", "rating", 2.25)


def test_only_aspects_rated_for_both_count() -> None:
    sample = sample_of(A, B, ratings=[rated(A, 3, 5, 5, 5), rated(B, 4)])
    assert chosen(sample) == ("beta", "alpha", "rating", 1.0)


def test_two_judges_who_saw_one_answer_each_compare_nothing() -> None:
    sample = sample_of(A, B, ratings=[rated(A, 5, judge="one"), rated(B, 1, judge="two")])
    assert reason(sample) == "no_pair"


def test_equal_ratings_are_a_tie_and_no_pair() -> None:
    assert reason(sample_of(A, B, ratings=[rated(A, 4, 2), rated(B, 3, 3)])) == "tie"


def test_a_margin_below_the_minimum_is_no_pair() -> None:
    sample = sample_of(A, B, ratings=[rated(A, 4, 4), rated(B, 4, 3)])
    assert chosen(sample, min_margin=0.5)[3] == 0.5
    assert reason(sample, min_margin=0.51) == "margin_below"


def test_a_right_answer_beats_a_wrong_one_whatever_the_rating() -> None:
    sample = sample_of(A, B, ratings=[rated(A, 5, 5), rated(B, 1, 1)], grades=[(A, 0.0), (B, 1.0)])
    assert chosen(sample) == ("beta", "alpha", "grade", 1.0)


def test_ratings_order_answers_of_the_same_grade() -> None:
    ratings = [rated(A, 3), rated(B, 4), rated(C, 5), rated(D, 2)]
    sample = sample_of(A, B, C, D, ratings=ratings, grades=[(A, 1.0), (B, 1.0), (C, 0.0), (D, 0.0)])
    assert chosen(sample) == ("beta", "delta", "grade", 1.0)
    assert chosen(sample_of(A, B, ratings=ratings, grades=[(A, 1.0), (B, 1.0)])) == ("beta", "alpha", "rating", 1.0)


def test_the_margin_of_grades_is_the_difference_of_the_shares() -> None:
    sample = sample_of(A, B, grades=[(A, 1.0), (B, 0.9)])
    assert chosen(sample, min_margin=0.1) == ("alpha", "beta", "grade", 0.1)
    assert reason(sample, min_margin=0.11) == "margin_below"


@pytest.mark.parametrize("worse", [0.0, 0.5])
def test_an_answer_known_to_be_wrong_is_never_chosen(worse: float) -> None:
    sample = sample_of(A, B, ratings=[rated(A, 5), rated(B, 1)], grades=[(A, 0.75), (B, worse)])
    assert reason(sample) == "no_correct"
    assert reason(sample, "best_random") == "no_correct"
    assert reason(sample, "correct_incorrect") == "no_correct"


def test_opinion_puts_no_wrong_answer_above_an_ungraded_one_and_none_of_those_above_a_right_one() -> None:
    ratings = [rated(A, 5), rated(B, 3), rated(C, 4)]
    assert reason(sample_of(A, B, ratings=ratings, grades=[(A, 0.0), (B, None)])) == "no_pair"
    assert reason(sample_of(A, B, ratings=ratings, grades=[(A, None), (B, 1.0)])) == "no_pair"
    assert chosen(sample_of(A, B, ratings=ratings, grades=[(A, None), (B, 0.0)])) == ("alpha", "beta", "rating", 2.0)
    assert chosen(sample_of(A, B, ratings=ratings, grades=[(A, 1.0), (B, None)])) == ("alpha", "beta", "rating", 2.0)


def test_a_verdict_outranks_ratings_and_has_no_margin_to_fall_below() -> None:
    sample = sample_of(A, B, ratings=[rated(A, 5), rated(B, 1)], verdicts=[verdict(B, A, "judge")])
    assert chosen(sample, min_margin=3.0) == ("beta", "alpha", "verdict", 1.0)


def test_the_margin_of_verdicts_is_their_mean_confidence() -> None:
    votes = [verdict(A, B).evolve(confidence=confidence) for confidence in (0.5, 1.0)]
    assert chosen(sample_of(A, B, verdicts=votes)) == ("alpha", "beta", "verdict", 0.75)


def test_a_persons_verdict_outranks_a_grader_and_a_grader_outranks_a_judge() -> None:
    grades = [(A, 1.0), (B, 0.0)]
    assert chosen(sample_of(A, B, grades=grades, verdicts=[verdict(B, A)])) == ("beta", "alpha", "verdict", 1.0)
    assert chosen(sample_of(A, B, grades=grades, verdicts=[verdict(B, A, "judge")])) == ("alpha", "beta", "grade", 1.0)
    both = [verdict(A, B, "judge"), verdict(B, A, "grader")]
    assert chosen(sample_of(A, B, verdicts=both)) == ("beta", "alpha", "verdict", 1.0)


def test_a_person_who_prefers_one_of_two_wrong_answers_makes_it_no_better_than_wrong() -> None:
    assert reason(sample_of(A, B, grades=[(A, 0.0), (B, 0.0)], verdicts=[verdict(A, B)])) == "no_correct"


def test_the_majority_of_verdicts_counts_and_a_tied_vote_settles_that_neither_is_better() -> None:
    ratings = [rated(A, 5), rated(B, 1)]
    most = [verdict(B, A), verdict(A, B), verdict(B, A)]
    assert chosen(sample_of(A, B, ratings=ratings, verdicts=most))[:2] == ("beta", "alpha")
    assert reason(sample_of(A, B, ratings=ratings, verdicts=most[:2])) == "tie"
    assert reason(sample_of(A, B, ratings=ratings, verdicts=[verdict(A, B, tie=True)])) == "tie"


def test_verdicts_in_a_circle_are_a_tie() -> None:
    circle = [verdict(A, B), verdict(B, C), verdict(C, A)]
    assert reason(sample_of(A, B, C, ratings=[rated(A, 5), rated(B, 3), rated(C, 1)], verdicts=circle)) == "tie"


def test_a_circle_hides_nothing_of_what_stands_outside_it() -> None:
    circle = [verdict(A, B), verdict(B, C), verdict(C, A), verdict(A, D)]
    assert chosen(sample_of(A, B, C, D, verdicts=circle))[:3] == ("alpha", "delta", "verdict")


def test_a_rating_that_contradicts_a_chain_of_verdicts_does_not_count() -> None:
    chain = [verdict(A, B), verdict(B, C)]
    better, worse, basis, _ = chosen(sample_of(A, B, C, ratings=[rated(A, 1), rated(C, 5)], verdicts=chain))
    assert (better, worse, basis) == ("alpha", "beta", "verdict")


@pytest.mark.parametrize("text", ["alpha", "  Alpha\n", ""])
def test_texts_that_are_the_same_or_blank_never_pair(text: str) -> None:
    twin = Response(instruction_id=ASKED.id, text=text, index=1)
    assert reason(sample_of(A, twin, ratings=[rated(A, 5), rated(twin, 1)])) == "no_pair"


def test_one_response_is_no_pair_and_two_without_evidence_are_none() -> None:
    assert reason(sample_of(A)) == "no_pair"
    assert reason(sample_of(A, B)) == "no_pair"


def test_only_responses_to_the_instruction_that_goes_on_compete() -> None:
    rewritten = Instruction(
        messages=(Message(role="user", content="Name two."),), origin="rewrite", parents=(ASKED.id,)
    )
    new = Response(instruction_id=rewritten.id, text="epsilon", origin="rewrite", parents=(A.id,))
    other = Response(instruction_id=rewritten.id, text="zeta", origin="rewrite", parents=(new.id,))
    ratings = [rated(A, 5), rated(B, 1), rated(new, 3), rated(other, 4)]
    sample = sample_of(A, B, new, other, ratings=ratings).evolve(
        instructions=(ASKED, rewritten),
        selections=(
            Selection(
                stage="select_instruction",
                instruction_id=rewritten.id,
                response_id=new.id,
                rewrite_won=True,
                reason="",
            ),
        ),
    )
    assert chosen(sample) == ("zeta", "epsilon", "rating", 1.0)
    assert chosen(sample, "rewrite_vs_draft") == ("zeta", "epsilon", "rating", 1.0)


def test_best_random_draws_the_rejected_from_all_that_the_best_beats() -> None:
    sample = sample_of(A, B, C, D, ratings=[rated(A, 5), rated(B, 3), rated(C, 2), rated(D, 5)])
    pairs = [choose_pair(sample, "best_random", 0.0, random.Random(seed)) for seed in range(40)]
    drawn = {(pair.chosen_id, pair.rejected_id) for pair in pairs if isinstance(pair, Pair)}
    assert len(drawn) == 2
    assert {rejected for _, rejected in drawn} == {B.id, C.id}


def test_correct_incorrect_needs_one_of_each() -> None:
    ratings = [rated(A, 5), rated(B, 3), rated(C, 1)]
    mixed = sample_of(A, B, C, ratings=ratings, grades=[(A, 0.0), (B, 1.0), (C, 0.5)])
    assert chosen(mixed, "correct_incorrect") == ("beta", "alpha", "grade", 1.0)
    assert reason(sample_of(A, B, ratings=ratings), "correct_incorrect") == "no_grade"
    assert reason(sample_of(A, B, grades=[(A, None)]), "correct_incorrect") == "no_grade"
    assert reason(sample_of(A, B, grades=[(A, 1.0), (B, 1.0)]), "correct_incorrect") == "no_incorrect"
    assert reason(sample_of(A, B, grades=[(A, 0.0), (B, 0.0)]), "correct_incorrect") == "no_correct"


REWRITE = Response(instruction_id=ASKED.id, text="alpha and more", origin="rewrite", parents=(A.id,))


def test_a_rewrite_competes_with_its_own_draft_alone() -> None:
    ratings = [rated(A, 3), rated(B, 1), rated(REWRITE, 4)]
    assert chosen(sample_of(A, B, REWRITE, ratings=ratings), "rewrite_vs_draft") == (
        "alpha and more",
        "alpha",
        "rating",
        1.0,
    )
    assert reason(sample_of(A, B, ratings=ratings[:2]), "rewrite_vs_draft") == "no_pair"


def test_a_draft_that_is_better_than_its_rewrite_is_chosen() -> None:
    sample = sample_of(A, REWRITE, grades=[(A, 1.0), (REWRITE, 0.0)], scores=[r_ifd(A, 0.9), r_ifd(REWRITE, 0.2)])
    assert chosen(sample, "rewrite_vs_draft") == ("alpha", "alpha and more", "grade", 1.0)


def test_the_student_decides_between_rewrite_and_draft_only_where_nothing_else_does() -> None:
    scores = [r_ifd(A, 0.9), r_ifd(REWRITE, 0.65)]
    assert chosen(sample_of(A, REWRITE, scores=scores), "rewrite_vs_draft") == (
        "alpha and more",
        "alpha",
        "student",
        0.25,
    )
    both_right = sample_of(A, REWRITE, scores=scores, grades=[(A, 1.0), (REWRITE, 1.0)])
    assert chosen(both_right, "rewrite_vs_draft")[2] == "student"
    assert reason(both_right, "rewrite_vs_draft", min_margin=0.3) == "margin_below"
    assert reason(both_right) == "tie"
    unscorable = sample_of(A, REWRITE, scores=[r_ifd(A, 0.9), r_ifd(REWRITE, None)])
    assert reason(unscorable, "rewrite_vs_draft") == "no_pair"


async def test_the_stage_appends_its_pair_and_rejects_under_its_own_name() -> None:
    sample = sample_of(A, B, ratings=[rated(A, 5), rated(B, 3)])
    once = await PairStage(strategy="best_worst", min_margin=1.0).run(sample)
    assert isinstance(once, Sample)
    twice = await PairStage(strategy="best_random", min_margin=1.0).run(once)
    assert isinstance(twice, Sample)
    assert [(pair.strategy, pair.chosen_id) for pair in twice.pairs] == [("best_worst", A.id), ("best_random", A.id)]
    unpaired = await PairStage(min_margin=2.5, name="pair-2").run(sample)
    (rejected,) = unpaired.rejections
    assert unpaired.pairs == ()
    assert (rejected.stage, rejected.reason) == ("pair-2", "margin_below")
