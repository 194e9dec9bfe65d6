"""What people's answers make of a sample."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from preflect.adapters.ppm import PpmScorer
from preflect.errors import AwaitingReviewError
from preflect.export.rows import Unfit, dpo_rows, rft_row, sft_row
from preflect.review.answered import Answered, unblinded
from preflect.review.subject import LABELS
from preflect.review.take_back import Admission, TakeBack, check_enough
from preflect.schemas import (
    Instruction,
    Message,
    NumberGrader,
    PpmStudent,
    ReviewAnswer,
    ReviewQueue,
    ReviewRound,
    ReviewStage,
    ReviewTask,
    RftRow,
    Sample,
    SftRow,
)
from preflect.stages.pair import Pair

from .reviewed import a_sample, ids

Said = dict[str, JsonValue]


def answered(
    sample: Sample,
    said: dict[str, Said],
    *,
    part: str = "random",
    adjudicated: dict[str, Said] | None = None,
    options: ReviewStage | None = None,
    shown: Sequence[str] | None = None,
) -> Answered:
    options = options or ReviewStage()
    task = ReviewTask(
        sample_id=sample.id,
        response_ids=tuple(ids(sample) if shown is None else shown),
        part=part,
        gold_id=ids(sample)[0] if part == "gold" else None,
    )
    rounds = [ReviewRound(kind=options.kind, population=1, tasks=(task,))]
    answers = [ReviewAnswer(sample_id=sample.id, reviewer=who, values=values) for who, values in said.items()]
    if adjudicated is not None:
        rounds.append(ReviewRound(desk="adjudication", kind=options.kind, population=1, tasks=(task,)))
        answers += [
            ReviewAnswer(sample_id=sample.id, reviewer=who, values=values, desk="adjudication")
            for who, values in adjudicated.items()
        ]
    return Answered(ReviewQueue(options=options, rounds=tuple(rounds)), answers)


def told(sample: Sample, said: dict[str, Said], *, admission: Admission | None = None, **how: object) -> Sample:
    stage = TakeBack(answered=answered(sample, said, **how), admission=admission)  # type: ignore[arg-type]
    return asyncio.run(stage.run(sample))


def paired(sample: Sample) -> Sample:
    return asyncio.run(Pair().run(sample.evolve(pairs=())))


def test_people_go_before_the_judge() -> None:
    sample = a_sample(ratings=(5, 1))
    first, second = ids(sample)
    after = paired(told(sample, {"ann": {"better": "b"}}))
    assert (after.pairs[0].chosen_id, after.pairs[0].rejected_id, after.pairs[0].basis) == (second, first, "verdict")
    assert [row.chosen[0].content for row in dpo_rows(after)] == ["beta 0"]


def test_a_tie_by_people_is_no_pair_whatever_the_judge_says() -> None:
    after = paired(told(a_sample(ratings=(5, 1)), {"ann": {"better": "tie"}}))
    assert after.pairs == ()
    assert after.rejections[-1].reason == "tie"


def test_what_people_find_bad_is_neither_paired_nor_trained_on() -> None:
    after = paired(told(a_sample(ratings=(5, 1)), {"ann": {"better": "both_bad"}}))
    assert after.pairs == ()
    assert isinstance(row := sft_row(after), Unfit)
    assert row.reason == "judged_bad"


def test_a_third_response_may_be_chosen_over_two_bad_ones() -> None:
    sample = a_sample(texts=("alpha", "gamma", "beta"), ratings=(5, 4, 1))
    after = paired(told(sample, {"ann": {"better": "both_bad"}}))
    assert (after.pairs[0].chosen_id, after.pairs[0].rejected_id) == (sample.responses[1].id, sample.responses[2].id)


def test_two_who_differ_decide_nothing_until_somebody_adjudicates() -> None:
    sample = a_sample()
    said: dict[str, Said] = {"ann": {"better": "a"}, "bob": {"better": "b"}}
    assert told(sample, said).verdicts == ()
    assert [task.sample_id for task in answered(sample, said).open_cases()] == [sample.id]
    after = told(sample, said, adjudicated={"kim": {"better": "b"}})
    assert after.verdicts[0].better_id == ids(sample)[1]
    assert [review.expert for review in after.reviews if review.question == "better"] == [False, False, True]
    assert [*answered(sample, said, adjudicated={"kim": {"better": "b"}}).open_cases()] == []


def test_an_edit_becomes_a_response_of_a_person_that_is_better_than_what_it_improves() -> None:
    sample = a_sample()
    after = paired(told(sample, {"ann": {"better": "a", "improved": "  a better alpha "}}))
    edit = after.responses[-1]
    assert (edit.text, edit.origin, edit.parents) == ("a better alpha", "human", (ids(sample)[0],))
    assert after.pairs[0].chosen_id == edit.id
    assert isinstance(row := sft_row(after), SftRow)
    assert row.messages[-1].content == "a better alpha"


def test_the_same_edit_by_two_people_is_one_response() -> None:
    said: dict[str, Said] = {who: {"better": "a", "improved": "Better."} for who in ("ann", "bob")}
    assert len(told(a_sample(), said).responses) == 3


def test_an_edit_that_repeats_a_response_is_none() -> None:
    assert len(told(a_sample(), {"ann": {"better": "a", "improved": "ALPHA 0"}}).responses) == 2


def graded(text: str) -> Sample:
    asked = Instruction(
        messages=(Message(role="user", content="What is 2 + 2?"),), reference_answer="4", grader=NumberGrader()
    )
    sample = a_sample(grades=(1.0, 0.0))
    responses = tuple(r.evolve(instruction_id=asked.id, text=text) for r, text in zip(sample.responses, ("4", "5")))  # noqa: B905
    grades = tuple(g.evolve(response_id=r.id) for g, r in zip(sample.grades, responses, strict=True))
    sample = sample.evolve(id=asked.id, instructions=(asked,), responses=responses, grades=grades, pairs=())
    return told(sample, {"ann": {"better": "a", "improved": text}})


def test_an_edit_that_its_grader_fails_is_left_out_with_the_reason() -> None:
    wrong, right = graded("It is 6."), graded("It is 4.")
    assert [response.origin for response in wrong.responses] == ["draft", "draft"]
    assert [rejection.reason for rejection in wrong.rejections] == ["known_wrong"]
    assert [(response.origin, right.grades[-1].score) for response in right.responses[2:]] == [("human", 1.0)]


@pytest.mark.parametrize(("threshold", "admitted"), [(9.0, 1), (0.01, 0)])
def test_an_edit_is_scored_and_admitted_as_a_rewrite_is(threshold: float, admitted: int) -> None:
    student = PpmScorer(PpmStudent())
    admission = Admission(student=student, metric="ifd_ppl", threshold=threshold, reverse_threshold=threshold)
    sample = a_sample()
    after = told(sample, {"ann": {"better": "a", "improved": "An answer to question 0."}}, admission=admission)
    assert len(after.responses) == 2 + admitted
    assert {score.metric for score in after.scores} == ({"ifd_ppl", "ifd_loss", "r_ifd_ppl"} if admitted else set())
    assert [rejection.reason for rejection in after.rejections] == ([] if admitted else ["not_admitted"])


def test_gold_watches_people_and_decides_nothing() -> None:
    sample = a_sample(grades=(1.0, 0.0))
    said: dict[str, Said] = {"ann": {"better": "b"}, "bob": {"better": "a"}}
    assert told(sample, said, part="gold").verdicts == ()
    assert answered(sample, said, part="gold").on_gold == {"ann": [False], "bob": [True]}


def test_gold_that_waits_for_an_expert_keeps_its_pair_until_it_has_spoken() -> None:
    sample = a_sample(grades=(1.0, 0.0))
    said: dict[str, Said] = {"ann": {"better": "tie"}, "bob": {"better": "tie"}}
    waiting = paired(told(sample, said, part="gold", adjudicated={}))
    assert (waiting.verdicts, len(waiting.pairs)) == ((), 1)
    after = paired(told(sample, said, part="gold", adjudicated={"kim": {"better": "b"}}))
    assert after.pairs[0].chosen_id == ids(sample)[1]


@given(st.permutations([0, 1]), st.sampled_from(["a", "b", "tie", "both_bad"]), st.integers(1, 5))
def test_taking_an_answer_back_undoes_the_blinding(order: list[int], better: str, rating: int) -> None:
    sample = a_sample()
    shown = [ids(sample)[place] for place in order]
    task = ReviewTask(sample_id=sample.id, response_ids=tuple(shown), part="random")
    values: Said = {"better": better, "rating_a": rating, "problems_b": ["wrong"], "note": "?"}
    reviews = [*unblinded(task, ReviewAnswer(sample_id=sample.id, reviewer="ann", values=values))]
    found = {review.question: review for review in reviews}
    by_label: dict[str, str] = dict(zip(LABELS, shown, strict=True))
    assert found["better"].value == by_label.get(better, better)
    assert found["rating"].response_ids == (shown[0],)
    assert found["problems"].response_ids == (shown[1],)
    assert found["note"].response_ids == tuple(shown)
    # Seen again in the order shown, it says what the person said.
    back = {response_id: label for label, response_id in by_label.items()}
    assert back.get(str(found["better"].value), found["better"].value) == better


def test_a_response_rated_low_is_not_trained_on() -> None:
    sample, options = a_sample(paired=False), ReviewStage(kind="sft", gold=0)
    only = ids(sample)[:1]
    low = told(sample, {"ann": {"rating_a": 2}, "bob": {"rating_a": 3}}, options=options, shown=only)
    assert isinstance(row := sft_row(low), Unfit)
    assert row.reason == "judged_bad"
    high = told(sample, {"ann": {"rating_a": 3}, "bob": {"rating_a": 3}}, options=options, shown=only)
    assert isinstance(row := sft_row(high), SftRow)
    assert row.messages[-1].content == "alpha 0"


def test_an_experts_rating_stands_alone() -> None:
    sample, options = a_sample(paired=False), ReviewStage(kind="sft", gold=0, policy="expert", experts=("eve",))
    said: dict[str, Said] = {"ann": {"rating_a": 5}, "bob": {"rating_a": 5}}
    only = ids(sample)[:1]
    assert told(sample, said, options=options, shown=only).verdicts == ()
    said["eve"] = {"rating_a": 1}
    [verdict] = told(sample, said, options=options, shown=only).verdicts
    assert verdict.unusable


def referenced() -> Sample:
    asked = Instruction(
        messages=(Message(role="user", content="What is 2 + 3?"),),
        reference_answer="4",
        grader=NumberGrader(reference="4"),
    )
    sample = a_sample(grades=(1.0, 0.0))
    responses = tuple(
        r.evolve(instruction_id=asked.id, text=t) for r, t in zip(sample.responses, ("4", "5"), strict=True)
    )
    grades = tuple(g.evolve(response_id=r.id) for g, r in zip(sample.grades, responses, strict=True))
    return sample.evolve(id=asked.id, instructions=(asked,), responses=responses, grades=grades, pairs=())


RFT = ReviewStage(kind="rft", gold=0)


def test_a_reference_answer_that_people_correct_grades_the_responses_anew() -> None:
    after = told(referenced(), {"ann": {"correct": "no", "reference": " 5 "}}, options=RFT, shown=())
    assert isinstance(row := rft_row(after), RftRow)
    assert (row.reference_answer, row.grader) == ("5", NumberGrader())
    assert [grade.score for grade in after.grades] == [0.0, 1.0]


def correction(
    said: dict[str, Said], options: ReviewStage = RFT, adjudicated: dict[str, Said] | None = None
) -> str | None:
    after = told(referenced(), said, shown=(), options=options, adjudicated=adjudicated)
    [check] = after.reference_checks
    assert not check.right
    return check.correction


def test_what_is_written_in_its_place_is_what_most_write_of_those_who_decide() -> None:
    no42: Said = {"correct": "no", "reference": "42"}
    no43: Said = {"correct": "no", "reference": "43"}
    yes: Said = {"correct": "yes", "reference": "4"}
    assert correction({"ann": no42, "bob": no42, "cid": no43}) == "42"
    assert correction({"ann": no42, "bob": no43}) is None
    assert correction({"ann": no42, "bob": {"correct": "no"}, "cid": yes}) == "42"
    expert = RFT.evolve(policy="expert", experts=("eve",))
    assert correction({"ann": no42, "bob": no42, "eve": no43}, options=expert) == "43"
    assert correction({"ann": no42, "bob": no42, "eve": {"correct": "no"}}, options=expert) is None


def test_an_adjudicators_correction_stands_alone_whatever_it_wrote_before() -> None:
    said: dict[str, Said] = {"ann": {"correct": "no", "reference": "42"}, "kim": {"correct": "yes"}}
    assert correction(said, adjudicated={"kim": {"correct": "no", "reference": "43"}}) == "43"
    said["kim"] = {"correct": "no", "reference": "44"}
    assert correction(said, adjudicated={"kim": {"correct": "no"}}) is None


def test_a_reference_answer_that_people_refute_leaves_no_prompt_to_train_on() -> None:
    after = told(referenced(), {"ann": {"correct": "no"}}, options=RFT, shown=())
    assert isinstance(row := rft_row(after), Unfit)
    assert row.reason == "reference_refuted"
    assert after.grades == ()


def test_a_reference_answer_that_people_confirm_stays() -> None:
    after = told(referenced(), {"ann": {"correct": "yes"}}, options=RFT, shown=())
    assert isinstance(row := rft_row(after), RftRow)
    assert row.reference_answer == "4"
    assert told(referenced(), {"ann": {"correct": "unsure"}}, options=RFT, shown=()).reference_checks == ()


def test_the_run_waits_until_enough_samples_have_all_their_answers() -> None:
    options = ReviewStage(overlap=2)
    with pytest.raises(AwaitingReviewError, match="0 of 1 samples have 2 answers"):
        check_enough(answered(a_sample(), {"ann": {"better": "a"}}, options=options))
    check_enough(answered(a_sample(), {"ann": {"better": "a"}, "bob": {"better": "a"}}, options=options))
    with pytest.raises(AwaitingReviewError, match="nobody was asked yet"):
        check_enough(Answered(ReviewQueue(options=options), []))


def test_an_adjudicator_does_not_stand_in_for_a_missing_reviewer() -> None:
    options = ReviewStage(overlap=2)
    found = answered(a_sample(), {"ann": {"better": "a"}}, adjudicated={"kim": {"better": "b"}}, options=options)
    assert found.full() == 0
