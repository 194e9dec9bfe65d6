"""Which samples people are asked about, and what they see of them."""

from __future__ import annotations

from collections import Counter
from itertools import permutations
from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue, ValidationError

from preflect.errors import InputError
from preflect.recipes.review_options import options_with
from preflect.review.form import contradicts_itself, faults_of, form_of, item_of
from preflect.review.queue import FILL, GOLD, RANDOM, candidates, choose_round
from preflect.review.signals import SIGNALS
from preflect.review.subject import blinded
from preflect.schemas import ReviewRound, ReviewStage, ReviewTask, Sample
from preflect.schemas.stages import ReviewKind, Signal

from .reviewed import a_comparison, a_rating, a_sample, ids


def urgency(signal: Signal, sample: Sample) -> float | None:
    return SIGNALS[signal](sample, ids(sample))


def test_a_small_margin_is_more_urgent_than_a_large_one() -> None:
    assert urgency("small_margin", a_sample(ratings=(4, 3))) == -1
    assert urgency("small_margin", a_sample(ratings=(5, 2))) == -3
    assert urgency("small_margin", a_sample()) is None


def test_a_judge_who_prefers_what_the_grader_finds_wrong_is_doubted_by_as_many_points() -> None:
    assert urgency("judge_vs_grader", a_sample(ratings=(2, 5), grades=(1.0, 0.0))) == 3
    assert urgency("judge_vs_grader", a_sample(ratings=(5, 2), grades=(1.0, 0.0))) is None
    assert urgency("judge_vs_grader", a_sample(ratings=(3, 3), grades=(1.0, 0.0))) is None
    assert urgency("judge_vs_grader", a_sample(ratings=(2, 5))) is None


def test_judges_disagree_only_when_they_prefer_different_responses() -> None:
    one = a_sample(ratings=(4, 2))
    first, second = ids(one)
    other = (a_rating(first, 2, "other"), a_rating(second, 5, "other"))
    assert urgency("judges_disagree", one.evolve(ratings=(*one.ratings, *other))) == 5
    agreeing = (a_rating(first, 5, "other"), a_rating(second, 2, "other"))
    assert urgency("judges_disagree", one.evolve(ratings=(*one.ratings, *agreeing))) is None
    assert urgency("judges_disagree", one) is None


def test_a_judge_who_always_prefers_what_it_reads_first_flips_with_the_order() -> None:
    sample = a_sample()
    a, b = ids(sample)
    flipped = (a_comparison(a, b, "first"), a_comparison(b, a, "first"))
    assert urgency("order_flip", sample.evolve(comparisons=flipped)) == 1
    steady = (a_comparison(a, b, "first"), a_comparison(b, a, "second"))
    assert urgency("order_flip", sample.evolve(comparisons=steady)) is None


def test_an_ifd_is_the_more_extreme_the_further_it_is_from_1_on_either_side() -> None:
    assert urgency("ifd_extreme", a_sample(ifd=(0.5, 0.9))) == pytest.approx(log(2))
    assert urgency("ifd_extreme", a_sample(ifd=(2.0, 0.9))) == pytest.approx(log(2))
    assert urgency("ifd_extreme", a_sample(ifd=(None, None))) is None


def chosen_from(samples: list[Sample], options: ReviewStage, seed: int = 1, number: int = 0) -> ReviewRound:
    return choose_round(candidates(samples, options, seed, frozenset()), options, seed, number)


