"""SQLite under Argilla: migrations that are whole or absent, and how each connection is set up."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlite_search
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from argilla_server.database import ALEMBIC_CONFIG_FILE, async_engine, sync_engine
from argilla_server.settings import settings
from sqlalchemy import create_engine, event
from sqlalchemy.engine import Engine


def migrate(database: Path) -> None:
    """Bring the database forward to what this Argilla expects, or make it.

    It happens in a copy that then takes the database's place: SQLite's migrations are not transactions, and one that
    was killed half-way could not be repeated.
    """
    script = Config()
    script.set_main_option("script_location", str(Path(ALEMBIC_CONFIG_FILE).with_name("alembic")))
    if _revision(database) == ScriptDirectory.from_config(script).get_current_head():
        return
    copy = database.with_name(f".{database.name}.tmp")
    _copy(database, copy)
    copied = create_engine(f"sqlite:///{copy}")
    sqlite_search.clear(copied)  # Argilla's migrations know nothing of it
    copied.dispose()
    url, settings.database_url = settings.database_url, f"sqlite+aiosqlite:///{copy}"
    command.upgrade(script, "head")
    settings.database_url = url
    copy.replace(database)


def _revision(database: Path) -> str | None:
    if not database.exists():
        return None
    with closing(sqlite3.connect(database)) as connection:
        try:
            found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.OperationalError:
            return None
        return found[0] if found else None


def _copy(database: Path, to: Path) -> None:
    to.unlink(missing_ok=True)
    if database.exists():
        with closing(sqlite3.connect(database)) as old, closing(sqlite3.connect(to)) as new:
            old.backup(new)


def prepare_connections() -> None:
    """Readers beside a writer, and an answer only once what it acknowledges is on the disk."""
    event.listen(Engine, "connect", _set_up)
    # An error would quote a statement's values: passwords' hashes, keys, what annotators wrote.
    for engine in (sync_engine, async_engine.sync_engine):
        engine.hide_parameters = True


def _set_up(connection: Any, _: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()
