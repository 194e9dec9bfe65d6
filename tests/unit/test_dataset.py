"""A phase's dataset: whole blocks in the order of the input, whatever order samples finish in and whatever dies."""

from __future__ import annotations

import random
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preflect.engine.dataset import BLOCK, BlockWriter, Dataset
from preflect.engine.executor import Outcome
from preflect.schemas import Instruction, Message, Sample


def outcome(ordinal: int) -> Outcome:
    """Every fifth sample is rejected; indices have gaps, as behind a stage that took samples out."""
    instruction = Instruction(messages=(Message(role="user", content=f"task {ordinal}"),))
    sample = Sample(id=instruction.id, index=ordinal * 3, instructions=(instruction,))
    rejection = sample.reject("judge", "reply", "unparsable") if ordinal % 5 == 0 else None
    return Outcome(ordinal, sample, rejection)


OUTCOMES = [outcome(ordinal) for ordinal in range(2 * BLOCK + 40)]


def dataset_in(folder: Path) -> Dataset:
    dataset = Dataset(folder / "samples", folder / "rejected")
    dataset.create()
    return dataset


def contents(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.is_file()}


def still_to_do(dataset: Dataset, outcomes: Sequence[Outcome]) -> tuple[list[Outcome], list[Outcome]]:
    """What a sitting has to work on, and what it finds in partial blocks."""
    to_do: list[Outcome] = []
    found: list[Outcome] = []
    partial = {block: dataset.partial_outcomes(block) for block in range(3)}
    for item in outcomes:
        block = item.ordinal // BLOCK
        assert item.sample is not None
        kept = partial[block].get(item.sample.index)
        if kept is not None and not dataset.has(block):
            found.append(Outcome(item.ordinal, *kept))
        elif not dataset.has(block):
            to_do.append(item)
    return to_do, found


def sit(dataset: Dataset, outcomes: Sequence[Outcome], rng: random.Random, *, end: str, after: int) -> None:
    """Finish `after` outcomes in any order; then the run goes on to its end, is stopped, or is killed."""
    to_do, found = still_to_do(dataset, outcomes)
    rng.shuffle(to_do)
    writer = BlockWriter(dataset)
    for item in to_do if end == "done" else to_do[:after]:
        writer.add(item)
    if end == "stopped":
        writer.stop()
    if end == "done":
        for item in found:
            writer.add(item)
        writer.finish()


@given(
    count=st.integers(0, len(OUTCOMES)),
    sittings=st.lists(st.tuples(st.sampled_from(["stopped", "killed"]), st.integers(0, len(OUTCOMES))), max_size=3),
    rng=st.randoms(use_true_random=False),
)
@settings(max_examples=25, deadline=None)
def test_any_order_and_any_interruptions_give_the_files_of_a_run_in_one_go(
    count: int, sittings: list[tuple[str, int]], rng: random.Random, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outcomes = OUTCOMES[:count]
    whole, broken = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("broken")
    with BlockWriter(dataset_in(whole)) as writer:
        for item in outcomes:
            writer.add(item)
    dataset = dataset_in(broken)
    for end, after in sittings:
        sit(dataset, outcomes, rng, end=end, after=after)
    sit(dataset, outcomes, rng, end="done", after=0)
    assert contents(broken) == contents(whole)


def test_samples_come_back_in_the_order_of_the_input_and_rejections_apart(tmp_path: Path) -> None:
    dataset = dataset_in(tmp_path)
    sit(dataset, OUTCOMES, random.Random(3), end="done", after=0)
    assert list(dataset.samples()) == [o.sample for o in OUTCOMES if not o.rejection]
    assert list(dataset.rejections()) == [(o.rejection, o.sample) for o in OUTCOMES if o.rejection]


def test_a_second_stop_keeps_what_the_first_one_kept(tmp_path: Path) -> None:
    dataset = dataset_in(tmp_path)
    for finished in (OUTCOMES[:10], OUTCOMES[20:30]):
        writer = BlockWriter(dataset)
        for item in finished:
            writer.add(item)
        writer.stop()
    kept = dataset.partial_outcomes(0)
    assert sorted(kept) == [o.sample.index for o in (*OUTCOMES[:10], *OUTCOMES[20:30]) if o.sample]
    assert kept[0] == (OUTCOMES[0].sample, OUTCOMES[0].rejection)


def test_a_block_that_could_not_be_written_is_not_there_twice_after_a_kill(tmp_path: Path) -> None:
    dataset = dataset_in(tmp_path)
    writer = BlockWriter(dataset)
    writer.add(OUTCOMES[1])
    writer.stop()
    in_the_way = tmp_path / "samples" / "part-00000.parquet"
    in_the_way.mkdir()
    with pytest.raises(IsADirectoryError):
        dataset.write(0, OUTCOMES[:BLOCK])
    in_the_way.rmdir()
    assert list(dataset.samples()) == []
    dataset.write(0, OUTCOMES[:BLOCK])
    assert len(list(dataset.samples())) + len(list(dataset.rejections())) == BLOCK


def test_an_error_in_the_block_keeps_what_was_finished(tmp_path: Path) -> None:
    dataset = dataset_in(tmp_path)

    def break_off() -> None:
        with BlockWriter(dataset) as writer:
            writer.add(OUTCOMES[1])
            raise RuntimeError("the endpoint went")

    with pytest.raises(RuntimeError, match="the endpoint went"):
        break_off()
    assert not dataset.has(0)
    assert list(dataset.partial_outcomes(0).values()) == [(OUTCOMES[1].sample, None)]


def test_an_empty_set_is_one_empty_block(tmp_path: Path) -> None:
    dataset = dataset_in(tmp_path)
    BlockWriter(dataset).finish()
    assert dataset.has(0)
    assert list(dataset.samples()) == []


def test_a_dataset_that_is_replaced_holds_only_the_new_samples(tmp_path: Path) -> None:
    dataset = dataset_in(tmp_path)
    for outcomes in (OUTCOMES, OUTCOMES[:3]):
        with dataset.replacement() as writer:
            for item in outcomes:
                writer.add(item)
    assert list(dataset.samples()) == [o.sample for o in OUTCOMES[1:3]]
    assert list(dataset.rejections()) == [(OUTCOMES[0].rejection, OUTCOMES[0].sample)]


def test_a_replacement_goes_to_disk_as_it_comes_and_takes_its_place_only_when_whole(tmp_path: Path) -> None:
    dataset = dataset_in(tmp_path)
    with dataset.replacement() as writer:
        writer.add(OUTCOMES[1])

    def break_off() -> None:
        with dataset.replacement() as writer:
            for item in OUTCOMES[: BLOCK + 1]:
                writer.add(item)
            assert writer.written == BLOCK
            raise RuntimeError("the endpoint went")

    before = contents(tmp_path)
    with pytest.raises(RuntimeError, match="the endpoint went"):
        break_off()
    assert contents(tmp_path) == before
