"""The simulated judge: the truth, noise, and two biases of known size."""

from __future__ import annotations

import random
from statistics import mean, stdev

import pytest

from preflect.schemas import SimulatorRates
from preflect.sim.answers import good_answer
from preflect.sim.faults import plant
from preflect.sim.judge import rate
from preflect.sim.world import Task, World

FAIR = SimulatorRates(judge_noise=0, position_bias=0, length_bias=0)
ASPECTS = ("instruction_following", "honesty", "truthfulness", "helpfulness")
INSTRUCTION = (
    "A pottery that belongs to Vera has 40 clay mugs to begin with. A delivery brings 5 more. "
    "By noon 12 have been sold. How many are left in the end?"
)


def the_task() -> Task:
    task = World().recognise(INSTRUCTION)
    assert task is not None
    return task


def test_without_noise_the_ratings_are_the_truth() -> None:
    task = the_task()
    [right, wrong] = rate(task, ["It is 33.", "It is 35."], ASPECTS, FAIR, random.Random(0))
    assert [mark.given for mark in right] == [5, 5, 5, 5]
    # 1 + 4 x (0.5, 0.4, 0.0, 0.3), rounded
    assert [mark.true for mark in wrong] == pytest.approx([3.0, 2.6, 1.0, 2.2])
    assert [mark.given for mark in wrong] == [3, 3, 1, 2]
    assert "does not follow" in wrong[2].rationale


def test_noise_has_the_spread_that_was_asked_for() -> None:
    task = the_task()
    wrong = plant(task, "wrong_result", random.Random(1))
    rates = SimulatorRates(judge_noise=0.6, position_bias=0, length_bias=0)
    given = [rate(task, [wrong], ["instruction_following"], rates, random.Random(n))[0][0].given for n in range(4000)]
    # The true rating is 3, far from the ends; rounding adds a variance of 1/12.
    assert mean(given) == pytest.approx(3.0, abs=0.05)
    assert stdev(given) == pytest.approx((0.36 + 1 / 12) ** 0.5, abs=0.05)


def test_what_is_read_first_has_the_advantage_that_was_set() -> None:
    rates = SimulatorRates(judge_noise=0.6, position_bias=0.5, length_bias=0)
    answers = ["It is 34.", "It is 35."]
    marks = [rate(the_task(), answers, ["instruction_following"], rates, random.Random(n)) for n in range(4000)]
    assert mean(first[0].given - second[0].given for first, second in marks) == pytest.approx(0.5, abs=0.06)


def test_a_longer_answer_gains_for_each_doubling() -> None:
    rates = SimulatorRates(judge_noise=0.6, position_bias=0, length_bias=0.3)
    answers = ["It is 35.", "It is 35. It is 35. It is 35. It is 35."]
    assert len(answers[1]) == pytest.approx(4 * len(answers[0]), abs=4)
    marks = [rate(the_task(), answers, ["instruction_following"], rates, random.Random(n)) for n in range(4000)]
    # Two doublings up for the one, two down for the other.
    assert mean(second[0].given - first[0].given for first, second in marks) == pytest.approx(4 * 0.3, abs=0.08)


def test_the_better_answer_is_nearly_always_rated_higher() -> None:
    task = the_task()
    right, wrong = good_answer(task, random.Random(0)), plant(task, "wrong_result", random.Random(0))
    rates = SimulatorRates()
    marks = [rate(task, [wrong, right], ASPECTS, rates, random.Random(n)) for n in range(500)]
    assert mean(sum(m.given for m in good) > sum(m.given for m in bad) for bad, good in marks) > 0.97


def test_of_an_unknown_task_the_judge_only_guesses() -> None:
    marks = [rate(None, ["a", "b"], ["honesty"], SimulatorRates(), random.Random(n)) for n in range(500)]
    given = [second[0].given for _, second in marks]
    assert mean(given) == pytest.approx(3.0, abs=0.15)
    assert all(second[0].true is None for _, second in marks)
