"""Argilla's search engine over its own SQLite tables.

Argilla tells its search engine of every change, after the change. This one does not listen: it reads the tables that
were changed, so what is found is what is there, whatever dies when.
"""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from argilla_server.database import AsyncSessionLocal
from argilla_server.enums import SimilarityOrder, SortOrder
from argilla_server.models import Dataset, MetadataProperty, Record, Response, Suggestion, User, VectorSettings
from argilla_server.search_engine import (
    Filter,
    MetadataMetrics,
    Order,
    SearchEngine,
    SearchResponseItem,
    SearchResponses,
    TextQuery,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlite_search import indexes, metrics
from sqlite_search.clause import Clause, one_of
from sqlite_search.filters import condition
from sqlite_search.hits import Hits, hits
from sqlite_search.running import in_one_go, rows
from sqlite_search.sorting import shuffle_key, sort_key
from sqlite_search.vectors import Matrices

_MATRICES = Matrices()  # Argilla makes an engine for every request


class SqliteSearchEngine(SearchEngine):
    @classmethod
    async def new_instance(cls) -> "SqliteSearchEngine":
        return cls()

    async def close(self) -> None: ...

    async def ping(self) -> bool:
        return True

    async def info(self) -> dict[str, Any]:
        return {"name": "sqlite", "format": indexes.FORMAT}

    async def create_index(self, dataset: Dataset) -> None:
        session = _session(dataset)
        fields = await rows(session, Clause(indexes.text_fields_query(dataset.id.hex)))
        made = indexes.creation(dataset.id, [indexes.TextField(*field) for field in fields])
        await in_one_go(session, [*indexes.removal(dataset.id), *made])

    async def delete_index(self, dataset: Dataset) -> None:
        async with AsyncSessionLocal() as session:  # the dataset is gone, and its session with it
            await in_one_go(session, indexes.removal(dataset.id))

    async def search(  # noqa: PLR0917  Argilla's own parameters
        self,
        dataset: Dataset,
        query: TextQuery | str | None = None,
        filter: Filter | None = None,  # noqa: A002  Argilla names it so
        sort: list[Order] | None = None,
        offset: int = 0,
        limit: int = 100,
        user_id: UUID | str | None = None,
    ) -> SearchResponses:
        """A page: in the order asked for, else the best matches of a text first, else the user's own shuffle."""
        filtered = condition(filter, dataset.id) if filter else None
        found = hits(dataset, query, filtered, by_record=bool(sort))
        page = found.page(_keys(found, dataset.id, sort, user_id), offset, limit)
        listed = await rows(_session(dataset), page)
        items = [(record_id, score) for _, record_id, score in listed if record_id]
        return _responses(items, total=listed[0][0])

    async def similarity_search(  # noqa: PLR0917
        self,
        dataset: Dataset,
        vector_settings: VectorSettings,
        value: list[float] | None = None,
        record: Record | None = None,
        query: TextQuery | str | None = None,
        filter: Filter | None = None,  # noqa: A002
        max_results: int = 100,
        order: SimilarityOrder = SimilarityOrder.most_similar,
        threshold: float | None = None,
    ) -> SearchResponses:
        """The records nearest to a vector, or to a record and without it; least similar: nearest to its opposite."""
        if bool(value) == bool(record):
            raise ValueError("Must provide either vector value or record to compute the similarity search")
        sought = value or (record and record.vector_value_by_vector_settings(vector_settings))
        if not sought:
            raise ValueError("Cannot find a vector value to apply with provided info")
        if order == SimilarityOrder.least_similar:
            sought = [-number for number in sought]
        session = _session(dataset)
        matrix = await _MATRICES.of(session, vector_settings.id)
        among = await _rows_among(session, dataset, query, filter)
        nearest = matrix.nearest(sought, among, max_results + bool(record))
        ids = dict(await rows(session, _ids([row for row, _ in nearest])))
        items = [(ids[row], score) for row, score in nearest if row in ids]
        close = [item for item in items if threshold is None or item[1] >= threshold]
        others = [item for item in close if record is None or item[0] != record.id.hex][:max_results]
        return _responses(others, total=len(others))

    async def compute_metrics_for(self, metadata_property: MetadataProperty) -> MetadataMetrics:
        return await metrics.metadata_metrics(_session(metadata_property), metadata_property)

    async def get_dataset_progress(self, dataset: Dataset) -> dict[str, int]:
        return {} if dataset.is_draft else await metrics.progress(_session(dataset), dataset)

    async def get_dataset_user_progress(self, dataset: Dataset, user: User) -> dict[str, int]:
        return {} if dataset.is_draft else await metrics.user_progress(_session(dataset), dataset, user)

    # What was written already, by Argilla itself:

    async def index_records(self, dataset: Dataset, records: Iterable[Record]) -> None: ...

    async def partial_record_update(self, record: Record, **update: Any) -> None: ...

    async def delete_records(self, dataset: Dataset, records: Iterable[Record]) -> None: ...

    async def update_record_response(self, response: Response) -> None: ...

    async def delete_record_response(self, response: Response) -> None: ...

    async def update_record_suggestion(self, suggestion: Suggestion) -> None: ...

    async def delete_record_suggestion(self, suggestion: Suggestion) -> None: ...

    async def configure_metadata_property(self, dataset: Dataset, metadata_property: MetadataProperty) -> None: ...

    async def configure_index_vectors(self, vector_settings: VectorSettings) -> None: ...


def _session(of: Dataset | MetadataProperty) -> AsyncSession:
    """The session that a row was read in: the search sees what its request sees."""
    session = of.current_async_session
    if session is None:
        raise RuntimeError(f"{of} belongs to no session, so there is no database to search")
    return session


def _keys(
    found: Hits,
    dataset_id: UUID,
    sort: list[Order] | None,
    user_id: UUID | str | None,
) -> list[tuple[Clause, SortOrder]]:
    if sort:
        return [(sort_key(order, dataset_id), order.order) for order in sort]
    if found.score:
        return [(Clause(found.score), SortOrder.desc)]
    return [(shuffle_key(str(user_id)), SortOrder.asc)] if user_id else []


async def _rows_among(
    session: AsyncSession,
    dataset: Dataset,
    query: TextQuery | str | None,
    wanted: Filter | None,
) -> list[int] | None:
    """The numbers of the records that a text and a filter find; None where neither is given."""
    if query is None and wanted is None:
        return None
    filtered = condition(wanted, dataset.id) if wanted else None
    return [row for (row,) in await rows(session, hits(dataset, query, filtered, by_record=False).rows())]


def _ids(numbers: list[int]) -> Clause:
    return Clause("SELECT rowid, id FROM records WHERE") + one_of("rowid", numbers)


def _responses(items: list[tuple[str, float]], *, total: int) -> SearchResponses:
    return SearchResponses(
        items=[SearchResponseItem(record_id=UUID(record_id), score=score) for record_id, score in items],
        total=total,
    )
