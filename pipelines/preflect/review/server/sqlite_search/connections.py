"""What every connection to the database is given."""

from typing import Any

from sqlalchemy import Engine, event
from sqlite_search.words import words

MAPPED_BYTES = 2**30


def equip_connections() -> None:
    """From now on every new connection can make words: without it no record can be written, as its triggers need them.

    It also maps the file into memory: reading many records that a text finds takes half the time.
    """
    event.listen(Engine, "connect", _equip)


def _equip(connection: Any, _: Any) -> None:
    connection.create_function("words", 1, words, deterministic=True)
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA mmap_size = {MAPPED_BYTES}")
    cursor.close()
