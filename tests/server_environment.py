"""Running pytest in the review server's environment, where its files and Argilla can be imported, preflect cannot."""

from __future__ import annotations

import fcntl
import os
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Final

from preflect.review.environment import python_of, server_environment

CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "preflect"
_PACKAGES: Final = Path(__file__).parent / "contracts" / "beside_the_server.txt"
_SERVER: Final = Path(__file__).parents[1] / "pipelines" / "preflect" / "review" / "server"


def run_pytest(*words: str | Path, cwd: Path, path: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """Pytest in the server's environment, run to its end; `path` can be imported from, `home` is the server's."""
    python = server_python()
    found = ":".join(map(str, (path, _SERVER, _beside(python))))
    return subprocess.run(
        [python, "-m", "pytest", *words],
        env=os.environ | {"PYTHONPATH": found, "PREFLECT_TEST_HOME": str(home)},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=560,
        check=False,
    )


def server_python() -> Path:
    """The interpreter of the server's environment, which is made where it isn't there yet."""
    return python_of(server_environment(CACHE / "review-server", lambda _: None))


def _beside(python: Path) -> Path:
    """The folder with what only tests need, made once for each list of packages."""
    folder = CACHE / "review-tests" / sha256(_PACKAGES.read_bytes()).hexdigest()[:16]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            options = ["--quiet", "--no-deps", "--upgrade", "--target", folder, "--requirement", _PACKAGES]
            subprocess.run([python, "-m", "pip", "install", *options], check=True, capture_output=True, text=True)
            (folder / "ready").touch()
    return folder