@given(
    count=st.integers(1, 60),
    size=st.integers(1, 70),
    shares=st.tuples(st.floats(0, 0.5), st.floats(0, 0.5)),
    graded=st.integers(0, 60),
    seed=st.integers(0, 5),
)
def test_a_queue_has_no_sample_twice_and_exactly_its_size(
    count: int, size: int, shares: tuple[float, float], graded: int, seed: int
) -> None:
    samples = [a_sample(n, ratings=(5, n % 5 + 1), grades=(1.0, 0.0) if n < graded else ()) for n in range(count)]
    options = ReviewStage(size=size, random=shares[0], gold=shares[1])
    found = chosen_from(samples, options, seed)
    names = [task.sample_id for task in found.tasks]
    total = min(size, count)
    assert len(names) == len({*names}) == total
    assert found.population == count
    parts = Counter(task.part for task in found.tasks)
    assert parts[GOLD] == min(round(total * shares[1]), graded, count)
    assert parts[RANDOM] == min(round(total * shares[0]), total - parts[GOLD])


def test_the_order_in_which_samples_come_means_nothing() -> None:
    samples = [a_sample(n, ratings=(5, n % 5 + 1), ifd=(0.1 * n + 0.1, 0.9)) for n in range(6)]
    options = ReviewStage(size=4)
    assert len({str(chosen_from([*order], options).tasks) for order in [*permutations(samples)][::97]}) == 1


def test_turns_go_to_the_signals_in_proportion() -> None:
    samples = [a_sample(n, ratings=(5, 4), ifd=(0.5, 0.9)) for n in range(40)]
    options = ReviewStage(size=20, random=0, gold=0, signals={"small_margin": 3, "ifd_extreme": 1})
    assert Counter(t.part for t in chosen_from(samples, options).tasks) == {"small_margin": 15, "ifd_extreme": 5}


def test_what_the_signals_leave_open_is_filled_by_lot() -> None:
    samples = [a_sample(n, ratings=(5, 4) if n < 3 else ()) for n in range(20)]
    options = ReviewStage(size=10, random=0.2, gold=0, signals={"small_margin": 1})
    parts = Counter(task.part for task in chosen_from(samples, options).tasks)
    assert parts == {"small_margin": 3, FILL: 5, RANDOM: 2}


def test_every_sample_that_the_signals_leave_has_the_same_chance_of_the_random_part() -> None:
    samples = [a_sample(n, ratings=(5, 5) if n < 5 else (5, 1)) for n in range(15)]
    options = ReviewStage(size=10, random=0.5, gold=0, signals={"small_margin": 1})
    drawn = Counter[str]()
    for seed in range(400):
        drawn.update(t.sample_id for t in chosen_from(samples, options, seed).tasks if t.part == RANDOM)
    assert {*drawn} == {sample.id for sample in samples[5:]}
    assert all(150 < count < 250 for count in drawn.values())


def test_gold_is_what_a_grader_tells_apart() -> None:
    samples = [a_sample(n, grades=(0.0, 1.0) if n == 3 else (1.0, 1.0)) for n in range(10)]
    [task] = [t for t in chosen_from(samples, ReviewStage(size=10, gold=0.5)).tasks if t.part == GOLD]
    assert (task.sample_id, task.gold_id) == (samples[3].id, ids(samples[3])[1])


def test_a_sample_with_one_response_is_nothing_to_compare() -> None:
    lone = a_sample(texts=("alpha",), paired=False)
    alike = a_sample(texts=("alpha", "Alpha"), paired=False)
    assert chosen_from([lone, alike], ReviewStage()).tasks == ()
    assert len(chosen_from([lone], ReviewStage(kind="sft", gold=0)).tasks) == 1


@given(st.text(min_size=1), st.text(min_size=1), st.text(), st.integers(0, 9))
def test_blinding_is_an_order_of_the_two_that_their_roles_do_not_sway(a: str, b: str, sample: str, seed: int) -> None:
    shown = blinded((a, b), sample, seed)
    assert sorted(shown) == sorted((a, b))
    assert shown == blinded((b, a), sample, seed)


def test_either_response_is_shown_first_about_as_often() -> None:
    first = sum(blinded(("x", "y"), f"sample {n}", 3) == ("x", "y") for n in range(400))
    assert 150 < first < 250


