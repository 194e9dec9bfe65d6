"""A sample of a dataset, matched and shuffled, for a student to be tried on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflect.errors import DataError
from preflect.recipes.calibrate import calibration, matched_and_shuffled, sample_pairs
from preflect.recipes.score import DatasetPair, PairScores
from preflect.schemas import Instruction, Message, Response


def pair(question: str, answer: str, name: str = "") -> DatasetPair:
    instruction = Instruction(messages=(Message(role="user", content=question),))
    response = Response(instruction_id=instruction.id, text=answer, origin="dataset")
    return DatasetPair(id=name or question, instruction=instruction, response=response)


def line(ifd_ppl: float | None, reason: str | None = None) -> PairScores:
    return PairScores(id="", ifd_ppl=ifd_ppl, reason=reason, student="s", revision="1", template="gpt2")


def text(one: DatasetPair) -> str:
    assert one.response
    return one.response.text


DIFFERENT = [pair(f"Question {n}?", f"Answer {n}.") for n in range(50)]
texts = st.sampled_from("abc")


def test_a_sample_is_drawn_once_from_all_rows_in_their_order() -> None:
    silent = DatasetPair(id="bad", reason="unscorable:no_response")
    drawn = sample_pairs([silent, *DIFFERENT], 10, seed=1)
    ids = [one.id for one in drawn]
    assert len(set(ids)) == 10
    assert ids == [one.id for one in DIFFERENT if one.id in ids]
    assert drawn == sample_pairs(DIFFERENT, 10, seed=1) != sample_pairs(DIFFERENT, 10, seed=2)
    assert sample_pairs(DIFFERENT, 80, seed=1) == DIFFERENT


def test_every_row_has_the_same_chance_to_be_drawn() -> None:
    drawn = [one.id for seed in range(2000) for one in sample_pairs(DIFFERENT[:5], 2, seed=seed)]
    # 800 each, and four standard deviations of a binomial are 88.
    assert all(abs(drawn.count(one.id) - 800) < 88 for one in DIFFERENT[:5])


def test_each_response_is_set_beside_one_other_instruction() -> None:
    both = matched_and_shuffled(DIFFERENT, seed=3)
    assert both[:50] == DIFFERENT
    assert [one.instruction for one in both[50:]] == [one.instruction for one in DIFFERENT]
    assert sorted(map(text, both[50:])) == sorted(map(text, DIFFERENT))
    assert not any(text(one) == text(other) for one, other in zip(both[:50], both[50:], strict=True))


@given(st.lists(st.tuples(texts, texts), min_size=1), st.integers(0, 5))
def test_a_shuffled_pair_is_never_one_that_belongs_together(rows: list[tuple[str, str]], seed: int) -> None:
    pairs = [pair(*row) for row in rows]
    try:
        both = matched_and_shuffled(pairs, seed=seed)
    except DataError:
        assert any(all(a == x or b == y for x, y in rows) for a, b in rows)
        return
    for (_, own), shuffled in zip(rows, both[len(rows) :], strict=True):
        assert text(shuffled) != own


def test_rows_that_are_all_alike_cannot_be_shuffled() -> None:
    with pytest.raises(DataError, match=r"row b finds none that differs .* different instructions and responses"):
        matched_and_shuffled([pair("?", "Yes.", "a"), pair("?", "No.", "b")][::-1], seed=0)


def test_a_row_without_one_of_its_scores_is_left_out_of_both_sides() -> None:
    found = calibration([line(0.5), line(None, "unscorable:empty"), line(0.7), line(1.5), line(1.0), line(0.6)])
    assert found.sampled == 3
    assert [*found.scores] == ["ifd_ppl"]
    # 0.5 is below 1.5 and 0.6, 0.7 below 1.5 alone.
    assert (found.scores["ifd_ppl"].pairs, found.scores["ifd_ppl"].auc) == (2, 0.75)


@pytest.mark.parametrize("lines", [[], [line(None, "unscorable:empty")] * 4])
def test_without_any_score_there_is_nothing_to_say(lines: list[PairScores]) -> None:
    with pytest.raises(DataError, match=f"none of {len(lines) // 2} sampled pairs has a score"):
        calibration(lines)
