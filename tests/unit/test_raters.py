"""Agreement, intervals, and a share of all samples from a queue that was chosen."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflect.review.accuracy import judge_accuracy
from preflect.review.answered import Answered
from preflect.review.queue import candidates, choose_round
from preflect.schemas import ReviewAnswer, ReviewQueue, ReviewStage, Sample
from preflect.scoring.intervals import estimated, share_of
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


@given(st.lists(st.booleans(), min_size=1, max_size=30), st.integers(0, 9))
def test_an_interval_holds_its_figure_and_is_the_same_for_the_same_seed(units: list[bool], seed: int) -> None:
    found = estimated(units, share_of, seed=seed)
    assert found == estimated(units, share_of, seed=seed)
    assert found.value is not None and found.low is not None and found.high is not None  # noqa: PT018
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_the_interval_of_a_share_is_about_as_wide_as_it_should_be() -> None:
    found = estimated([True] * 70 + [False] * 30, share_of, seed=1)
    assert (found.low, found.high) == (pytest.approx(0.61, abs=0.02), pytest.approx(0.79, abs=0.02))


def test_what_was_chosen_stands_for_itself_and_the_random_part_for_all_the_rest() -> None:
    # 4 doubtful ones, 1 of them right; 6 by lot, 5 right, for 96: (1 + 16 · 5) / (4 + 96).
    doubtful = Stratum(4, [True, False, False, False])
    by_lot = Stratum(96, [True] * 5 + [False])
    assert estimated_share([doubtful, by_lot], seed=1).value == pytest.approx(0.81)
    # One of the six is a tie, which counts on neither side: (1 + 16 · 4) / (4 + 16 · 5).
    tied = Stratum(96, [True] * 4 + [False, None])
    assert estimated_share([doubtful, tied], seed=1).value == pytest.approx(65 / 84, abs=1e-6)


@pytest.mark.parametrize("few", [0, 4])
def test_a_few_by_chance_say_nothing_of_all_the_rest(few: int) -> None:
    assert estimated_share([Stratum(4, [True] * 4), Stratum(96, [True] * few)], seed=1).value is None
    assert estimated_share([Stratum(4, [True] * 4), Stratum(few, [True] * few)], seed=1).value == 1


@given(st.lists(st.booleans(), min_size=5, max_size=20), st.integers(1, 100))
def test_one_stratum_is_its_plain_share_whatever_it_stands_for(units: list[bool], size: int) -> None:
    assert estimated_share([Stratum(size, units)], seed=1).value == pytest.approx(share_of(units), abs=1e-6)


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
        value = judge_accuracy(Answered(queue, answers_of(queue, truth)), judge, seed=seed).value
        assert value is not None
        found.append(value)
    return found


def test_a_second_queue_changes_the_estimate_once_five_of_it_by_chance_are_answered() -> None:
    samples, truth = population()
    judge = {sample.id: ids(sample)[0] for sample in samples}
    queue = asked(samples, 2, seed=3)
    answers, [first, second] = answers_of(queue, truth), queue.rounds
    by_lot = [task.part == "random" for task in second.tasks]
    found = [judge_accuracy(Answered(queue, answers[: 12 + n]), judge, seed=3) for n in range(13)]
    alone = judge_accuracy(Answered(queue.evolve(rounds=(first,)), answers), judge, seed=3)
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
