"""A full disk, in words of what was kept and what to do."""

from __future__ import annotations

from typing import Final

from argilla_server.api.routes import api_v1
from argilla_server.database import async_engine
from argilla_server.errors.base_errors import ServerError
from argilla_server.errors.error_handler import APIErrorHandler
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext

_FULL: Final = {"SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE"}
"""What SQLite says that could not write; on a disk with quotas, and of the file that its processes share."""


class DiskFullError(ServerError):
    """Nothing can be written."""

    HTTP_STATUS = 507

    def __init__(self) -> None:
        self.detail = (
            "the disk that holds the reviews is full: this was not kept, all that was acknowledged is; make room and "
            "try again"
        )


def tell_of_a_full_disk() -> None:
    """Say it in place of SQLite's error, also where Argilla answers for each of several by itself."""
    event.listen(async_engine.sync_engine, "handle_error", _tell)
    api_v1.add_exception_handler(DiskFullError, APIErrorHandler.common_exception_handler)


def _tell(failed: ExceptionContext) -> None:
    error = failed.original_exception
    if getattr(error, "sqlite_errorname", "") in _FULL:
        raise DiskFullError from error
