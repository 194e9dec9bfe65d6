"""The first user: the owner, whose random password and API key lie in a file that only the user can read."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Final

from argilla_server.contexts.accounts import hash_password
from argilla_server.database import SyncSessionLocal
from argilla_server.enums import UserRole
from argilla_server.models import User
from sqlalchemy import select
from surroundings import write_whole

_NAME: Final = "owner"


def make_owner(credentials: Path, url: str) -> None:
    """Make the owner, and the file that says how to log in.

    A file that was deleted is made anew with a new password and key, which the owner then has; where the file is there,
    a password that the owner changed since stays changed.
    """
    known: dict[str, str] = json.loads(credentials.read_text(encoding="utf-8")) if credentials.exists() else {}
    told = {"url": url, "username": _NAME, "password": secrets.token_urlsafe(18), "api_key": secrets.token_urlsafe(48)}
    told |= {name: known[name] for name in ("username", "password", "api_key") if name in known}
    write_whole(credentials, json.dumps(told, indent=2) + "\n")
    _ensure(told, anew=not known)


def _ensure(told: dict[str, str], *, anew: bool) -> None:
    with SyncSessionLocal() as session:
        owner = session.scalar(select(User).where(User.username == told["username"]))
        if owner is None:
            owner = User(first_name=told["username"], username=told["username"], role=UserRole.owner)
            session.add(owner)
        elif not anew:
            return
        owner.password_hash = hash_password(told["password"])
        owner.api_key = told["api_key"]
        session.commit()
