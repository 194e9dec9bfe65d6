"""What a text finds is what a look at every record finds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
import sqlite_search
from argilla_database import Store
from argilla_server.database import sync_engine
from argilla_server.search_engine import TextQuery
from hypothesis import given
from hypothesis import strategies as st
from sqlite_search.words import words

VOCABULARY = ["cat", "dog", "Naïve", "東京", "x1", "straße", "ก", "it's", "C++", "a_b"]
texts = st.lists(st.sampled_from(VOCABULARY), max_size=6).map(" ".join)
Test = Callable[[list[str]], bool]


def has(looked_for: str) -> Test:
    """Whether one of a record's texts has these words in a row."""
    return lambda values: any(f" {words(looked_for)} " in f" {words(value)} " for value in values)


phrases = st.lists(st.sampled_from(VOCABULARY[:6]), min_size=1, max_size=2).map(" ".join)
leaves = st.one_of(
    st.sampled_from(VOCABULARY).map(lambda word: (word, has(word))),
    phrases.map(lambda phrase: (f'"{phrase}"', has(phrase))),
)


def combined(parts: st.SearchStrategy[tuple[str, Test]]) -> st.SearchStrategy[tuple[str, Test]]:
    pairs = st.tuples(parts, parts)
    return st.one_of(
        parts.map(lambda p: (f"-({p[0]})", lambda values: not p[1](values))),
        pairs.map(lambda p: (f"({p[0][0]}) ({p[1][0]})", lambda values: p[0][1](values) and p[1][1](values))),
        pairs.map(lambda p: (f"({p[0][0]}) + ({p[1][0]})", lambda values: p[0][1](values) and p[1][1](values))),
        pairs.map(lambda p: (f"({p[0][0]}) | ({p[1][0]})", lambda values: p[0][1](values) or p[1][1](values))),
    )


queries = st.recursive(leaves, combined, max_leaves=6)


@given(st.lists(st.tuples(texts, texts), max_size=8), st.lists(queries, min_size=1, max_size=5))
def test_any_query_finds_what_a_look_at_every_record_finds(
    store: Store, rows: list[tuple[str, str]], asked: list[tuple[str, Test]]
) -> None:
    dataset = store.dataset(one="text", two="text")
    records = {store.record(dataset, one=one, two=two): [one, two] for one, two in rows}
    for query, holds in asked:
        assert store.found(dataset, query) == {record for record, values in records.items() if holds(values)}, query
        in_field = {record for record, values in records.items() if holds(values[:1])}
        assert store.found(dataset, TextQuery(q=query, field="one")) == in_field, query


changes = st.lists(st.tuples(st.sampled_from(["add", "change", "remove"]), st.integers(0, 9), texts), max_size=15)


@given(changes, st.sampled_from(["", "VACUUM", "start"]))
def test_after_any_changes_the_index_is_the_table(store: Store, done: list[tuple[str, int, str]], then: str) -> None:
    dataset = store.dataset(one="text")
    records: dict[UUID, str] = {}
    for what, which, text in done:
        chosen = list(records)[which % len(records)] if records else None
        if what == "add":
            records[store.record(dataset, one=text)] = text
        elif chosen and what == "change":
            store.change(chosen, fields={"one": text})
            records[chosen] = text
        elif chosen:
            store.remove(chosen)
            del records[chosen]
    if then == "VACUUM":
        with sync_engine.connect() as connection:
            connection.exec_driver_sql("VACUUM")
    if then:
        sqlite_search.prepare(sync_engine)
    for word in VOCABULARY:
        assert store.found(dataset, word) == {record for record, text in records.items() if has(word)([text])}


@given(st.text() | st.text(alphabet='ab"*()|+-~:^{}\\ \x00ก', max_size=40))
def test_nothing_that_is_typed_is_an_error_and_its_negation_finds_the_others(store: Store, typed: str) -> None:
    dataset = shared(store)
    everything = store.found(dataset)
    found = store.found(dataset, typed)
    assert found <= everything
    balanced = not set(typed) & set('()"|')
    if balanced and words(typed) and not typed.lstrip().startswith("-") and " -" not in typed:
        assert store.found(dataset, f"-({typed})") == everything - found


