"""The review server's own environment: Argilla pins packages that contradict preflect's."""

from __future__ import annotations

import fcntl
import platform
import re
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

from preflect.errors import MissingPartError

Say = Callable[[str], None]
"""Takes what is being done, in words."""

_LOCK_FILE: Final = Path(__file__).with_name("server") / "requirements.lock"
_PACKAGE: Final = re.compile(r"(?:Collecting|Requirement already satisfied:) ([\w.-]+)")
_NEVER_RUN: Final = "/(pip|setuptools|tests)/"
_LAST_LINES: Final = 8
_NEWEST_PYTHON: Final = (3, 13)
"""Argilla pins packages that later ones cannot build."""


def python_of(environment: Path) -> Path:
    """The environment's interpreter, wherever it is called from. Raises: MissingPartError."""
    python = environment.resolve() / "bin" / "python"
    if not python.exists():
        raise MissingPartError(
            f"{environment} is no virtual environment, {python} is not there; name another with --environment, or none "
            "to have one made"
        )
    return python


def server_environment(cache: Path, say: Say) -> Path:
    """The environment's folder under `cache`, made where it isn't there yet.

    It is named by what is in it, so that another version of preflect finds or makes its own; it counts as made once it
    is whole. Two that need it at once make it once.
    Raises: MissingPartError when it cannot be made, with the last words of who failed.
    """
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / _name()
    with folder.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            shutil.rmtree(folder, ignore_errors=True)
            try:
                _make(folder, say)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            (folder / "ready").touch()
    return folder


def _name() -> str:
    interpreter = f"{sys.version} {platform.machine()} {sys.base_prefix}"
    return sha256(_LOCK_FILE.read_bytes() + interpreter.encode()).hexdigest()[:16]


def _make(folder: Path, say: Say) -> None:
    if sys.version_info[:2] > _NEWEST_PYTHON:
        raise MissingPartError(
            f"Argilla runs on Python 3.11 to 3.13, this is {platform.python_version()}; start preflect with one of "
            "those, or name a virtual environment with --environment"
        )
    say("making the review server's own environment, this once")
    _run([sys.executable, "-I", "-m", "venv", folder])
    python = [python_of(folder), "-I", "-m"]
    total, seen = _LOCK_FILE.read_text(encoding="utf-8").count("=="), 0

    def follow(line: str) -> None:
        nonlocal seen
        if found := _PACKAGE.match(line):
            seen += 1
            say(f"fetching package {seen} of {total}: {found[1]}")
        elif line.startswith("Installing"):
            say(f"installing {total} packages")

    # The lock file is complete: there is nothing to look for, nor to find contradictory.
    options = ["--no-deps", "--no-compile", "--progress-bar", "off", "--disable-pip-version-check", "--no-input"]
    _run([*python, "pip", "install", *options, "--requirement", _LOCK_FILE], follow)
    # A server without bytecode takes three times as long to start. Some packages carry files that no Python 3 compiles.
    say("compiling")
    _run([*python, "compileall", "-qq", "-j", "0", "-x", _NEVER_RUN, folder / "lib"], accept=(0, 1))


def _run(command: Sequence[str | Path], follow: Say = lambda _: None, accept: Sequence[int] = (0,)) -> None:
    last: deque[str] = deque(maxlen=_LAST_LINES)
    with subprocess.Popen(  # noqa: S603  (interpreters of ours)
        [*map(str, command)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            last.append(line.rstrip())
            follow(line)
    if process.returncode not in accept:
        raise MissingPartError(
            f"the review server's environment cannot be made: `{' '.join(map(str, command[2:5]))}` says\n  "
            + "\n  ".join(last)
            + "\nmake packages reachable (network, index, disk space), then start again"
        )
