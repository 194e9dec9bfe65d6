"""Counts: how far a dataset is, how far a user is, and which values a metadata property has."""

from argilla_server.enums import MetadataPropertyType
from argilla_server.models import Dataset, MetadataProperty, User
from argilla_server.search_engine import FloatMetadataMetrics, IntegerMetadataMetrics, MetadataMetrics, TermsMetrics
from sqlalchemy.ext.asyncio import AsyncSession
from sqlite_search.clause import Clause
from sqlite_search.filters import path
from sqlite_search.indexes import RECORDS_INDEX
from sqlite_search.running import rows

MOST_TERMS = 2**14
VALUES = (
    f"FROM records INDEXED BY {RECORDS_INDEX}, json_each(records.metadata, ?) WHERE dataset_id = ? AND value NOT NULL"
)


async def progress(session: AsyncSession, dataset: Dataset) -> dict[str, int]:
    """Records by status; a status that no record has is not named."""
    count = f"SELECT status, count(*) FROM records INDEXED BY {RECORDS_INDEX} WHERE dataset_id = ? GROUP BY status"
    return await _by_status(session, Clause(count, (dataset.id.hex,)))


async def user_progress(session: AsyncSession, dataset: Dataset, user: User) -> dict[str, int]:
    """A user's responses by status."""
    count = (
        "SELECT responses.status, count(*) FROM responses JOIN records ON records.id = record_id"
        " WHERE user_id = ? AND dataset_id = ? GROUP BY responses.status"
    )
    return await _by_status(session, Clause(count, (user.id.hex, dataset.id.hex)))


async def metadata_metrics(session: AsyncSession, of: MetadataProperty) -> MetadataMetrics:
    values = (path(of.name), of.dataset_id.hex)
    if of.type == MetadataPropertyType.terms:
        return await _terms(session, values)
    whole = of.type == MetadataPropertyType.integer
    number = f"CAST(value AS {'INTEGER' if whole else 'REAL'})"
    [(least, most)] = await rows(session, Clause(f"SELECT min({number}), max({number}) {VALUES}", values))
    return IntegerMetadataMetrics(min=least, max=most) if whole else FloatMetadataMetrics(min=least, max=most)


async def _terms(session: AsyncSession, values: tuple[str, str]) -> TermsMetrics:
    counts = f"SELECT CAST(value AS TEXT) AS term, count(*) {VALUES} GROUP BY term ORDER BY count(*) DESC, term"
    found = await rows(session, Clause(counts, values))
    terms = [TermsMetrics.TermCount(term=term, count=count) for term, count in found[:MOST_TERMS]]
    return TermsMetrics(total=sum(count for _, count in found), values=terms)


async def _by_status(session: AsyncSession, query: Clause) -> dict[str, int]:
    counts = dict(await rows(session, query))
    return {"total": sum(counts.values()), **counts}
