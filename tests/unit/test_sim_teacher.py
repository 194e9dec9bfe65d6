"""The simulated teacher: faults at their rates, each really there; reflections that repair most of them."""

from __future__ import annotations

import random
from collections import Counter
from typing import get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from preflect.errors import ReplyError
from preflect.schemas import FaultRates, SimulatorRates
from preflect.sim.assessment import Fault, assess
from preflect.sim.faults import draw_fault, plant
from preflect.sim.teacher import draft, renew, rewrite, think_up
from preflect.sim.wording import FILLERS
from preflect.sim.world import Task, World, generate_task
from preflect.stages.reply_checks import check_answer

RATES = SimulatorRates()
FLAWLESS = SimulatorRates(
    faults=FaultRates(wrong_result=0, missed_constraint=0, refusal=0, truncation=0, filler=0, placeholder=0), breakage=0
)
SEEDS = st.integers(0, 2**32)
# A pattern that is compiled for the first time may take longer than hypothesis grants one example.
UNHURRIED = settings(deadline=None)


def a_task(family: str) -> Task:
    rng = random.Random(5)
    return next(task for task in (generate_task(rng) for _ in range(500)) if task.family == family)


@UNHURRIED
@given(SEEDS, st.sampled_from(get_args(Fault)))
def test_a_planted_fault_is_found_in_the_text_alone(seed: int, fault: Fault) -> None:
    rng = random.Random(seed)
    task = generate_task(rng)
    truth = assess(task, plant(task, fault, rng))
    assert truth.fault is not None
    assert truth.quality < 1


@pytest.mark.parametrize("fault", ["wrong_result", "refusal", "truncation", "filler", "placeholder"])
def test_a_word_problem_has_room_for_nearly_every_fault(fault: Fault) -> None:
    task = a_task("arithmetic")
    assert assess(task, plant(task, fault, random.Random(1))).fault == fault


def test_where_no_constraint_can_be_missed_the_result_is_wrong_instead() -> None:
    task = a_task("arithmetic")
    assert assess(task, plant(task, "missed_constraint", random.Random(1))).fault == "wrong_result"


def test_qualities_order_the_faults() -> None:
    task = a_task("writing")
    quality = {
        fault: assess(task, plant(task, fault, random.Random(2))).quality
        for fault in ("filler", "missed_constraint", "refusal", "truncation")
    }
    assert 1 > quality["filler"] > quality["missed_constraint"] > quality["truncation"] > quality["refusal"] == 0


def test_padding_makes_a_wrong_answer_worse_still() -> None:
    task = a_task("arithmetic")
    wrong = plant(task, "wrong_result", random.Random(3))
    padded = f"{FILLERS[0]}\n{wrong}"
    assert assess(task, padded).fault == "wrong_result"
    assert assess(task, padded).quality < assess(task, wrong).quality


def test_faults_are_drawn_at_their_rates() -> None:
    rng = random.Random(0)
    drawn = Counter(draw_fault(FaultRates(), rng) for _ in range(20_000))
    for fault, rate in FaultRates().model_dump().items():
        assert drawn[fault] / 20_000 == pytest.approx(rate, abs=0.01)


def test_drafts_carry_faults_and_reflection_repairs_most_and_breaks_few() -> None:
    world = World()
    outcomes: Counter[tuple[bool, bool]] = Counter()
    for seed in range(600):
        instruction = generate_task(random.Random(seed)).instruction
        first = draft(world, instruction, RATES, random.Random(f"draft {seed}"))
        _, second = rewrite(world, instruction, first.text, RATES, random.Random(f"rewrite {seed}"))
        assert first.truth is not None
        assert second.truth is not None
        outcomes[first.truth.fault is not None, second.truth.fault is not None] += 1
    faulty = outcomes[True, True] + outcomes[True, False]
    assert faulty / 600 == pytest.approx(sum(FaultRates().model_dump().values()), abs=0.06)
    assert outcomes[True, False] / faulty == pytest.approx(RATES.repair, abs=0.06)
    assert outcomes[False, True] / (600 - faulty) == pytest.approx(RATES.breakage, abs=0.03)


@UNHURRIED
@given(SEEDS)
def test_a_flawless_teacher_writes_only_right_answers(seed: int) -> None:
    world, rng = World(), random.Random(seed)
    instruction = generate_task(rng).instruction
    written = draft(world, instruction, FLAWLESS, rng)
    assert written.truth is not None
    assert written.truth.quality == 1
    assert not written.cut_off
    check_answer(written.text, "stop")


@UNHURRIED
@given(SEEDS)
def test_a_renewed_instruction_comes_with_a_right_answer(seed: int) -> None:
    world, rng = World(), random.Random(seed)
    old = generate_task(rng)
    critique, new, answer = renew(world, old.instruction, "something", FLAWLESS, rng)
    assert critique
    assert new != old.instruction
    assert answer.truth is not None
    assert answer.truth.fault is None


@UNHURRIED
@example(seed=27462)  # two demands on the length: at least 55 words, and less than 140
@given(SEEDS)
def test_instructions_can_be_renewed_again_and_again(seed: int) -> None:
    world, rng = World(), random.Random(seed)
    instruction = generate_task(rng).instruction
    for _ in range(6):
        _, instruction, answer = renew(world, instruction, "", FLAWLESS, rng)
        assert answer.truth is not None, instruction
        assert answer.truth.fault is None, instruction


def test_a_silent_truncation_says_that_it_had_finished() -> None:
    rates = SimulatorRates(faults=FaultRates(truncation=1, wrong_result=0, missed_constraint=0, refusal=0))
    task = a_task("arithmetic")
    written = [draft(World(), task.instruction, rates, random.Random(seed)) for seed in range(60)]
    assert all(one.truth is not None and one.truth.fault == "truncation" for one in written)
    assert 15 < sum(one.cut_off for one in written) < 45


def test_an_unknown_instruction_gets_a_text_that_says_so_and_differs_between_samples() -> None:
    texts = {draft(World(), "Why is the sky blue?", RATES, random.Random(seed)).text for seed in range(8)}
    assert len(texts) > 4
    assert all(text.startswith("[simulated answer]") for text in texts)
    for text in texts:
        check_answer(text, "stop")
    assert draft(World(), "Why is the sky blue?", RATES, random.Random(0)).truth is None


def test_refusals_are_refused_as_answers() -> None:
    rates = SimulatorRates(faults=FaultRates(refusal=1, wrong_result=0, missed_constraint=0))
    for seed in range(10):
        written = draft(World(), a_task("tables").instruction, rates, random.Random(seed))
        with pytest.raises(ReplyError, match="refusal"):
            check_answer(written.text, "stop")


def test_thought_up_instructions_are_mostly_new_tasks_with_a_few_flaws() -> None:
    new = think_up(["Name a tree."], 1000, random.Random(7))
    flaws = Counter(one.flaw for one in new)
    assert flaws[None] > 820
    assert flaws["invalid"] > 10
    assert flaws["near_duplicate"] > 25
    assert flaws["unanswerable"] > 20
    assert all((one.family is not None) == (one.flaw is None) for one in new)
    assert next(one.text for one in new if one.flaw == "near_duplicate") == "Please name a tree."
