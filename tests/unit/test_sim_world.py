"""The world's tasks: what is generated is recognised, solved alike, varied and hardly repeated."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preflect.errors import DataError
from preflect.grading import grade, self_test
from preflect.schemas import NumberGrader
from preflect.scoring.near_duplicates import NearDuplicates
from preflect.sim.answers import good_answer
from preflect.sim.assessment import assess
from preflect.sim.tasks_file import world_tasks, write_tasks
from preflect.sim.world import FAMILIES, World, generate_task
from preflect.sim.world.demands import DEMANDS, read_demand
from preflect.sim.world.known import read_known
from preflect.sim.world.phrase import Phrase

SEEDS = st.integers(0, 2**32)
# A pattern that is compiled for the first time may take longer than hypothesis grants one example.
UNHURRIED = settings(deadline=None)


def reference_of(instruction: str) -> str | None:
    task = World().recognise(instruction)
    assert task is not None, instruction
    return task.solution.reference


@UNHURRIED
@given(SEEDS)
def test_a_generated_task_is_recognised_with_the_same_answer(seed: int) -> None:
    task = generate_task(random.Random(seed))
    again = World().recognise(task.instruction)
    assert again is not None
    assert again.family == task.family
    assert again.solution.reference == task.solution.reference
    assert again.solution.grader == task.solution.grader


@UNHURRIED
@given(SEEDS)
def test_a_task_is_recognised_however_its_white_space_is_folded(seed: int) -> None:
    task = generate_task(random.Random(seed))
    again = World().recognise("  " + " \n".join(task.instruction.split(" ")) + "\n")
    assert again is not None
    assert again.solution.reference == task.solution.reference


@UNHURRIED
@given(SEEDS)
def test_a_harder_variation_is_recognised_and_can_be_answered(seed: int) -> None:
    world = World()
    rng = random.Random(seed)
    task = generate_task(rng)
    harder = world.harder(task.instruction, rng)
    assert harder != task.instruction
    assert world.recognise(harder) is not None


@UNHURRIED
@given(SEEDS)
def test_a_good_answer_satisfies_the_grader(seed: int) -> None:
    rng = random.Random(seed)
    task = generate_task(rng)
    answer = good_answer(task, rng)
    assert task.solution.grader is not None
    assert grade(task.solution.grader, answer, task.solution.reference).score == 1.0
    assert assess(task, answer).quality == 1.0


@UNHURRIED
@given(SEEDS)
def test_every_grader_of_the_world_tells_right_from_wrong(seed: int) -> None:
    solution = generate_task(random.Random(seed)).solution
    assert solution.grader is not None
    assert self_test(solution.grader, solution.reference) == []


@UNHURRIED
@given(SEEDS)
def test_no_decoy_passes_for_the_answer(seed: int) -> None:
    task = generate_task(random.Random(seed))
    assert task.solution.reference not in task.solution.decoys


def test_the_stock_story_is_solved_step_by_step() -> None:
    # 40 + 3 x 10 = 70; half of 70 is 35; 35 - 5 = 30
    assert (
        reference_of(
            "There are 40 glazed bowls on the shelves of the pottery where Rosa works. A van unloads 3 cartons with 10 "
            "in each. Half of the remaining stock goes into storage elsewhere. By noon 5 have been sold. "
            "How many are left in the end?"
        )
        == "30"
    )


def test_change_is_what_the_purse_holds_minus_the_bill() -> None:
    # 50 - (3 x 4 + 2 x 5 - 2) = 30
    assert (
        reference_of(
            "Hugo goes to the village fair with 50 dollars. First into the basket go 3 kites at 4 dollars each. "
            "For lemons the stall asks 5 dollars a piece; 2 seem enough. A coupon lowers the bill by 2 dollars. "
            "How many dollars remain afterwards?"
        )
        == "30"
    )


def test_a_clock_passes_midnight() -> None:
    assert (
        reference_of(
            "A ferry departs at 23:30. A signal failure costs 45 minutes. It is under way for 2 hours and 5 minutes. "
            "Give the final time in the 24-hour form HH:MM."
        )
        == "02:20"
    )


def test_a_date_passes_a_leap_day() -> None:
    # 20 February 2024 + 7 + 3 days; 2024 has 29 February
    assert (
        reference_of(
            "The seed trial begins on 20 February 2024. Training the team needs another 1 weeks. "
            "Paperwork then takes 3 days. Write the resulting date as YYYY-MM-DD."
        )
        == "2024-03-01"
    )


def test_units_are_brought_to_the_smaller_one() -> None:
    # 3 m = 300 cm; + 20 = 320; / 4 = 80
    assert (
        reference_of(
            "A rope is 3 metres long. It then gains 20 centimetres. The result is divided evenly into 4 parts, and "
            "only one part is kept. How many centimetres is that in the end?"
        )
        == "80"
    )


def test_a_list_is_changed_in_the_order_told() -> None:
    assert (
        reference_of(
            "Start from the list 5, 8, 1, 4. Keep nothing but the even ones. Double each of them. "
            "Reverse the sequence. Finish with a line that reads 'Result:' followed by the list, entries separated "
            "by a comma and a blank."
        )
        == "Result: 8, 16"
    )


def test_a_string_is_changed_in_the_order_told() -> None:
    assert (
        reference_of(
            "Take the word 'copper'. Drop each a, e, i, o and u. Spell it backwards. "
            "Show the outcome on a last line that starts with 'Result:'."
        )
        == "Result: rppc"
    )


def test_a_table_is_read_by_row_and_column() -> None:
    table = (
        "| ship | crew | cargo |\n| --- | --- | --- |\n| Egret | 10 | 70 |\n| Fulmar | 30 | 20 |\n| Dolphin | 25 | 50 |"
    )
    lead = "Below is an extract from a harbour master's book."
    highest = f"{lead}\n\n{table}\n\nAmong those whose crew is above 10, which ship has the highest cargo?"
    assert reference_of(highest) == "Dolphin"
    assert reference_of(f"What do all values of crew add up to?\n\n{lead}\n\n{table}") == "65"


def test_a_demand_at_the_end_is_read_as_a_demand() -> None:
    world = World()
    task = generate_task(random.Random(3))
    decorated = world.recognise(f"{task.instruction}\n\nDo without commas.")
    assert decorated is not None
    assert decorated.solution.reference == task.solution.reference
    assert [demand.id for demand in decorated.demands] == ["punctuation:no_comma"]


@pytest.mark.parametrize(
    "instruction",
    [
        "",
        "Why is the sky blue?",
        "How many are left in the end?",
        "A ferry departs at 23:30. Give the final time in the 24-hour form HH:MM.",
        "A ferry departs at 29:30. A signal failure costs 45 minutes. Give the final time in the 24-hour form HH:MM.",
        "The seed trial begins on 31 February 2024. Paperwork then takes 3 days. How many days pass in all?",
        "| a |\n| --- |\nWhat do all values of crew add up to?",
    ],
)
def test_what_the_world_does_not_say_is_not_recognised(instruction: str) -> None:
    assert World().recognise(instruction) is None


@pytest.mark.parametrize("seed", range(20))
def test_every_way_of_making_a_demand_is_read_back(seed: int) -> None:
    rng = random.Random(seed)
    for demand in DEMANDS:
        values = demand.draw(rng)
        for way in demand.ways:
            assert read_demand(way.write(values)) == demand.means(values)


def test_a_phrase_gives_back_the_values_it_was_written_with() -> None:
    phrase = Phrase("{who} has {n} {things} and {who} is glad.")
    values = {"who": "Rosa", "n": "12", "things": "red hats"}
    assert phrase.read(phrase.write(values)) == values
    assert phrase.read("Rosa has 12 red hats and Hugo is glad.") is None


def test_most_generated_instructions_are_no_near_duplicates() -> None:
    rng = random.Random(11)
    kept = NearDuplicates(max_similarity=0.7)
    families: set[str] = set()
    accepted = 0
    for number in range(500):
        task = generate_task(rng)
        families.add(task.family)
        if kept.nearest(task.instruction) is None:
            kept.add(str(number), task.instruction)
            accepted += 1
    assert families == set(FAMILIES)
    assert accepted >= 450


def test_input_rows_are_the_same_for_the_same_seed(tmp_path: Path) -> None:
    write_tasks(tmp_path / "tasks.jsonl", seed=4, count=20)
    rows = [json.loads(line) for line in (tmp_path / "tasks.jsonl").read_text().splitlines()]
    assert rows == list(world_tasks(4, 20)) == list(world_tasks(4, 30))[:20]
    assert len({row["id"] for row in rows}) == 20
    assert [path.name for path in tmp_path.iterdir()] == ["tasks.jsonl"]


def seed_file(folder: Path, *rows: Mapping[str, object]) -> Path:
    path = folder / "known.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    return path


def test_a_known_task_is_found_with_its_input_below_it(tmp_path: Path) -> None:
    row = {
        "id": "1",
        "instruction": "Add the numbers.",
        "input": "3 and 4",
        "reference_answer": "7",
        "grader": {"type": "number"},
        "metadata": {"task_type": "arithmetic", "model_answer": "3 + 4 is 7."},
    }
    world = World(read_known([seed_file(tmp_path, row)]))
    task = world.recognise("Add the numbers. 3 and 4")
    assert task is not None
    assert task.solution.grader == NumberGrader()
    assert assess(task, "It is 7.").fault is None
    assert assess(task, "It is 8.").fault == "wrong_result"


def test_without_a_grader_only_the_model_answer_counts_as_right(tmp_path: Path) -> None:
    row = {"id": "1", "instruction": "Name a tree.", "metadata": {"model_answer": "The oak is a tree."}}
    task = World(read_known([seed_file(tmp_path, row)])).recognise("Name a tree.")
    assert task is not None
    assert assess(task, "Let me work through this.\nThe oak is a tree.").fault is None
    assert assess(task, "The oak is not a tree.").fault == "wrong_result"
    assert assess(task, "The oak is").fault == "truncation"


def test_a_broken_row_of_known_tasks_is_named_by_its_line(tmp_path: Path) -> None:
    path = seed_file(tmp_path, {"instruction": "Fine.", "reference_answer": "x"}, {"question": "not fine"})
    with pytest.raises(DataError, match=r"known\.jsonl:2: want a JSON object with an instruction"):
        read_known([path])
    with pytest.raises(DataError, match="cannot be read"):
        read_known([tmp_path / "missing.jsonl"])
