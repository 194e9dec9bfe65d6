"""The variables that Argilla reads when it is imported, all set here; the caller's own never reach it."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Final

DATABASE: Final = "argilla.db"
_KEY_FILE: Final = "secret_key"
_BUSY_S: Final = 30
"""So long a writer waits for another one."""


def surround(home: Path, url: str) -> None:
    """Set what Argilla needs to keep everything under `home` and to ask nothing of the network."""
    os.environ |= {
        "ARGILLA_HOME_PATH": str(home),
        "ARGILLA_DATABASE_URL": f"sqlite+aiosqlite:///{home / DATABASE}?check_same_thread=False",
        "ARGILLA_DATABASE_SQLITE_TIMEOUT": str(_BUSY_S),
        "ARGILLA_SEARCH_ENGINE": "sqlite",
        "ARGILLA_CORS_ORIGINS": json.dumps([url]),
        "ARGILLA_DOCS_ENABLED": "0",  # the page loads its scripts from elsewhere
        "ARGILLA_AUTH_SECRET_KEY": _secret_key(home / _KEY_FILE),
        # Upstream looks for the file in the current folder.
        "ARGILLA_AUTH_OAUTH_CFG": str(home / "no-oauth.yaml"),
        "HF_HOME": str(home / "huggingface"),
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }


def _secret_key(path: Path) -> str:
    """The key that signs logins; a new one at each start would end them all."""
    if not path.exists():
        write_whole(path, secrets.token_hex(32))
    return path.read_text(encoding="ascii")


def write_whole(path: Path, text: str) -> None:
    """Write a file that is whole or absent, for its owner's eyes only (the umask of this process)."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
