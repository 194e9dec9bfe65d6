import random
from itertools import starmap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflect.scoring.near_duplicates import NearDuplicates, rouge_l, words

texts = st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), max_size=9).map(" ".join) | st.text(max_size=20)


def test_rouge_l_by_hand() -> None:
    # Common subsequence "the cat sat on mat": 5 of 6 words and 5 of 5, 2·5 / 11.
    assert rouge_l("The cat sat on the mat.", "the cat sat on mat") == pytest.approx(10 / 11)


def test_word_order_counts() -> None:
    assert rouge_l("one two three", "three two one") == pytest.approx(1 / 3)


def test_nothing_in_common_is_zero() -> None:
    assert rouge_l("red green", "blue") == 0.0


def test_case_and_punctuation_do_not_count() -> None:
    assert rouge_l("Is it so?", "is IT so!") == 1.0


def test_scripts_without_spaces_are_compared_by_character() -> None:
    assert words("水を沸かす tea") == ["水", "を", "沸", "か", "す", "tea"]
    assert rouge_l("水を沸かす", "水を冷やす") == pytest.approx(6 / 10)


@given(texts)
def test_identical_texts_have_similarity_one(text: str) -> None:
    assert rouge_l(text, text) == 1.0


@given(texts, texts)
def test_similarity_is_symmetric_and_between_zero_and_one(one: str, other: str) -> None:
    assert rouge_l(one, other) == rouge_l(other, one)
    assert 0.0 <= rouge_l(one, other) <= 1.0


@given(st.lists(texts, max_size=12), texts, st.sampled_from([0.05, 0.3, 0.5, 2 / 3, 0.7, 0.9, 1.0]))
def test_the_search_finds_what_comparing_with_every_text_finds(kept: list[str], text: str, limit: float) -> None:
    index = NearDuplicates(limit)
    for place, other in enumerate(kept):
        index.add(f"t{place}", other)
    scored = [
        (rouge_l(text, other), -place)
        for place, other in enumerate(kept)
        if rouge_l(text, other) > limit or text == other
    ]
    best = max(scored, default=None)
    assert index.nearest(text) == (None if best is None else (best[0], f"t{-best[1]}"))


def test_the_limit_itself_is_not_above_the_limit() -> None:
    index = NearDuplicates(0.5)
    index.add("kept", "a b")
    assert rouge_l("a b", "a c") == 0.5
    assert index.nearest("a c") is None


def test_the_oldest_of_equals_is_named() -> None:
    index = NearDuplicates(0.5)
    index.add("first", "a b c x")
    index.add("second", "a b c y")
    assert index.nearest("a b c z") == (0.75, "first")


def test_two_thousand_texts_are_searched_as_comparing_each_would() -> None:
    rng = random.Random(3)
    vocabulary = [f"w{n}" for n in range(300)]
    made = [" ".join(rng.choices(vocabulary, k=rng.randint(3, 30))) for _ in range(2000)]
    index = NearDuplicates(0.7)
    for place, text in enumerate(made):
        index.add(str(place), text)
    for place in rng.sample(range(2000), 20):
        changed = f"{made[place]} extra"
        expected = max(starmap(rouge_l, ((changed, text) for text in made)))
        found = index.nearest(changed)
        assert (found[0] if found else None) == (expected if expected > 0.7 else None)