@pytest.mark.parametrize(
    "typed",
    [
        '"',
        '""',
        "(",
        ")",
        "-",
        "--",
        "*",
        "|",
        "+",
        "NOT",
        "AND OR",
        "NEAR(a b)",
        "a:b",
        "{a}:b",
        "^a",
        "a~2",
        '"a b"~3',
        "-" * 999,
        "(" * 500 + "a" + ")" * 500,
        "a " * 5000,
        "-(a | " * 60,
        "a" * 100_000,
        "東" * 3000,
    ],
)
def test_signs_of_fts5_and_of_elasticsearch_are_not_errors(store: Store, typed: str) -> None:
    store.found(shared(store), typed)


_shared: list[UUID] = []


def shared(store: Store) -> UUID:
    if not _shared:
        _shared.append(store.dataset(one="text"))
        for text in ["a", "b a", "", "NEAR AND OR NOT", "ก"]:
            store.record(_shared[0], one=text)
    return _shared[0]


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("Das Café in München", "munchen cafe"),
        ("我在東京都工作", "東京"),
        ("ひらがなカタカナ", "カタカナ"),
        ("ฉันรักภาษาไทย", "ภาษา"),
        ("\uff26\uff35\uff2c\uff2c width", "full"),
        ("a state-of-the-art model", "state-of-the-art"),
        ("a state of the art model", "state-of-the-art"),
        ("run `pip install x`", "pip*"),
        ("Straße", "STRASSE"),
        ("the flag --verbose", "--verbose"),
        ("before - after", "before - after"),
        ("3.14 is pi", "3.14"),
    ],
)
def test_a_text_is_found_by_what_a_person_would_type(store: Store, text: str, typed: str) -> None:
    dataset = store.dataset(one="text")
    assert store.found(dataset, typed) == set()
    assert store.found(dataset, typed) | {store.record(dataset, one=text)} == store.found(dataset, typed)


def test_and_binds_closer_than_or(store: Store) -> None:
    dataset = store.dataset(one="text")
    a, bc = store.record(dataset, one="a"), store.record(dataset, one="b c")
    store.record(dataset, one="c")
    assert store.found(dataset, "a | b c") == store.found(dataset, "c + b | a") == {a, bc}


def test_a_chat_is_found_by_what_was_said_and_a_custom_field_by_its_values(store: Store) -> None:
    dataset = store.dataset(talk="chat", more="custom", seen="image")
    record = store.record(
        dataset,
        talk=[{"role": "user", "content": "Hello world"}, {"role": "assistant", "content": "Hi"}],
        more={"key": {"deep": ["value", 100]}},
        seen="data:image/png;base64,abc",
    )
    for typed in ["world", "hi", "value", "100", TextQuery(q="hello", field="talk"), TextQuery(q=100, field="more")]:
        assert store.found(dataset, typed) == {record}
    for typed in ["assistant", "abc", TextQuery(q="abc", field="seen"), TextQuery(q="value", field="talk")]:
        assert store.found(dataset, typed) == set()


def test_a_dataset_of_images_alone_can_be_searched(store: Store) -> None:
    dataset = store.dataset(seen="image")
    record = store.record(dataset, seen="http://x")
    assert store.found(dataset, "x") == set()
    assert store.found(dataset) == store.found(dataset, "-x") == {record}


def test_the_best_match_comes_first_and_a_sort_takes_its_place(store: Store) -> None:
    dataset = store.dataset(one="text")
    weak = store.record(dataset, one="cat " + "dog " * 30)
    strong = store.record(dataset, one="cat cat")
    scores: list[Any] = [(item.record_id, item.score) for item in store.search(dataset, "cat").items]
    assert [record for record, _ in scores] == [strong, weak]
    assert scores[0][1] > scores[1][1] > 0
