"""The laws of the byte model: a proper distribution, the chain rule, and that it learns."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preflect.scoring.ppm import ByteModel

MODEL = ByteModel()
orders = st.sampled_from([ByteModel(1), ByteModel(3), MODEL, ByteModel(12)])
texts = st.one_of(st.binary(max_size=60), st.text(alphabet="ab ", max_size=60).map(str.encode))
some_text = texts.filter(bool)


@settings(max_examples=15, deadline=None)
@given(orders, texts)
def test_the_probabilities_of_all_bytes_sum_to_1_after_any_text(model: ByteModel, before: bytes) -> None:
    probabilities = [math.exp(-model.nll(before, bytes([byte]))) for byte in range(256)]
    assert min(probabilities) > 0
    assert math.fsum(probabilities) == pytest.approx(1.0, abs=1e-9)


@settings(deadline=None)
@given(orders, texts, some_text, some_text)
def test_a_text_costs_the_sum_of_its_parts(model: ByteModel, prompt: bytes, x: bytes, y: bytes) -> None:
    whole = model.nll(prompt, x + y) * len(x + y)
    parts = model.nll(prompt, x) * len(x) + model.nll(prompt + x, y) * len(y)
    assert whole == pytest.approx(parts, rel=1e-12)


@settings(deadline=None)
@given(texts, some_text)
def test_scoring_leaves_nothing_behind(prompt: bytes, target: bytes) -> None:
    first = MODEL.nll(prompt, target)
    MODEL.nll(target, b"something else entirely")
    assert MODEL.nll(prompt, target) == first == ByteModel().nll(prompt, target)


def test_the_first_byte_of_an_order_1_model_costs_what_the_formula_says() -> None:
    # The plain text ends with two line breaks, so the context of the first byte is a line break. Counted by hand here,
    # then blended with the share DISCOUNT * kinds / total of what the empty context and 256 equal bytes say.
    from preflect.scoring.plain_text import PLAIN_TEXT
    from preflect.scoring.ppm import DISCOUNT

    text = PLAIN_TEXT.encode()
    followers = [after for before, after in pairwise(text) if before == ord("\n")]
    byte = ord("-")
    equal = 1 / 256
    empty = (text.count(byte) - DISCOUNT + DISCOUNT * len(set(text)) * equal) / len(text)
    expected = (followers.count(byte) - DISCOUNT + DISCOUNT * len(set(followers)) * empty) / len(followers)
    assert math.exp(-ByteModel(1).nll(b"", b"-")) == pytest.approx(expected, rel=1e-12)


def test_a_prompt_that_holds_the_words_makes_them_cheap() -> None:
    target = b"Zanzibar exports cloves."
    related = MODEL.nll(b"What does Zanzibar export? Cloves?", target)
    unrelated = MODEL.nll(b"Name three kinds of bread, please.", target)
    assert related < 0.6 * unrelated


def test_plain_english_costs_far_less_than_noise_before_anything_was_read() -> None:
    english = b"The children were happy with the answer and went home."
    noise = bytes((37 * i * i + 11 * i) % 256 for i in range(len(english)))
    assert MODEL.nll(b"", english) < 2.7
    assert MODEL.nll(b"", noise) > 6


def test_no_target_has_no_mean() -> None:
    with pytest.raises(ValueError, match="target is empty"):
        MODEL.nll(b"prompt", b"")


def test_the_revision_names_the_order() -> None:
    assert ByteModel(5).revision == MODEL.revision != ByteModel(4).revision
