"""The records that a search finds: where they come from, and one page of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from argilla_server.enums import SortOrder
from argilla_server.errors.future import UnprocessableEntityError
from argilla_server.models import Dataset
from argilla_server.search_engine import TextQuery
from sqlite_search.clause import Clause, all_of, joined
from sqlite_search.indexes import RECORDS_INDEX, field_column, index_name
from sqlite_search.sorting import order_by
from sqlite_search.text_query import Match, parsed

NOTHING = Clause("FALSE")
NONE = Clause("")


@dataclass(frozen=True, slots=True)
class Hits:
    """`FROM … WHERE …`, the record's number in it, and what tells a better match from a worse one."""

    source: Clause
    row: str = "records.rowid"
    score: str | None = None
    dear: bool = False
    """Whether to find them takes more than to write all of them down."""

    def rows(self) -> Clause:
        return Clause(f"SELECT {self.row}") + self.source

    def page(self, keys: Sequence[tuple[Clause, SortOrder]], offset: int, limit: int) -> Clause:
        """Rows (total, record id, score); one with only the total where the page is empty."""
        named = [Clause(f"{key.sql} AS k{i}", key.values) for i, (key, _) in enumerate(keys)]
        score = [Clause(f"{self.score} AS score")] if self.score else []
        columns = joined(", ", [Clause(f"{self.row} AS row"), *score, *named])
        order = order_by([direction for _, direction in keys])
        # To count and to page in two scans takes less than to write all hits down, unless a scan is dear.
        dear = self.dear or "json_" in f"{columns.sql} {self.source.sql}"
        once = "MATERIALIZED" if dear else "NOT MATERIALIZED"
        return (
            Clause(f"WITH hits AS {once} (SELECT")
            + columns
            + self.source
            + Clause(f"), page AS (SELECT * FROM hits ORDER BY {order} LIMIT ? OFFSET ?)", (limit, offset))
            + Clause("SELECT (SELECT count(*) FROM hits), records.id,")
            + Clause(f"{'page.score' if score else 1.0} FROM (SELECT 1)")
            + Clause("LEFT JOIN page LEFT JOIN records ON records.rowid = page.row")
            + Clause(f"ORDER BY {order}")
        )


def hits(dataset: Dataset, query: TextQuery | str | None, filtered: Clause | None, *, by_record: bool) -> Hits:
    """The records of a dataset that a text and a filter find.

    Args: by_record: whether they are ordered by what stands in `records`.
    """
    text = TextQuery(q=query) if isinstance(query, str) else query
    conditions = [filtered] if filtered else []
    if text is None or not text.q.strip():
        return _scan(dataset, conditions)
    match = _in_field(dataset, text)
    index = index_name(dataset.id)
    found = Clause(f"{index} MATCH ?", (match.expression,)) if match else NOTHING
    if match is None:
        return _scan(dataset, [NOTHING])
    if match.complement:
        # A join finds a record among the unwanted ones in half the time that NOT IN takes.
        listed = Clause(f"LEFT JOIN (WITH listed AS MATERIALIZED (SELECT rowid AS number FROM {index} WHERE") + found
        unwanted = listed + Clause(") SELECT number FROM listed) AS unwanted ON number = records.rowid")
        return replace(_scan(dataset, [Clause("number IS NULL"), *conditions], beside=unwanted), dear=True)
    # CROSS JOIN: the text first. SQLite would rather look every record up in the index of texts.
    join = f" CROSS JOIN records ON records.rowid = {index}.rowid" if conditions or by_record else ""
    where = Clause(f"FROM {index}{join} WHERE") + all_of([found, *conditions])
    return Hits(where, f"{index}.rowid", f"-{index}.rank")


def _scan(dataset: Dataset, conditions: list[Clause], *, beside: Clause = NONE) -> Hits:
    own = Clause("dataset_id = ?", (dataset.id.hex,))
    records = Clause(f"FROM records INDEXED BY {RECORDS_INDEX}") + beside
    return Hits(records + Clause("WHERE") + all_of([own, *conditions]))


def _in_field(dataset: Dataset, text: TextQuery) -> Match | None:
    match = parsed(text.q)
    if not text.field or match is None:
        return match
    field = dataset.field_by_name(text.field)
    if field is None:
        raise UnprocessableEntityError(f"dataset {dataset.id} has no field {text.field!r}")
    if field.is_image:
        return None
    return Match(f"{field_column(field.id.hex)} : ({match.expression})", match.complement)
