"""Running SQL in the session of Argilla's request, so that what the request did is seen."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession
from sqlite_search.clause import Clause


async def rows(session: AsyncSession, query: Clause) -> list[tuple[Any, ...]]:
    await session.flush()
    connection = await session.connection()
    found = await connection.exec_driver_sql(query.sql, query.values)
    return [tuple(row) for row in found]


async def in_one_go(session: AsyncSession, statements: list[str]) -> None:
    """All of them or none, committed."""
    async with session.begin_nested():
        connection = await session.connection()
        for statement in statements:
            await connection.exec_driver_sql(statement)
    await session.commit()
