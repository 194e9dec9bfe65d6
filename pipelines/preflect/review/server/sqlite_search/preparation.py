"""What is done once at the start: the store, the indexes, and the status of records that a kill left behind."""

from uuid import UUID

from sqlalchemy import Connection, Engine
from sqlite_search.indexes import FORMAT, STORE, TextField, creation, removal, text_fields_query

# A response and the status of its record are two commits of Argilla's: a kill between them leaves the old status.
RECONCILE = """
    WITH submitted AS (
        SELECT record_id, count(*) AS answers FROM responses WHERE status = 'submitted' GROUP BY record_id
    ), due AS (
        SELECT records.rowid AS row, records.status AS stands, CASE
            WHEN coalesce(answers, 0) >= json_extract(distribution, '$.min_submitted') THEN 'completed' ELSE 'pending'
        END AS status
        FROM records JOIN datasets ON datasets.id = dataset_id LEFT JOIN submitted ON record_id = records.id
    )
    UPDATE records SET status = due.status FROM due WHERE records.rowid = due.row AND due.stands <> due.status
"""


def prepare(engine: Engine) -> None:
    """Make a migrated database of Argilla ready to be searched; does nothing where it is.

    Each step is whole or undone: one that is killed is done at the next start.
    Args: a synchronous engine for the database, on which `register` was called before its first connection.
    """
    with engine.connect() as connection:
        _in_one_go(connection, [*STORE, "PRAGMA analysis_limit = 1000", "ANALYZE"])
        stale = _stale(connection)
        # All first: whatever index is left is sound, and each that is made remembers that of all.
        _in_one_go(connection, [statement for dataset in stale for statement in removal(dataset)])
        for dataset in stale:
            _in_one_go(connection, _creation_if_published(connection, dataset))
        _in_one_go(connection, [RECONCILE])


def _in_one_go(connection: Connection, statements: list[str]) -> None:
    connection.exec_driver_sql("SAVEPOINT preflect")
    for statement in statements:
        connection.exec_driver_sql(statement)
    connection.exec_driver_sql("RELEASE preflect")
    connection.commit()


def _stale(connection: Connection) -> list[UUID]:
    """Datasets that are published without a sound index, or gone and have one still."""
    schema = connection.exec_driver_sql("PRAGMA schema_version").scalar_one()
    rows = connection.exec_driver_sql(
        f"""
        WITH sound AS (SELECT dataset_id FROM preflect_state WHERE format = {FORMAT} AND schema = {schema})
        SELECT id FROM datasets WHERE status = 'ready' AND id NOT IN (SELECT dataset_id FROM sound)
        UNION SELECT dataset_id FROM preflect_state WHERE dataset_id NOT IN (SELECT id FROM datasets)
        """,
    )
    return [UUID(row[0]) for row in rows]


def _creation_if_published(connection: Connection, dataset: UUID) -> list[str]:
    if not connection.exec_driver_sql(f"SELECT 1 FROM datasets WHERE id = '{dataset.hex}'").first():
        return []
    rows = connection.exec_driver_sql(text_fields_query(dataset.hex))
    return creation(dataset, [TextField(*row) for row in rows])


def clear(engine: Engine) -> None:
    """Drop all that `prepare` made, so that a migration finds Argilla's own schema; `prepare` makes it anew."""
    with engine.connect() as connection:
        made = connection.exec_driver_sql(
            "SELECT type, name FROM sqlite_master WHERE name LIKE 'preflect@_%' ESCAPE '@' AND sql IS NOT NULL"
            " ORDER BY type = 'trigger' DESC, type = 'index' DESC, sql LIKE 'CREATE VIRTUAL%' DESC",
        )
        _in_one_go(connection, [f"DROP {kind} IF EXISTS {name}" for kind, name in made])
