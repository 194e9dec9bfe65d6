"""Argilla's search on its own SQLite database: no Elasticsearch.

`register()` before any connection to the database, `prepare(engine)` once it is migrated, `clear(engine)` before it is
migrated. `sqlite_search` reads top down: `engine` → `hits` → `filters`, `sorting`, `text_query` → `clause`.
"""

from argilla_server.search_engine import SearchEngine
from sqlite_search.connections import equip_connections
from sqlite_search.engine import SqliteSearchEngine
from sqlite_search.preparation import clear, prepare

__all__ = ["SqliteSearchEngine", "clear", "prepare", "register"]


def register() -> None:
    """Make `ARGILLA_SEARCH_ENGINE=sqlite` known to Argilla, once, before any connection to the database is opened."""
    if "sqlite" not in SearchEngine.registered_classes:
        equip_connections()
        SearchEngine.register("sqlite")(SqliteSearchEngine)
