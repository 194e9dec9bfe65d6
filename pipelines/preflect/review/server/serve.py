"""The server itself: Argilla with its database, owner, search engine, background jobs and pages in place."""

from __future__ import annotations

import asyncio
import signal
import socket
from pathlib import Path
from typing import Any

import argilla_server
import database
import full_disk
import pages
import quicker
import sqlite_search
import uvicorn
from argilla_server import app
from argilla_server.database import async_engine, sync_engine
from argilla_server.static_rewrite import RewriteStaticFiles
from blinding import blind
from jobs import work_beside
from owner import make_owner
from reports import Reports
from surroundings import DATABASE

_LEAVE_S = 5
"""So long the server waits at its end for requests that are being answered."""


def serve(home: Path, url: str, listener: socket.socket, reports: Reports) -> None:
    """Serve until SIGTERM. Raises: RuntimeError when the server does not come up."""
    reports.say(doing="bringing the database up to date")
    database.migrate(home / DATABASE)
    database.prepare_connections()
    sqlite_search.register()
    reports.say(doing="making ready to search")
    sqlite_search.prepare(sync_engine)
    make_owner(home / "credentials.json", url)
    blind()
    full_disk.tell_of_a_full_disk()
    quicker.quicken()
    config = uvicorn.Config(
        _with_pages(home / "static"), access_log=False, log_config=None, timeout_graceful_shutdown=_LEAVE_S
    )
    server = _Server(config, reports)
    # Uvicorn ends well on SIGTERM, and then sends it again to whoever was there before.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    server.run(sockets=[listener])
    if not server.started:
        raise RuntimeError("the server did not come up")


def _with_pages(folder: Path) -> pages.SecurityHeaders:
    static = pages.prepared(Path(argilla_server.__path__[0], "static"), folder)
    next(route for route in app.routes if route.name == "static").app = RewriteStaticFiles(directory=static, html=True)
    return pages.SecurityHeaders(app, pages.content_security_policy(static))


class _Server(uvicorn.Server):
    """Says when it listens, and leaves one database file behind."""

    def __init__(self, config: uvicorn.Config, reports: Reports) -> None:
        super().__init__(config)
        self._reports = reports

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        if self.started:
            work_beside(asyncio.get_running_loop())
            self._reports.say(ready=True)
            self._reports.close()

    async def shutdown(self, sockets: Any = None) -> None:
        await super().shutdown(sockets)
        await async_engine.dispose()
        sync_engine.dispose()
