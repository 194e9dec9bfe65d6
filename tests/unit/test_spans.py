"""Which tokens are scored: cut texts, missing BOS, words that merge with the prompt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflect.errors import UnscorableError
from preflect.scoring.spans import Pass, passes_after_bos, passes_without_bos, scored_length

BOS = 0


def test_after_bos_every_token_of_the_target_is_scored_in_both_passes() -> None:
    passes = passes_after_bos([BOS, 7, 8], [BOS, 7, 8, 1, 2, 3], [BOS, 1, 2, 3], bos=1, max_length=100)
    assert passes == (Pass((BOS, 7, 8, 1, 2, 3), 3), Pass((BOS, 1, 2, 3), 1))


def test_after_bos_both_passes_end_where_the_joint_text_is_cut() -> None:
    conditioned, alone = passes_after_bos([BOS, 7, 8], [BOS, 7, 8, 1, 2, 3], [BOS, 1, 2, 3], bos=1, max_length=5)
    assert conditioned.ids[conditioned.first :] == alone.ids[alone.first :] == (1, 2)


def test_after_bos_a_word_that_merges_with_the_prompt_is_masked_with_it() -> None:
    # The target's first token became one with the prompt's last: the count differs by one, as in the originals.
    conditioned, alone = passes_after_bos([BOS, 7], [BOS, 71, 2, 3], [BOS, 1, 2, 3], bos=1, max_length=100)
    assert (conditioned.tokens, alone.tokens) == (2, 3)


def test_without_bos_the_first_token_is_left_out_of_both_passes() -> None:
    conditioned, alone = passes_without_bos([7, 8], [7, 8, 1, 2, 3], [1, 2, 3], max_length=100)
    assert (conditioned, alone) == (Pass((7, 8, 1, 2, 3), 3), Pass((1, 2, 3), 1))


def test_without_bos_a_merged_word_leaves_the_tokens_that_both_passes_share() -> None:
    conditioned, alone = passes_without_bos([7], [71, 2, 3], [1, 2, 3], max_length=100)
    assert (conditioned, alone) == (Pass((71, 2, 3), 1), Pass((1, 2, 3), 1))


@given(
    st.lists(st.integers(1, 9), max_size=8),
    st.lists(st.integers(1, 9), min_size=3, max_size=8),
    st.integers(min_value=3, max_value=10),
)
def test_without_bos_both_passes_score_the_same_tokens(prompt: list[int], target: list[int], room: int) -> None:
    longest = len(prompt) + room
    conditioned, alone = passes_without_bos(prompt, [*prompt, *target], target, max_length=longest)
    assert conditioned.ids[conditioned.first :] == alone.ids[alone.first :] == tuple(target[1:room])
    assert len(conditioned.ids) <= longest


@given(st.lists(st.integers(1, 9), min_size=3, max_size=8))
def test_without_a_prompt_both_passes_are_the_same(target: list[int]) -> None:
    assert len(set(passes_without_bos([], target, target, max_length=50))) == 1
    with_bos = [BOS, *target]
    assert len(set(passes_after_bos([BOS], with_bos, with_bos, bos=1, max_length=50))) == 1


@pytest.mark.parametrize(
    ("length", "room", "reason"),
    [
        (0, 9, "unscorable:empty"),
        (1, 9, "unscorable:one_token"),
        (5, 1, "unscorable:cut_away"),
        (5, -3, "unscorable:cut_away"),
    ],
)
def test_fewer_than_two_tokens_are_no_score(length: int, room: int, reason: str) -> None:
    with pytest.raises(UnscorableError, match=reason):
        scored_length(length, room)


def test_one_scored_token_is_no_score_behind_bos() -> None:
    # Of three tokens the prompt took two: one is left that could be scored.
    with pytest.raises(UnscorableError, match="merged_with_prompt"):
        passes_after_bos([BOS, 7, 8], [BOS, 7, 81, 3], [BOS, 1, 2, 3], bos=1, max_length=9)
    both = passes_after_bos([BOS, 7, 8], [BOS, 7, 81, 3, 4], [BOS, 1, 2, 3, 4], bos=1, max_length=9)
    assert [one.tokens for one in both] == [2, 4]


def test_one_scored_token_is_no_score_without_bos() -> None:
    # The first of two is predicted by nothing, so one is left.
    with pytest.raises(UnscorableError, match="one_token"):
        passes_without_bos([7], [7, 1, 2], [1, 2], max_length=9)
    assert [one.tokens for one in passes_without_bos([7], [7, 1, 2, 3], [1, 2, 3], max_length=9)] == [2, 2]
    # Cut to two of three, of which again the first is left out.
    with pytest.raises(UnscorableError, match="cut_away"):
        passes_without_bos([7], [7, 1, 2, 3], [1, 2, 3], max_length=3)
    assert [one.tokens for one in passes_without_bos([7], [7, 1, 2, 3], [1, 2, 3], max_length=4)] == [2, 2]
    # Its first two became one with the prompt.
    with pytest.raises(UnscorableError, match="merged_with_prompt"):
        passes_without_bos([7], [71, 3], [1, 2, 3], max_length=9)


def test_a_target_that_wholly_merges_with_the_prompt_is_no_score() -> None:
    with pytest.raises(UnscorableError, match="merged_with_prompt"):
        passes_after_bos([BOS, 7], [BOS, 71], [BOS, 1, 2], bos=1, max_length=9)
    with pytest.raises(UnscorableError, match="merged_with_prompt"):
        passes_without_bos([7], [71, 5], [1, 2, 3], max_length=9)
