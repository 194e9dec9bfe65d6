"""The filters of the literature: what they keep, why the others go, and how the few that stand for all are found."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflect.curation.choice import Filter, FilterName, Left
from preflect.curation.filter_stage import FilterSamples
from preflect.ports import Dropped, NllPair, ScoreQuery
from preflect.recipes.score import DatasetPair, score_dataset
from preflect.schemas import Sample
from preflect.scoring.facility_location import Vectors, facility_location
from preflect.scoring.hashed_text import HashedText

MakeSample = Callable[..., Sample]
TWO_TOPICS = ["red apples", "red apples taste", "red apples fall", "blue whales", "blue whales sing"]
numbers = st.integers(min_value=-3, max_value=3)
tables = st.lists(st.lists(numbers, min_size=2, max_size=2), min_size=1, max_size=7)


def chosen(by: FilterName, keep: float, scores: Sequence[float | str], pool: float = 0.2) -> list[Left | None]:
    texts = [TWO_TOPICS[row % 5] for row in range(len(scores))]
    return Filter(by=by, keep=keep, pool=pool, embedder=HashedText()).choose(
        scores, lambda rows: [texts[r] for r in rows]
    )


def kept(fates: Sequence[Left | None]) -> list[int]:
    return [row for row, fate in enumerate(fates) if fate is None]


def test_the_highest_below_one_are_kept_and_the_others_say_why_not() -> None:
    fates = chosen("superfiltering", 0.4, [0.9, 1.0, 0.3, "unscorable:empty", 0.95])
    assert fates == [
        None,
        Left("not_below_one", "ifd_ppl 1.0000; it must be below 1"),
        Left("not_top", "ifd_ppl 0.3000; the 2 highest go on"),
        Left("unscorable", "unscorable:empty"),
        None,
    ]


def test_the_share_is_of_all_rows_and_of_equal_rows_the_earlier_is_kept() -> None:
    assert kept(chosen("cherry", 0.1, [0.5] * 30)) == [0, 1, 2]
    assert kept(chosen("cherry", 0.5, [1.5, 0.5, 2.0, "unscorable:cut_away"])) == [1]
    assert kept(chosen("cherry", 0.01, [0.5, 0.6])) == [1]
    assert chosen("cherry", 0.5, []) == []


def test_of_the_pool_those_are_kept_that_stand_for_the_rest() -> None:
    fates = chosen("superfiltering_d", 0.2, [0.95, 0.94, 0.93, 0.92, 0.91, *[0.2] * 5], pool=0.5)
    assert len(kept(fates)) == 2
    # By score alone it would be two rows about apples.
    assert {row < 3 for row in kept(fates)} == {True, False}
    assert [fate.reason for fate in fates if fate] == ["not_diverse"] * 3 + ["not_top"] * 5


scores = st.lists(st.one_of(st.floats(0.01, 2), st.just("unscorable:empty")), max_size=30)


@given(scores, st.sampled_from(["cherry", "superfiltering", "superfiltering_d"]), st.floats(0.01, 1))
def test_never_more_than_the_share_and_no_row_that_is_not_below_one(
    values: list[float | str], by: FilterName, keep: float
) -> None:
    fates = chosen(by, keep, values)
    rows = kept(fates)
    assert len(fates) == len(values)
    below = [value for value in values if not isinstance(value, str) and value < 1]
    assert len(rows) == min(max(round(keep * len(values)), 1), len(below))
    assert all(values[row] in below for row in rows)
    if by != "superfiltering_d":
        assert sorted((values[row] for row in rows), key=str) == sorted(
            sorted(below)[len(below) - len(rows) :], key=str
        )


def value_of(vectors: Vectors, rows: Sequence[int]) -> float:
    return float(np.maximum(vectors @ vectors[[*rows]].T, 0).max(axis=1, initial=0).sum()) if rows else 0.0


@given(tables, st.integers(1, 4))
def test_each_choice_is_the_one_that_adds_most_and_the_first_of_equals(table: list[list[int]], count: int) -> None:
    # Whole numbers, so that sums are exact in any order.
    vectors = np.array(table, dtype=np.float64)
    picks = facility_location(vectors, count)
    assert len(picks) == min(count, len(table))
    for place, pick in enumerate(picks):
        others = [row for row in range(len(table)) if row not in picks[:place]]
        assert pick == max(others, key=lambda row: (value_of(vectors, [*picks[:place], row]), -row))


@given(tables, st.integers(1, 4))
def test_the_greedy_choice_is_near_the_best(table: list[list[int]], count: int) -> None:
    vectors = np.array(table, dtype=np.float64)
    best = max(value_of(vectors, rows) for rows in combinations(range(len(table)), min(count, len(table))))
    assert value_of(vectors, facility_location(vectors, count)) >= (1 - 1 / math.e) * best


def test_texts_are_alike_by_the_words_they_share() -> None:
    vectors = HashedText().embed([*TWO_TOPICS, ""])
    assert np.linalg.norm(vectors, axis=1).tolist() == pytest.approx([1, 1, 1, 1, 1, 0])
    assert vectors[0] @ vectors[1] > 0.5
    assert abs(vectors[0] @ vectors[3]) < 0.2
    assert HashedText().embed(["a b"]).tolist() == HashedText().embed(["A B"]).tolist()


@dataclass(frozen=True)
class LengthStudent:
    """Finds longer responses harder: those of `full` characters have a ratio of 1."""

    full: int = 10
    name: str = "length"
    revision: str = "1"
    template: str = "gpt2"
    noise: float = 0.0
    asked: list[str] = field(default_factory=list[str])

    async def score(self, query: ScoreQuery) -> NllPair:
        self.asked.append(query.response)
        conditioned = 4 + math.log(len(query.response) / self.full)
        return NllPair(conditioned=conditioned, unconditioned=4, conditioned_tokens=9, unconditioned_tokens=9)


async def test_as_a_stage_it_keeps_samples_with_their_scores_and_rejects_the_others(make_sample: MakeSample) -> None:
    samples = [make_sample(f"Question {n}?", "x" * n, index=n) for n in (4, 9, 10, 8)] + [make_sample("Silent?")]
    student = LengthStudent()
    stage = FilterSamples(
        student=student, filter=Filter(by="superfiltering", keep=0.4, embedder=HashedText()), name="filter"
    )
    out = [outcome async for outcome in stage.run_all(samples)]
    assert [sample.id for sample in out if isinstance(sample, Sample)] == [samples[1].id, samples[3].id]
    rejections = [one.rejection for one in out if isinstance(one, Dropped)]
    assert [(one.sample_id, one.stage, one.cause) for one in rejections] == [
        (samples[n].id, "filter", "filter") for n in (0, 2, 4)
    ]
    assert [one.reason for one in rejections] == ["not_top", "not_below_one", "unscorable"]
    first = out[1]
    assert isinstance(first, Sample)
    assert [(score.metric, score.value) for score in first.scores] == [
        ("ifd_ppl", pytest.approx(0.9)),
        ("ifd_loss", pytest.approx(1 + math.log(0.9) / 4)),
    ]
    assert len(student.asked) == 4
    again = FilterSamples(student=student, filter=Filter(by="cherry", keep=1.0, embedder=HashedText()))
    assert [outcome async for outcome in again.run_all([first])] == [first]
    assert len(student.asked) == 4


@dataclass(frozen=True)
class HalfPrecisionStudent(LengthStudent):
    """Off by 0.03, unless it is asked to be exact."""

    noise: float = 0.05

    async def score(self, query: ScoreQuery) -> NllPair:
        pair = await super().score(query)
        return pair if query.exact else replace(pair, conditioned=(pair.conditioned or 0) + 0.03)


@pytest.mark.parametrize(("length", "goes_on"), [(98, True), (101, False)])
async def test_a_score_that_noise_could_carry_across_one_is_computed_exactly_as_on_the_command_line(
    make_sample: MakeSample, length: int, goes_on: bool
) -> None:
    student = HalfPrecisionStudent(full=100)
    sample = make_sample("Question?", "x" * length)
    stage = FilterSamples(student=student, filter=Filter(by="superfiltering", keep=1.0, embedder=HashedText()))
    [out] = [outcome async for outcome in stage.run_all([sample])]
    assert isinstance(out, Sample) is goes_on
    told = out.sample if isinstance(out, Dropped) else out
    assert isinstance(told, Sample)
    pair = DatasetPair(id="1", instruction=sample.instruction, response=sample.responses[0])
    [line] = [scores async for scores in score_dataset([pair], student)]
    assert told.scores[0].value == line.ifd_ppl == pytest.approx(length / 100)
