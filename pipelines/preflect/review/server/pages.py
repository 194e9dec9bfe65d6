"""The web pages: one copy under home, nothing loaded from elsewhere, and headers that keep it so."""

from __future__ import annotations

import base64
import re
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

_GOOGLE_FONTS: Final = re.compile(r"@import url\(https://fonts\.googleapis\.com[^)]*\);?")
_INLINE_SCRIPT: Final = re.compile(r"<script>(.+?)</script>", re.DOTALL)


@contextmanager
def copied_to(folder: Path) -> Generator[None]:
    """Argilla copies its pages to a temporary folder when it's imported, and leaves them there: in the block, here."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    tempfile.tempdir = str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = None


def leave_google_fonts_out(folder: Path) -> None:
    """The pages' own fallback fonts serve as well, and nobody learns who reads what when."""
    for sheet in folder.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        if _GOOGLE_FONTS.search(text):
            sheet.write_text(_GOOGLE_FONTS.sub("", text), encoding="utf-8")


def content_security_policy(folder: Path) -> str:
    """Everything from this server alone; of the scripts within pages, only those that came with them."""
    scripts = {
        script for page in folder.rglob("*.html") for script in _INLINE_SCRIPT.findall(page.read_text(encoding="utf-8"))
    }
    hashes = sorted(f"'sha256-{base64.b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts)
    directives = (
        "default-src 'self'",
        f"script-src 'self' {' '.join(hashes)}",
        "style-src 'self' 'unsafe-inline'",  # the pages' components style themselves
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
    return "; ".join(directives)


class SecurityHeaders:
    """The app, with these headers on each of its answers."""

    def __init__(self, app: Any, policy: str) -> None:
        self._app = app
        self._headers = [
            (b"content-security-policy", policy.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
        ]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request (ASGI)."""

        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = message | {"headers": [*message["headers"], *self._headers]}
            await send(message)

        await self._app(scope, receive, send_with_headers)
