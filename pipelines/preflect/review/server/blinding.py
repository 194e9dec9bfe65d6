"""What annotators are not to see, by no way into Argilla: its pages hide it, and its API tells some of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from argilla_server.api.handlers.v1.datasets import records
from argilla_server.api.policies.v1 import MetadataPropertyPolicy, authorize
from argilla_server.api.routes import api_v1
from argilla_server.api.schemas.v1.records import MetadataFilterScope, SearchRecordsQuery
from argilla_server.models import Dataset, Record, User
from sqlalchemy.orm.attributes import set_committed_value

Handler = Callable[..., Awaitable[Any]]


def blind() -> None:
    """Put it in place."""
    route = next(route for route in api_v1.routes if route.name == "get_record")
    route.dependant.call = _as_seen_by_user(route.dependant.call)
    records._get_search_responses = _asked_by_user(records._get_search_responses)  # noqa: SLF001


def _as_seen_by_user(get: Handler) -> Handler:
    """A record has for annotators their own responses, and the metadata that they may see, as where they find it."""

    async def get_record(*, current_user: User, **asked: Any) -> Record:
        record = await get(current_user=current_user, **asked)
        if not (current_user.is_owner or current_user.is_admin):
            await record.dataset.awaitable_attrs.metadata_properties
            seen = await records._filter_record_metadata_for_user(record, current_user)  # noqa: SLF001
            own = [response for response in record.responses if response.user_id == current_user.id]
            # Not assigned: what is assigned to a row is written to its table.
            set_committed_value(record, "metadata_", seen)
            set_committed_value(record, "responses", own)
        return record

    return get_record


def _asked_by_user(search: Handler) -> Handler:
    """Nothing is found or ordered by metadata that the one who asks may not see."""

    async def search_responses(
        *, dataset: Dataset, search_records_query: SearchRecordsQuery, user: User | None = None, **asked: Any
    ) -> Any:
        filters, sort = search_records_query.filters, search_records_query.sort
        for part in (*(filters.and_ if filters else ()), *(sort or ())):
            if user and isinstance(part.scope, MetadataFilterScope):
                named = dataset.metadata_property_by_name(part.scope.metadata_property)
                await authorize(user, MetadataPropertyPolicy.get(named))
        return await search(dataset=dataset, search_records_query=search_records_query, user=user, **asked)

    return search_responses