def test_reviewers_see_no_model_and_no_judge() -> None:
    sample = a_sample(ratings=(5, 2))
    task = ReviewTask(sample_id=sample.id, response_ids=ids(sample)[::-1], part="random")
    item = item_of(sample, task, ReviewStage())
    assert item.responses == ("beta 0", "alpha 0")
    assert "secret-model" not in str(item)
    assert item.hidden == {"part": "random", "judge": "b", "margin": 3.0}
    assert item.suggested == {}
    assert item_of(sample, task, ReviewStage(show_verdict=True)).suggested == {"better": "b"}


def test_an_answer_that_does_not_fit_the_form_is_told_with_what_would_be_right() -> None:
    form = form_of(ReviewStage(), "q")
    assert [*faults_of(form, {"better": "a", "rating_a": 5, "problems_b": ["wrong"], "note": "x"})] == []
    told = [*faults_of(form, {"better": "c", "rating_a": 6, "problems_a": "wrong", "improved": 3, "extra": 1})]
    assert [line.partition(";")[0] for line in told] == [
        "there is no question 'extra'",
        "'better' is 'c'",
        "'rating_a' is 6",
        "'problems_a' is 'wrong'",
        "'improved' is 3",
    ]
    assert told[1].endswith("; one of a, b, tie, both_bad would be right")
    assert told[2].endswith("; a whole number from 1 to 5 would be right")
    assert [*faults_of(form, {})] == ["'better' is not answered; one of a, b, tie, both_bad would be right"]


def test_a_reference_answer_cannot_be_right_and_have_a_correction() -> None:
    assert contradicts_itself({"correct": "yes", "reference": "43"}, "42")
    for said, reference in (("no", "43"), ("unsure", "43"), ("yes", " 42 "), ("yes", ""), ("yes", None)):
        assert not contradicts_itself({"correct": said, "reference": reference}, "42")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["a", "yes", "wrong", ""]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "x"]), inner, max_size=2),
)


@given(st.sampled_from(["preference", "sft", "rft"]), st.data())
def test_whatever_a_tool_writes_fits_or_is_told_by_its_question(kind: ReviewKind, data: st.DataObject) -> None:
    form = form_of(ReviewStage(kind=kind), "q")
    names = [question.name for question in form.questions]
    values = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(names, JSON)))
    told = {fault.split("'")[1] for fault in faults_of(form, values)}
    assert told <= {*names}
    assert {name for name, value in values.items() if isinstance(value, dict)} <= told


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"better": ["a"]}, "'better' is ['a']; one of a, b, tie, both_bad would be right"),
        ({"better": "a", "problems_a": [{"x": 1}]}, "'problems_a' is [{'x': 1}]; a list of wrong, misses_instruction,"),
    ],
)
def test_a_choice_that_is_no_word_is_told_like_any_other(values: dict[str, JsonValue], fault: str) -> None:
    [told] = faults_of(form_of(ReviewStage(), "q"), values)
    assert told.startswith(fault)


def test_parts_that_are_more_than_the_whole_are_refused() -> None:
    with pytest.raises(ValidationError, match="more than the whole queue"):
        ReviewStage(random=0.7, gold=0.4)
    with pytest.raises(ValidationError, match="set `gold` above 0"):
        ReviewStage(policy="weighted", gold=0)
    with pytest.raises(ValidationError, match="hears the `experts` first, and none is named; name them"):
        ReviewStage(policy="expert")


@pytest.mark.parametrize("kind", ["sft", "rft"])
def test_reviewers_cannot_be_weighed_where_there_is_no_gold(kind: ReviewKind) -> None:
    with pytest.raises(ValidationError, match=f"`kind: {kind}` has no gold; `majority` or `expert` would be right"):
        ReviewStage(kind=kind, policy="weighted")
    with pytest.raises(InputError, match="--set: `policy: weighted` weighs reviewers by their answers on gold"):
        options_with(ReviewStage(kind=kind), ["policy=weighted"])
