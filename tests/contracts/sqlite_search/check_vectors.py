"""Similarity: (1 + cosine) / 2, by hand, and never stale."""

from __future__ import annotations

import pytest
from argilla_database import Store
from argilla_server.enums import SimilarityOrder
from argilla_server.errors.future import UnprocessableEntityError
from argilla_server.search_engine import MetadataFilterScope, TermsFilter
from hypothesis import given
from hypothesis import strategies as st

numbers = st.floats(-10, 10, width=32).filter(lambda x: abs(x) > 1e-3)


def test_scores_by_hand(store: Store) -> None:
    dataset = store.dataset(one="text")
    same, right, opposite = (store.record(dataset, {"source": s}, one=f"cat {s}") for s in "abc")
    for record, value in ((same, [2, 0, 0]), (right, [0, 3, 0]), (opposite, [-1, 0, 0])):
        store.vector(record, value)
    assert store.similar(dataset, value=[1.0, 0, 0]) == [(same, 1.0), (right, 0.5), (opposite, 0.0)]
    assert store.similar(dataset, record=same, max_results=1) == [(right, 0.5)]
    least = store.similar(dataset, value=[1.0, 0, 0], order=SimilarityOrder.least_similar, max_results=1)
    assert least == [(opposite, 1.0)]
    assert store.similar(dataset, value=[1.0, 0, 0], threshold=0.5) == [(same, 1.0), (right, 0.5)]
    only_b = TermsFilter(MetadataFilterScope("source"), ["b"])
    assert store.similar(dataset, value=[1.0, 0, 0], filter=only_b) == [(right, 0.5)]
    assert store.similar(dataset, value=[1.0, 0, 0], query="cat -a") == [(right, 0.5), (opposite, 0.0)]


@given(st.lists(numbers, min_size=3, max_size=3))
def test_a_vector_is_wholly_similar_to_itself_whatever_float32_makes_of_it(store: Store, value: list[float]) -> None:
    dataset = store.dataset(one="text")
    record = store.record(dataset, one="x")
    store.vector(record, value)
    assert store.similar(dataset, value=[x * 3 for x in value], threshold=1.0) == [(record, 1.0)]


def test_a_vector_that_changed_or_went_is_seen_at_once(store: Store) -> None:
    dataset = store.dataset(one="text")
    first, second = (store.record(dataset, one="x") for _ in range(2))
    assert store.similar(dataset, value=[1.0, 0, 0]) == []
    store.vector(first, [1, 0, 0])
    assert store.similar(dataset, value=[1.0, 0, 0]) == [(first, 1.0)]
    store.vector(first, [0, 1, 0])
    store.vector(second, [0, 0, 0])
    assert store.similar(dataset, value=[1.0, 0, 0]) == [(first, 0.5), (second, 0.5)]
    store.remove(first)
    assert store.similar(dataset, value=[1.0, 0, 0]) == [(second, 0.5)]


def test_a_vector_of_another_length_is_refused_in_words(store: Store) -> None:
    dataset = store.dataset(one="text")
    store.vector(store.record(dataset, one="x"), [1, 0, 0])
    with pytest.raises(UnprocessableEntityError, match="a vector of 3 numbers is needed, got 2"):
        store.similar(dataset, value=[1.0, 0])
