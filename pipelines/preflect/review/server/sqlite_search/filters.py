"""Argilla's filters as conditions on a row of `records`."""

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime, time
from uuid import UUID

from argilla_server.enums import ResponseStatusFilter
from argilla_server.errors.future import UnprocessableEntityError
from argilla_server.search_engine import (
    AndFilter,
    Filter,
    MetadataFilterScope,
    RangeFilter,
    RecordFilterScope,
    ResponseFilterScope,
    SuggestionFilterScope,
    TermsFilter,
)
from sqlite_search.clause import Clause, Value, all_of, any_of, one_of

COLUMNS = {"id", "external_id", "inserted_at", "updated_at", "status"}
TIMES = {"inserted_at", "updated_at"}


def condition(wanted: Filter, dataset_id: UUID) -> Clause:
    if isinstance(wanted, AndFilter):
        return all_of(condition(part, dataset_id) for part in wanted.filters)
    match wanted.scope:
        case RecordFilterScope(property=name):
            return _record(wanted, column(name))
        case MetadataFilterScope(metadata_property=name):
            return _metadata(wanted, path(name))
        case SuggestionFilterScope(question=question, property=name):
            return _any_value(suggested(question, name, dataset_id), _holds(wanted))
        case ResponseFilterScope(question=None, property="status"):
            return _response_status(wanted, wanted.scope)
        case ResponseFilterScope(question=str()):
            return _any_value(responded(wanted.scope), _holds(wanted))
        case scope:
            raise UnprocessableEntityError(f"a filter needs a question or the property 'status', got {scope}")


def column(name: str) -> str:
    if name not in COLUMNS:
        raise UnprocessableEntityError(f"a record has no property {name!r}; it has {sorted(COLUMNS)}")
    return f"records.{name!s}"


def path(*names: str) -> str:
    return "$" + "".join(f".{json.dumps(name, ensure_ascii=False)}" for name in names)


def suggested(question: str, name: str, dataset_id: UUID) -> Clause:
    """A table with a row for each `value` of a record's suggestion: each label of several, each score of a list."""
    if name not in {"value", "score", "agent", "type"}:
        raise UnprocessableEntityError(f"a suggestion has no property {name!r}; it has value, score, agent and type")
    values = f", json_each(s.{name}) AS each" if name in {"value", "score"} else ""
    value = "each.value" if values else f"s.{name}"
    return Clause(
        f"(SELECT {value} AS value FROM suggestions AS s{values} WHERE s.record_id = records.id"
        " AND s.question_id = (SELECT id FROM questions WHERE dataset_id = ? AND name = ?))",
        (dataset_id.hex, question),
    )


def responded(scope: ResponseFilterScope) -> Clause:
    """A table with a row for each `value` that responses to a record have, one user's or everybody's."""
    table = Clause(
        '(SELECT each.value AS value FROM responses AS r, json_each(r."values", ?) AS each'
        " WHERE r.record_id = records.id",
        (path(scope.question or "", "value"),),
    )
    return table + by_user(scope) + Clause(")")


def by_user(scope: ResponseFilterScope) -> Clause:
    return Clause("AND r.user_id = ?", (scope.user.id.hex,)) if scope.user else Clause("")


def _metadata(wanted: TermsFilter | RangeFilter, at: str) -> Clause:
    if numbers := _numbers(wanted):
        return Clause("CAST(json_extract(records.metadata, ?) AS REAL) BETWEEN ? AND ?", (at, *numbers))
    return _any_value(Clause("json_each(records.metadata, ?)", (at,)), _holds(wanted))


def _any_value(values: Clause, test: Clause) -> Clause:
    return Clause("EXISTS (SELECT 1 FROM") + values + Clause("WHERE") + test + Clause(")")


