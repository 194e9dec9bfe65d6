"""What records are ordered by. Every order ends with `row`, so that none is left to chance and pages fit together."""

import hashlib
from collections.abc import Sequence
from uuid import UUID

from argilla_server.enums import SortOrder
from argilla_server.errors.future import UnprocessableEntityError
from argilla_server.search_engine import (
    MetadataFilterScope,
    Order,
    RecordFilterScope,
    ResponseFilterScope,
    SuggestionFilterScope,
)
from sqlite_search.clause import Clause
from sqlite_search.filters import by_user, column, path, responded, suggested

PRIME = 2**31 - 1


def sort_key(order: Order, dataset_id: UUID) -> Clause:
    """One value of a record. Of several, as labels of a suggestion, it is the least or, downwards, the greatest."""
    match order.scope:
        case RecordFilterScope(property=name):
            return Clause(column(name))
        case MetadataFilterScope(metadata_property=name):
            return _first(Clause("json_each(records.metadata, ?)", (path(name),)), order.order)
        case SuggestionFilterScope(question=question, property=name):
            return _first(suggested(question, name, dataset_id), order.order)
        case ResponseFilterScope(question=str()):
            return _average(responded(order.scope))
        case ResponseFilterScope(property="status"):
            own = by_user(order.scope)
            status = Clause("(SELECT min(r.status) FROM responses AS r WHERE r.record_id = records.id")
            return status + own + Clause(")")
        case scope:
            raise UnprocessableEntityError(f"an order needs a question or the property 'status', got {scope}")


def order_by(orders: Sequence[SortOrder]) -> str:
    """The order of rows that have their keys as k0, k1, …: a record without a value comes last, either way."""
    return ", ".join([*(f"k{i} {order.value} NULLS LAST" for i, order in enumerate(orders)), "row"])


def shuffle_key(user_id: str) -> Clause:
    """A place in one user's own order of the queue: the same at each visit, and for another user another.

    A square modulo a prime, of the record's number times the user's own factor: the factor alone would put every n-th
    record side by side for some n.
    """
    digest = hashlib.sha256(user_id.encode()).digest()
    factor, shift = (int.from_bytes(part) % PRIME for part in (digest[:8], digest[8:16]))
    place = f"((records.rowid * {factor} + {shift}) % {PRIME})"
    return Clause(f"{place} * {place} % {PRIME}")


def _first(values: Clause, order: SortOrder) -> Clause:
    return Clause(f"(SELECT {'min' if order == SortOrder.asc else 'max'}(value) FROM") + values + Clause(")")


def _average(values: Clause) -> Clause:
    numbers = "CASE WHEN typeof(value) IN ('integer', 'real') THEN value END"
    return Clause(f"(SELECT coalesce(avg({numbers}), min(value)) FROM") + values + Clause(")")
