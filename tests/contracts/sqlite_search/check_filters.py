"""Filters, orders, pages and counts are what a look at every record gives."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from argilla_database import ENGINE, Store
from argilla_server.database import AsyncSessionLocal
from argilla_server.enums import ResponseStatusFilter, SortOrder
from argilla_server.errors.future import UnprocessableEntityError
from argilla_server.models import Dataset, User
from argilla_server.search_engine import (
    AndFilter,
    MetadataFilterScope,
    Order,
    RangeFilter,
    RecordFilterScope,
    ResponseFilterScope,
    SuggestionFilterScope,
    TermsFilter,
)
from hypothesis import given
from hypothesis import strategies as st

LENGTH, SOURCE = MetadataFilterScope("length"), MetadataFilterScope("source")
metadata = (
    st.fixed_dictionaries(
        {},
        optional={
            "length": st.integers(-5, 5),
            "source": st.sampled_from(["a", "b", "1"]) | st.lists(st.sampled_from(["a", "b", "c"]), max_size=3),
        },
    )
    | st.none()
)


def terms_of(row: dict[str, Any] | None) -> set[str]:
    value = (row or {}).get("source", [])
    return set(value) if isinstance(value, list) else {value}


def filled(store: Store, rows: list[dict[str, Any] | None]) -> tuple[UUID, list[tuple[UUID, dict[str, Any] | None]]]:
    dataset = store.dataset(one="text")
    return dataset, [(store.record(dataset, row, one="x"), row) for row in rows]


@given(st.lists(metadata, max_size=8), st.sets(st.sampled_from(["a", "b", "c", "1"]), min_size=1), st.integers(-6, 6))
def test_metadata_filters(store: Store, rows: list[dict[str, Any] | None], terms: set[str], bound: int) -> None:
    dataset, records = filled(store, rows)
    with_terms = {record for record, row in records if terms_of(row) & terms}
    assert store.found(dataset, filter=TermsFilter(SOURCE, sorted(terms))) == with_terms
    long = {record for record, row in records if row and row.get("length", bound - 1) >= bound}
    assert store.found(dataset, filter=RangeFilter(LENGTH, ge=bound)) == long
    short = store.found(dataset, filter=RangeFilter(LENGTH, le=bound - 1))
    assert short | long == {record for record, row in records if row and "length" in row}
    assert not short & long
    both = AndFilter([TermsFilter(SOURCE, sorted(terms)), RangeFilter(LENGTH, ge=bound)])
    assert store.found(dataset, "x", filter=both) == with_terms & long


responses = st.dictionaries(st.integers(0, 1), st.sampled_from(["draft", "submitted", "discarded"]), max_size=2)
STATUSES = [status.value for status in ResponseStatusFilter]


@given(st.lists(responses, max_size=6), st.lists(st.sampled_from(STATUSES), unique=True))
def test_response_statuses_part_the_records(store: Store, rows: list[dict[int, str]], statuses: list[str]) -> None:
    dataset = store.dataset(one="text")
    users = [store.user(), store.user()]
    records = {store.record(dataset, one="x"): row for row in rows}
    for record, row in records.items():
        for user, status in row.items():
            store.respond(record, users[user], status, rating=3)
    scope = ResponseFilterScope(property="status", user=users[0])
    wanted = store.found(dataset, filter=TermsFilter(scope, list(statuses))) if statuses else set()
    assert wanted == {record for record, row in records.items() if row.get(0, "pending") in statuses}
    rest = [status for status in STATUSES if status not in statuses]
    others = store.found(dataset, filter=TermsFilter(scope, rest)) if rest else set()
    assert wanted | others == set(records)
    assert not wanted & others
    anybody = ResponseFilterScope(property="status")
    assert store.found(dataset, filter=TermsFilter(anybody, ["pending"])) == {
        r for r, row in records.items() if not row
    }
    assert store.found(dataset, filter=TermsFilter(anybody, [])) == set(records)


@given(st.lists(metadata, max_size=8), st.sampled_from(list(SortOrder)), st.integers(1, 4))
def test_pages_are_all_records_once_in_order_and_those_without_a_value_come_last(
    store: Store, rows: list[dict[str, Any] | None], order: SortOrder, size: int
) -> None:
    dataset, records = filled(store, rows)
    pages: list[UUID] = []
    for offset in range(0, len(rows) + size, size):
        page = store.search(dataset, sort=[Order(LENGTH, order)], offset=offset, limit=size)
        assert page.total == len(rows)
        pages += [item.record_id for item in page.items]
    known = [(record, row["length"]) for record, row in records if row and "length" in row]
    known.sort(key=lambda pair: pair[1], reverse=order == SortOrder.desc)
    assert pages == [record for record, _ in known] + [r for r, row in records if not row or "length" not in row]


def test_suggestions_are_filtered_and_ordered_by_value_score_and_agent(store: Store) -> None:
    dataset = store.dataset(one="text")
    first, second, without = (store.record(dataset, one="x") for _ in range(3))
    store.suggest(first, "rating", 4, score=0.5, agent="judge", type="model")
    store.suggest(first, "label", ["x", "y"], score=[0.1, 0.9])
    store.suggest(second, "rating", 2, score=0.25, agent="people", type="human")

    def found(property_name: str, *values: str, question: str = "rating") -> set[UUID]:
        return store.found(dataset, filter=TermsFilter(SuggestionFilterScope(question, property_name), list(values)))

    assert found("value", "4") == found("agent", "judge", "nobody") == found("type", "model") == {first}
    assert found("score", "0.25") == {second}
    assert found("value", "y", question="label") == {first}
    score = SuggestionFilterScope("rating", "score")
    assert store.found(dataset, filter=RangeFilter(score, ge=0.3)) == {first}
    ordered = store.search(dataset, sort=[Order(score, SortOrder.asc)])
    assert [item.record_id for item in ordered.items] == [second, first, without]


def test_responses_are_filtered_and_ordered_by_value_for_one_user_or_all(store: Store) -> None:
    dataset = store.dataset(one="text")
    first, second = (store.record(dataset, one="x") for _ in range(2))
    one, other = store.user(), store.user()
    store.respond(first, one, "submitted", rating=2, label=["x"])
    store.respond(first, other, "submitted", rating=5)
    store.respond(second, other, "draft", rating=3)
    own, anybody = ResponseFilterScope(question="rating", user=one), ResponseFilterScope(question="rating")
    assert store.found(dataset, filter=TermsFilter(own, ["2"])) == {first}
    assert store.found(dataset, filter=TermsFilter(own, ["5"])) == set()
    assert store.found(dataset, filter=RangeFilter(anybody, ge=3)) == {first, second}
    assert store.found(dataset, filter=TermsFilter(ResponseFilterScope(question="label"), ["x"])) == {first}
    ordered = store.search(dataset, sort=[Order(anybody, SortOrder.asc)])  # 3.5 and 3 on average
    assert [item.record_id for item in ordered.items] == [second, first]


def test_records_are_filtered_by_what_they_are(store: Store) -> None:
    dataset = store.dataset(one="text")
    record = store.record(dataset, one="x")
    store.change(record, external_id="outside")
    for name, value in {"id": str(record), "external_id": "outside", "status": "pending"}.items():
        assert store.found(dataset, filter=TermsFilter(RecordFilterScope(name), [value])) == {record}
        assert store.found(dataset, filter=TermsFilter(RecordFilterScope(name), ["other"])) == set()
    since = RecordFilterScope("inserted_at")
    assert store.found(dataset, filter=RangeFilter(since, ge="2020-01-01", le="2999-01-01T00:00:00Z")) == {record}
    assert store.found(dataset, filter=RangeFilter(since, le="2020-01-01")) == set()
    with pytest.raises(UnprocessableEntityError, match="not a time"):
        store.found(dataset, filter=RangeFilter(since, ge="yesterday"))


def test_a_record_logged_again_without_metadata_is_found_by_its_metadata_no_more(store: Store) -> None:
    """Argilla erases the metadata of a record that is logged again with none; what is found is what the table has."""
    dataset = store.dataset(one="text")
    record = store.record(dataset, {"length": 3}, one="x")
    assert store.found(dataset, filter=RangeFilter(LENGTH, ge=3)) == {record}
    store.change(record, metadata_=None)
    assert store.found(dataset, filter=RangeFilter(LENGTH, ge=3)) == set()


def test_each_user_has_an_order_of_the_queue_that_stays(store: Store) -> None:
    dataset = store.dataset(one="text")
    logged = [store.record(dataset, one="x") for _ in range(60)]
    one, other = store.user(), store.user()

    def queue(user: User) -> list[UUID]:
        pending = TermsFilter(ResponseFilterScope(property="status", user=user), ["pending"])
        return [item.record_id for item in store.search(dataset, filter=pending, user_id=user.id).items]

    before = queue(one)
    assert before != queue(other)
    assert before != logged
    for record in before[:10]:
        store.respond(record, one, "submitted", rating=1)
    assert queue(one) == before[10:]
    every_tenth = {logged[i] for i in range(0, 60, 10)}
    assert any(record not in every_tenth for record in before[:5])


def test_counts_are_those_of_the_tables(store: Store) -> None:
    dataset, records = filled(store, [{"length": 3, "source": "a"}, {"length": 1, "source": ["a", "b"]}, None])
    user = store.user()
    store.respond(records[0][0], user, "submitted", rating=1)
    store.change(records[0][0], status="completed")

    async def counted() -> tuple[Any, ...]:
        async with AsyncSessionLocal() as session:
            found = await Dataset.get_or_raise(session, dataset)
            properties = {p.name: p for p in (await found.awaitable_attrs.metadata_properties)}
            return (
                await ENGINE.get_dataset_progress(found),
                await ENGINE.get_dataset_user_progress(found, user),
                await ENGINE.compute_metrics_for(properties["length"]),
                await ENGINE.compute_metrics_for(properties["source"]),
            )

    progress, own, length, source = store.run(counted())
    assert progress == {"total": 3, "pending": 2, "completed": 1}
    assert own == {"total": 1, "submitted": 1}
    assert (length.min, length.max) == (1, 3)
    assert [(each.term, each.count) for each in source.values] == [("a", 2), ("b", 1)]
    assert source.total == 3