def _holds(wanted: TermsFilter | RangeFilter) -> Clause:
    """A test of `value`. Terms come as strings whatever they are: "4" is the text as well as the number."""
    if isinstance(wanted, TermsFilter):
        texts = [str(value) for value in wanted.values]
        return one_of("value", [*texts, *(number for text in texts if (number := _number(text)) is not None)])
    return all_of([Clause("value IS NOT NULL"), *_bounds(wanted, _bound)])


def _bounds(wanted: RangeFilter, bound: Callable[[float | str, str], Clause]) -> list[Clause]:
    return [bound(end, sign) for end, sign in ((wanted.ge, ">="), (wanted.le, "<=")) if end is not None]


def _bound(value: float | str, sign: str) -> Clause:
    number = _number(value)
    if number is None:
        return Clause(f"CAST(value AS TEXT) {sign} ?", (str(value),))
    return Clause(f"CAST(value AS REAL) {sign} ?", (number,))


def _numbers(wanted: TermsFilter | RangeFilter) -> tuple[float, float] | None:
    """The bounds of a range of numbers; a property has one number at most, which is quicker than any of several."""
    if isinstance(wanted, TermsFilter):
        return None
    least = -math.inf if wanted.ge is None else _number(wanted.ge)
    most = math.inf if wanted.le is None else _number(wanted.le)
    return None if least is None or most is None else (least, most)


def _number(value: float | str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _record(wanted: TermsFilter | RangeFilter, name: str) -> Clause:
    property_name = name.removeprefix("records.")
    if isinstance(wanted, TermsFilter):
        return one_of(name, [_stored(property_name, str(value)) for value in wanted.values])
    return all_of(
        _bounds(wanted, lambda value, sign: Clause(f"{name} {sign} ?", (_stored(property_name, value, sign),))),
    )


def _stored(name: str, value: float | str, sign: str = "=") -> Value:
    """A value as the column has it."""
    if name == "id":
        return str(value).replace("-", "").lower()
    return _moment(value, end_of_day=sign == "<=") if name in TIMES else str(value)


def _moment(value: float | str, *, end_of_day: bool) -> str:
    """A time as Argilla's tables have it: UTC, to be compared as text. A number is milliseconds since 1970."""
    number = _number(value)
    try:
        moment = datetime.fromisoformat(str(value)) if number is None else datetime.fromtimestamp(number / 1000, tz=UTC)
    except (ValueError, OverflowError, OSError) as error:
        message = f"not a time: {value!r}; write it as 2026-01-31 or 2026-01-31T12:00:00Z"
        raise UnprocessableEntityError(message) from error
    if end_of_day and len(str(value)) == len("2026-01-31") and number is None:
        moment = datetime.combine(moment, time.max)
    return f"{moment.astimezone(UTC) if moment.tzinfo else moment:%Y-%m-%d %H:%M:%S.%f}"


def _response_status(wanted: TermsFilter | RangeFilter, scope: ResponseFilterScope) -> Clause:
    """Pending: without any response, of the user if one is named."""
    if isinstance(wanted, RangeFilter):
        raise UnprocessableEntityError("the status of a response is one of some values, not in a range")
    statuses = [str(value) for value in wanted.values if value != ResponseStatusFilter.pending]
    tests: list[Clause] = []
    if len(statuses) < len(wanted.values):
        tests.append(_no_response(scope))
    if statuses or (scope.user and not tests):
        tests.append(_some_response(scope, statuses))
    return any_of(tests) if tests else Clause("TRUE")


def _some_response(scope: ResponseFilterScope, statuses: list[str]) -> Clause:
    having = Clause("AND") + one_of("r.status", statuses) if statuses else Clause("")
    return (
        Clause("EXISTS (SELECT 1 FROM responses AS r WHERE r.record_id = records.id")
        + by_user(scope)
        + having
        + Clause(")")
    )


def _no_response(scope: ResponseFilterScope) -> Clause:
    responses = Clause("(SELECT r.record_id FROM responses AS r WHERE TRUE") + by_user(scope) + Clause(")")
    return Clause("records.id NOT IN") + responses
