"""Start, find and stop the embedded Argilla."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import Final
from urllib.request import ProxyHandler, build_opener

from preflect.errors import RunError
from preflect.review.address import Address, bound
from preflect.review.environment import Say, python_of
from preflect.review.home import ReviewHome, Running

_LAUNCH: Final = Path(__file__).with_name("server") / "launch.py"
_START_S: Final = 120.0
_STOP_S: Final = 20.0
_ANSWER_S: Final = 5.0
_COUNTED: Final = ("datasets", "records", "responses")


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """Where a server listens, what gives its environment's folder, and the variables that it sees."""

    address: Address
    environment: Callable[[], Path]
    variables: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A review home as it stands: its server, if one is at work, and what its database holds."""

    running: Running | None
    version: str | None
    """Argilla's, as the server says; None where it does not answer."""
    counts: Mapping[str, int]


def start(home: ReviewHome, launch: Launch, say: Say) -> tuple[Running, bool]:
    """The server of this home, which goes on in the background, and whether it was at work before.

    It returns once the server answers.
    Raises: InputError when home or port cannot be had; MissingPartError when the environment cannot be made; RunError
    when the server does not come up, with its reason.
    """
    home.make()
    with home.start_alone():
        if running := home.running():
            return running, True
        with bound(launch.address, home.port()) as listener:
            url = launch.address.url(listener.getsockname()[1])
            python = python_of(launch.environment())
            words = ("--home", home.folder.resolve(), "--socket", listener.fileno(), "--url", url)
            home.forget_server()
            process = _spawn([python, "-s", "-E", _LAUNCH, *words], listener.fileno(), home, launch.variables)
        _follow(process, home.log, say)
        running = home.running()
        if running is None:
            raise RunError(f"the review server came up and ended; {home.log} says more")
        return running, False


def _spawn(
    command: Sequence[str | int | Path], listener: int, home: ReviewHome, variables: Mapping[str, str]
) -> subprocess.Popen[str]:
    with home.log.open("a") as log:
        return subprocess.Popen(  # noqa: S603  (our own file)
            [*map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            pass_fds=[listener],
            env=dict(variables),
            cwd=home.folder,
            # Neither Ctrl-C nor the end of this terminal is meant for it.
            start_new_session=True,
        )


def _follow(process: subprocess.Popen[str], log: Path, say: Say) -> None:
    """Pass on what the server does until it is ready; one that never is, or is not waited for, is killed."""
    patience = Timer(_START_S, process.kill)
    patience.start()
    ready = False
    try:
        ready = _becomes_ready(process, log, say)
    finally:
        patience.cancel()
        if not ready:
            process.kill()
            process.wait()


def _becomes_ready(process: subprocess.Popen[str], log: Path, say: Say) -> bool:
    assert process.stdout is not None
    with process.stdout as reports:
        for line in reports:
            report = json.loads(line)
            if "error" in report:
                raise RunError(f"the review server did not start: {report['error']}; {log} says more")
            if "ready" in report:
                return True
            say(report["doing"])
    raise RunError(f"the review server ended before it was ready; {log} says more")


def stop(home: ReviewHome) -> Running | None:
    """End the server of this home, and no other process; what it was, or None where there is none.

    Raises: RunError when it does not end.
    """
    running = home.running()
    if running is None:
        return None
    for number in (signal.SIGTERM, signal.SIGKILL):
        os.kill(running.pid, number)
        if _ends(home):
            return running
    raise RunError(f"the review server (process {running.pid}) does not end")


def _ends(home: ReviewHome) -> bool:
    deadline = time.monotonic() + _STOP_S
    while home.is_locked():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def status(home: ReviewHome) -> Status:
    """How a home stands; nothing is started for it."""
    running = home.running()
    return Status(running=running, version=_version(running.url) if running else None, counts=_counts(home.database))


def _version(url: str) -> str | None:
    try:
        # Never by a proxy: the server is on this machine.
        with build_opener(ProxyHandler({})).open(f"{url}/api/v1/version", timeout=_ANSWER_S) as answer:
            version: str = json.load(answer)["version"]
            return version
    except OSError:
        return None


def _counts(database: Path) -> dict[str, int]:
    """How many datasets, records and responses there are, nothing where there is no database. Raises: RunError."""
    if not database.exists():
        return {}
    try:
        with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            return {what: connection.execute(f"SELECT count(*) FROM {what}").fetchone()[0] for what in _COUNTED}  # noqa: S608
    except sqlite3.Error as error:
        raise RunError(f"{database} cannot be read: {error}; put a copy of it back that can") from error
