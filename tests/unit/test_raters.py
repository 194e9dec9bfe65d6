"""Agreement, intervals, and a share of all samples from a queue that was chosen."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preflect.review.accuracy import judge_accuracy
from preflect.review.answered import Answered
from preflect.review.queue import candidates, choose_round
from preflect.schemas import Estimate, ReviewAnswer, ReviewQueue, ReviewStage, Sample
from preflect.scoring.intervals import estimated, interval_of_share, share
from preflect.scoring.raters import cohens_kappa, krippendorffs_alpha
from preflect.scoring.survey import Stratum, estimated_share

from .reviewed import a_sample, ids

VALUES = st.sampled_from(["a", "b", "tie"])


def test_kappa_of_a_table_worked_by_hand() -> None:
    # 20 both yes, 15 both no: observed 0.7; expected 0.5 · 0.6 + 0.5 · 0.4 = 0.5; (0.7 - 0.5) / 0.5.
    ratings = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    assert cohens_kappa(ratings) == pytest.approx(0.4)


@given(st.lists(VALUES, min_size=2).filter(lambda values: len({*values}) > 1))
def test_who_agrees_with_himself_agrees_in_all(values: list[str]) -> None:
    assert cohens_kappa([(value, value) for value in values]) == 1


@given(st.lists(st.tuples(VALUES, VALUES)))
def test_kappa_does_not_mind_who_comes_first_and_is_at_most_1(ratings: list[tuple[str, str]]) -> None:
    kappa = cohens_kappa(ratings)
    assert kappa == cohens_kappa([(b, a) for a, b in ratings])
    assert kappa is None or -1 <= kappa <= 1


def test_agreement_that_is_not_defined_is_none() -> None:
    assert cohens_kappa([]) is None
    assert cohens_kappa([("a", "a"), ("a", "a")]) is None
    assert krippendorffs_alpha([["a"], ["b"]], "nominal") is None
    assert krippendorffs_alpha([["a", "a"], ["a", "a"]], "nominal") is None


def test_alpha_of_four_units_worked_by_hand() -> None:
    # Of 8 values 3 are a and 5 are b. Observed: 2 of 8 pairs differ; expected: 2 · 3 · 5 / (8 · 7).
    units = [["a", "a"], ["a", "b"], ["b", "b"], ["b", "b"]]
    assert krippendorffs_alpha(units, "nominal") == pytest.approx(1 - (2 / 8) / (30 / 56))


def test_alpha_of_krippendorffs_own_example_with_missing_ratings() -> None:
    # Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability": four observers, twelve units.
    coders = (
        "1 2 3 3 2 1 4 1 2 . . .",
        "1 2 3 3 2 2 4 1 2 5 . 3",
        ". 3 3 3 2 3 4 2 2 5 1 .",
        "1 2 3 3 2 4 4 1 2 5 1 .",
    )
    units = [[int(v) for v in unit if v != "."] for unit in zip(*(coder.split() for coder in coders), strict=True)]
    assert krippendorffs_alpha(units, "nominal") == pytest.approx(0.743, abs=5e-4)
    assert krippendorffs_alpha(units, "ordinal") == pytest.approx(0.815, abs=5e-4)


@given(st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=4), min_size=2), st.randoms(use_true_random=False))
def test_alpha_does_not_mind_the_order_of_raters_or_units(units: list[list[int]], rng: random.Random) -> None:
    shuffled = [rng.sample(unit, len(unit)) for unit in units]
    rng.shuffle(shuffled)
    one, other = krippendorffs_alpha(units, "ordinal"), krippendorffs_alpha(shuffled, "ordinal")
    assert (one is None) == (other is None)
    assert one is None or other is None or one == pytest.approx(other, abs=1e-9)


COUPLES = st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=12)


@given(COUPLES, st.integers(0, 9))
def test_an_interval_is_the_same_for_the_same_seed(couples: list[tuple[str, str]], seed: int) -> None:
    samples = [[couple] for couple in couples]
    found = estimated(samples, cohens_kappa, seed=seed)
    assert found == estimated(samples, cohens_kappa, seed=seed)
    assert found.n == len(couples)
    assert found.value is None or (found.low is not None and found.high is not None and found.low <= found.high)


@settings(max_examples=20)
@given(COUPLES, st.integers(2, 14))
def test_a_sample_that_says_the_same_many_times_makes_nothing_surer(couples: list[tuple[str, str]], times: int) -> None:
    once = estimated([[couple] for couple in couples], cohens_kappa, seed=1)
    assert estimated([[couple] * times for couple in couples], cohens_kappa, seed=1) == once


def test_an_interval_of_a_share_worked_by_hand() -> None:
    # All of six: the lower end is the share at which all six are right 1 time in 40, p^6 = 0.025.
    assert share([True] * 6) == Estimate(value=1, low=0.540742, high=1, n=6)
    # Five of ten, as in tables of Clopper and Pearson's interval.
    assert share([True, False] * 5) == Estimate(value=0.5, low=0.187086, high=0.812914, n=10)
    assert share([]) == Estimate(value=None, n=0)


@given(st.integers(0, 30), st.integers(0, 30))
def test_what_is_true_and_what_is_false_have_mirrored_intervals_around_their_shares(true: int, false: int) -> None:
    found, other = share([True] * true + [False] * false), share([False] * true + [True] * false)
    if found.value is None or found.low is None or found.high is None or other.low is None:
        assert true + false == 0
        return
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high
    assert found.high == pytest.approx(1 - other.low, abs=2e-6)


@given(st.integers(1, 20), st.floats(0, 1))
def test_however_few_there_are_the_interval_misses_the_truth_at_most_once_in_twenty(n: int, truth: float) -> None:
    chances = [math.comb(n, k) * truth**k * (1 - truth) ** (n - k) for k in range(n + 1)]
    missed = (not low <= truth <= high for low, high in (interval_of_share(k / n, n) for k in range(n + 1)))
    assert sum(chance for chance, is_missed in zip(chances, missed, strict=True) if is_missed) <= 0.05 + 1e-9


def test_what_was_chosen_stands_for_itself_and_the_random_part_for_all_the_rest() -> None:
    # 4 doubtful ones, 1 of them right; 6 by lot, 5 right, for 96: (1 + 16 · 5) / (4 + 96).
    doubtful = Stratum(4, [True, False, False, False])
    by_lot = Stratum(96, [True] * 5 + [False])
    assert estimated_share([doubtful, by_lot]).value == pytest.approx(0.81)
    # One of the six is a tie, which counts on neither side: (1 + 16 · 4) / (4 + 16 · 5).
    tied = Stratum(96, [True] * 4 + [False, None])
    assert estimated_share([doubtful, tied]).value == pytest.approx(65 / 84, abs=1e-6)


def test_a_few_by_chance_are_as_sure_as_so_few_are_whatever_they_stand_for() -> None:
    # Weights of 4 · 1 and 6 · 16: as sure as 100² / (4 + 6 · 256) = 6.49 equal samples; 0.025^(1/6.49).
    found = estimated_share([Stratum(4, [True] * 4), Stratum(96, [True] * 6)])
    assert (found.value, found.low, found.high, found.n) == (1, pytest.approx(0.5666, abs=1e-4), 1, 10)


@pytest.mark.parametrize("few", [0, 4])
def test_a_few_by_chance_say_nothing_of_all_the_rest(few: int) -> None:
    assert estimated_share([Stratum(4, [True] * 4), Stratum(96, [True] * few)]).value is None
    assert estimated_share([Stratum(4, [True] * 4), Stratum(few, [True] * few)]).value == 1


@given(st.lists(st.booleans(), min_size=5, max_size=20), st.integers(1, 100))
def test_one_stratum_is_its_plain_share_and_as_sure_whatever_it_stands_for(units: list[bool], size: int) -> None:
    found, plain = estimated_share([Stratum(size, units)]), share(units)
    assert (found.value, found.low, found.high) == pytest.approx((plain.value, plain.low, plain.high), abs=2e-6)


def population() -> tuple[list[Sample], dict[str, str]]:
    """Forty samples: the judge is wrong about eight of the ten closest calls, and about three of the others."""
    samples = [a_sample(n, ratings=(5, 4 if n < 10 else 1)) for n in range(40)]
    wrong = {*range(8), 20, 25, 30}
    return samples, {s.id: ids(s)[int(n in wrong)] for n, s in enumerate(samples)}


def answers_of(queue: ReviewQueue, truth: dict[str, str]) -> list[ReviewAnswer]:
    tasks = [task for r in queue.rounds for task in r.tasks]
    return [
        ReviewAnswer(
            sample_id=task.sample_id,
            reviewer="ann",
            values={"better": "ab"[task.response_ids.index(truth[task.sample_id])]},
        )
        for task in tasks
    ]


def asked(samples: Sequence[Sample], rounds: int, seed: int) -> ReviewQueue:
    options = ReviewStage(size=12, random=0.5, gold=0, signals={"small_margin": 1})
    queue = ReviewQueue(options=options)
    for number in range(rounds):
        pushed = {task.sample_id for r in queue.rounds for task in r.tasks}
        chosen = choose_round(candidates(samples, options, seed, pushed), options, seed, number)
        queue = queue.evolve(rounds=(*queue.rounds, chosen))
    return queue


def estimates(rounds: int, seeds: Sequence[int]) -> list[float]:
    samples, truth = population()
    judge = {sample.id: ids(sample)[0] for sample in samples}
    found: list[float] = []
    for seed in seeds:
        queue = asked(samples, rounds, seed)
        value = judge_accuracy(Answered(queue, answers_of(queue, truth)), judge).value
        assert value is not None
        found.append(value)
    return found


def test_a_second_queue_changes_the_estimate_once_five_of_it_by_chance_are_answered() -> None:
    samples, truth = population()
    judge = {sample.id: ids(sample)[0] for sample in samples}
    queue = asked(samples, 2, seed=3)
    answers, [first, second] = answers_of(queue, truth), queue.rounds
    by_lot = [task.part == "random" for task in second.tasks]
    found = [judge_accuracy(Answered(queue, answers[: 12 + n]), judge) for n in range(13)]
    alone = judge_accuracy(Answered(queue.evolve(rounds=(first,)), answers), judge)
    assert alone.value is not None
    assert [one == alone for one in found] == [sum(by_lot[:n]) < 5 for n in range(13)]
    assert all(one.value is not None for one in found)


@pytest.mark.parametrize("rounds", [1, 2])
def test_the_estimate_is_right_on_average_though_the_queue_is_full_of_doubtful_samples(rounds: int) -> None:
    found = estimates(rounds, range(60))
    assert sum(found) / len(found) == pytest.approx(29 / 40, abs=0.03)


def test_of_the_doubtful_alone_the_judge_would_look_worse_than_it_is() -> None:
    samples, truth = population()
    options = ReviewStage(size=12, random=0.5, gold=0, signals={"small_margin": 1})
    chosen = choose_round(candidates(samples, options, 1, frozenset()), options, 1, 0)
    right = [truth[t.sample_id] == ids(next(s for s in samples if s.id == t.sample_id))[0] for t in chosen.tasks]
    assert sum(right) / len(right) < 29 / 40 - 0.1
