"""The folder that holds a review server's data: what lies where, and which server is at work on it."""

from __future__ import annotations

import fcntl
import json
import shutil
import socket
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from preflect.errors import InputError, MissingPartError, RunError

DEFAULT_HOME: Final = Path("data/review")
_ROOM: Final = 50_000_000
"""Bytes: for a copy of the pages, and for a database to grow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """How to log in to a server."""

    url: str
    username: str
    password: str
    api_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A server at work, on this machine."""

    pid: int
    url: str


@dataclass(frozen=True, slots=True)
class ReviewHome:
    """A review home; it need not be there yet."""

    folder: Path

    @property
    def database(self) -> Path:
        return self.folder / "argilla.db"

    @property
    def credentials_file(self) -> Path:
        return self.folder / "credentials.json"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    @property
    def _lock(self) -> Path:
        return self.folder / "lock"

    @property
    def _starting(self) -> Path:
        return self.folder / "starting"

    @property
    def _server(self) -> Path:
        return self.folder / "server.json"

    def make(self) -> None:
        """Make the folder, for its owner's eyes only.

        Raises: InputError when it's somebody else's or no folder; RunError when there is no room in it for a server.
        """
        try:
            self._make()
        except OSError as error:
            raise InputError(
                f"{self.folder} can't hold a review server's data: {error.strerror}; name another folder with --home"
            ) from error

    def _make(self) -> None:
        if self.folder.exists() and not self._lock.exists() and any(self.folder.iterdir()):
            raise InputError(f"{self.folder} holds other files and no review server's; name a new folder with --home")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        free = shutil.disk_usage(self.folder).free
        if free < _ROOM:
            raise RunError(f"{free // 1_000_000} MB are free in {self.folder}, a server needs {_ROOM // 1_000_000}")
        for file in (self._lock, self._starting, self.log):
            file.touch(mode=0o600)

    def credentials(self) -> Credentials | None:
        """How to log in to the server that is, or was last, at work here."""
        told = _read(self.credentials_file)
        return Credentials(**told) if told else None

    def port(self) -> int:
        """Where the last server listened, that bookmarks may still be right; 0 where there was none."""
        credentials = self.credentials()
        return int(credentials.url.rpartition(":")[2]) if credentials else 0

    def running(self) -> Running | None:
        """The server that is at work here.

        It holds the lock as long as it lives, so a number that it left behind is never taken for it.
        Raises: InputError when it works on another machine that shares the folder.
        """
        if not self._lock.exists() or not self.is_locked():
            return None
        told = _read(self._server)
        if told is None:
            raise MissingPartError(f"a server is just starting, or ending, in {self.folder}; try again in a moment")
        if told["machine"] != socket.gethostname():
            raise InputError(f"the server of {self.folder} runs on the machine {told['machine']}; go there")
        return Running(pid=told["pid"], url=told["url"])

    def forget_server(self) -> None:
        """Take away what a server that was killed left behind."""
        self._server.unlink(missing_ok=True)

    def is_locked(self) -> bool:
        """Whether a server lives here."""
        with self._lock.open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

    @contextmanager
    def start_alone(self) -> Generator[None]:
        """Let others who would start a server here wait."""
        with self._starting.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
