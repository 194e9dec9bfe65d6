"""What is decided where several people answer."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from preflect.review.policy import Decision, Vote, decide, gold_weights
from preflect.schemas import ReviewStage

MAJORITY, WEIGHTED = ReviewStage(), ReviewStage(policy="weighted")
EXPERT = ReviewStage(policy="expert", experts=("eve",))

votes = st.lists(
    st.builds(Vote, st.sampled_from(["ann", "bob", "eve"]), st.sampled_from(["x", "y", "tie", "both_bad"]))
)


def said(**by_reviewer: str) -> list[Vote]:
    return [Vote(reviewer, value) for reviewer, value in by_reviewer.items()]


def test_the_most_decide() -> None:
    assert decide(said(ann="x", bob="x", eve="y"), MAJORITY, {}) == Decision("x", 2 / 3)


def test_as_many_for_one_as_for_the_other_is_no_decision() -> None:
    assert decide(said(ann="x", bob="y"), MAJORITY, {}) is None
    assert decide([], MAJORITY, {}) is None


def test_an_expert_outweighs_any_number_of_others_and_is_silent_where_it_said_nothing() -> None:
    assert decide(said(ann="x", bob="x", eve="y"), EXPERT, {}) == Decision("y", 1.0)
    assert decide(said(ann="x", bob="x"), EXPERT, {}) == Decision("x", 1.0)


def test_an_adjudicator_stands_alone_whatever_the_policy() -> None:
    for options in (MAJORITY, EXPERT, WEIGHTED):
        found = decide([*said(ann="x", bob="x", eve="x"), Vote("kim", "y", adjudicates=True)], options, {})
        assert found == Decision("y", 1.0)


def test_two_who_are_mostly_wrong_on_gold_weigh_less_than_one_who_is_right() -> None:
    weights = gold_weights({"ann": [True] * 8, "bob": [False] * 8, "eve": [False] * 8})
    assert weights == {"ann": Fraction(9, 10), "bob": Fraction(1, 10), "eve": Fraction(1, 10)}
    assert decide(said(ann="x", bob="y", eve="y"), WEIGHTED, weights) == Decision("x", 9 / 11)


def test_who_saw_no_gold_weighs_one_half() -> None:
    assert decide(said(ann="x", bob="y"), WEIGHTED, {"ann": Fraction(3, 5)}) == Decision("x", 6 / 11)


@given(votes, st.randoms(use_true_random=False))
def test_the_order_of_the_votes_means_nothing(given_: list[Vote], rng: object) -> None:
    shuffled = [*given_]
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    for options in (MAJORITY, EXPERT):
        assert decide(given_, options, {}) == decide(shuffled, options, {})


@given(votes)
def test_the_majority_treats_both_responses_alike(given_: list[Vote]) -> None:
    swapped = {"x": "y", "y": "x"}
    other = [Vote(vote.reviewer, swapped.get(vote.value, vote.value)) for vote in given_]
    one, two = decide(given_, MAJORITY, {}), decide(other, MAJORITY, {})
    assert (one and swapped.get(one.value, one.value)) == (two and two.value)


@given(st.dictionaries(st.text(), st.lists(st.booleans())))
def test_weights_lie_between_0_and_1_and_grow_with_right_answers(on_gold: dict[str, list[bool]]) -> None:
    weights = gold_weights(on_gold)
    assert all(0 < weight < 1 for weight in weights.values())
    better = gold_weights({reviewer: [*right, True] for reviewer, right in on_gold.items()})
    assert all(better[reviewer] > weights[reviewer] for reviewer in weights)
