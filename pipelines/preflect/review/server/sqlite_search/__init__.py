"""Argilla's search on its own SQLite database: no Elasticsearch.

Before the server is imported as an application: `register()`; after the migrations and before it answers: `prepare(engine)`.
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
