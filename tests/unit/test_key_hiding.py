"""A key that an endpoint quotes is hidden, however JSON spells it."""

from __future__ import annotations

import json

from hypothesis import assume, given
from hypothesis import strategies as st

from preflect.adapters.key_hiding import without_key

KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=2, max_size=20)


@st.composite
def spelt(draw: st.DrawFn) -> tuple[str, bytes]:
    """A key, and one of the ways in which JSON may spell it."""
    key = draw(KEYS)
    return key, b"".join(draw(st.sampled_from(ways_of(char))) for char in key)


def ways_of(char: str) -> list[bytes]:
    numbers = [rb"\u%04x" % ord(char), rb"\u%04X" % ord(char)]
    escaped = [b"\\" + char.encode()] if char in '"\\/' else []
    return [char.encode(), *numbers, *escaped]


@given(spelt())
def test_every_spelling_of_a_key_is_hidden(case: tuple[str, bytes]) -> None:
    key, spelling = case
    assert without_key(b"<\x00" + spelling + b"\x00>", key) == b"<\x00***\x00>"


@given(KEYS, st.text())
def test_a_body_without_the_key_stays_as_it_is(key: str, text: str) -> None:
    body = json.dumps(text, ensure_ascii=False)
    assume(key not in text and key not in body)
    raw = body.encode("utf-8", "surrogatepass")
    assert without_key(raw, key) == raw


def test_no_key_and_one_of_a_single_letter_hide_nothing() -> None:
    assert (without_key(b"a body", ""), without_key(b"a body", "a")) == (b"a body", b"a body")
