"""The shipped seeds in the simulator's hands."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from preflect.schemas import SimulatorRates
from preflect.sim.answers import good_answer
from preflect.sim.assessment import assess
from preflect.sim.faults import plant
from preflect.sim.teacher import renew
from preflect.sim.world import Task, World
from preflect.sim.world.known import read_known

SEEDS = Path(__file__).parents[2] / "data" / "seeds" / "instructions.jsonl"


@pytest.fixture(scope="module")
def tasks() -> list[Task]:
    return list(read_known([SEEDS]).values())


def test_every_shipped_seed_is_known(tasks: list[Task]) -> None:
    assert len(tasks) == len(SEEDS.read_text(encoding="utf-8").splitlines())


def test_every_seed_gets_right_answers_and_most_get_several(tasks: list[Task]) -> None:
    varied = 0
    for task in tasks:
        answers = {good_answer(task, random.Random(seed)) for seed in range(6)}
        assert all(assess(task, answer).quality == 1 for answer in answers), task.instruction
        varied += len(answers) > 1
    assert varied > 0.8 * len(tasks)


def test_every_seed_can_be_answered_wrongly(tasks: list[Task]) -> None:
    faults = [assess(task, plant(task, "wrong_result", random.Random(1))).fault for task in tasks]
    assert None not in faults
    assert sum(fault in {"wrong_result", "missed_constraint"} for fault in faults) > 0.97 * len(tasks)


def test_every_seed_can_be_renewed_and_answered(tasks: list[Task]) -> None:
    world = World(read_known([SEEDS]))
    for task in tasks:
        _, new, answer = renew(world, task.instruction, "", SimulatorRates(breakage=0), random.Random(2))
        assert answer.truth is not None, new
        assert answer.truth.fault is None, new
