"""The web pages: one copy under home, nothing loaded from elsewhere, and headers that keep it so."""

from __future__ import annotations

import base64
import re
import shutil
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

_BASE_URL: Final = "@@baseUrl@@"
"""Where Argilla puts the path that it is served under; here that is none."""
_GOOGLE_FONTS: Final = re.compile(r"@import url\(https://fonts\.googleapis\.com[^)]*\);?")
_ALLOWED: Final = '{ADD_TAGS:["embed","object"],ADD_ATTR:["data","target"],ADD_URI_SAFE_ATTR:["data"]}'
_ALLOWED_HERE: Final = '{FORBID_TAGS:["style","form","button"],ADD_ATTR:["target"]}'
"""What Argilla leaves of the HTML in Markdown, and what we do: no text restyles the page, or asks to be filled in."""
_TEXTS: Final = (
    "<style>.markdown-render { contain: content; overflow: auto }"
    " .markdown-render :is(th, td) { border: 1px solid #ddd; padding: 2px 8px }</style></head>"
)
"""Whatever its own style says, a text stays in its place: it could lie over the whole page, questions and all. And the
cells of a table are told from each other."""
_INLINE_SCRIPT: Final = re.compile(r"<script>(.+?)</script>", re.DOTALL)


@contextmanager
def not_copied() -> Generator[None]:
    """Within the block, Argilla does not copy its pages to a temporary folder and leave them there.

    It does so whenever it is imported; the copy that counts is made by `prepared`, once.
    """
    make_folder, copy = tempfile.mkdtemp, shutil.copytree
    tempfile.mkdtemp, shutil.copytree = (lambda *_, **__: ""), (lambda _, to: to)
    try:
        yield
    finally:
        tempfile.mkdtemp, shutil.copytree = make_folder, copy


def prepared(source: Path, folder: Path) -> Path:
    """The pages as they are served, somewhere in `folder`: made when this version of them isn't there yet.

    The pages' own fallback fonts serve as well as Google's, and nobody learns who reads what when. What models wrote is
    kept from changing anything but its own place.
    """
    version = sha256(Path(__file__).read_bytes() + str(source).encode()).hexdigest()[:16]
    pages = folder / version
    if not pages.exists():
        shutil.rmtree(folder, ignore_errors=True)
        unfinished = folder / "unfinished"
        shutil.copytree(source, unfinished, ignore=shutil.ignore_patterns("*.br", "*.gz"))
        _rewrite(unfinished, ("*.html", "*.js"), lambda text: text.replace(_BASE_URL, ""))
        _rewrite(unfinished, ("*.html",), lambda text: text.replace("</head>", _TEXTS))
        _rewrite(unfinished, ("*.js",), lambda text: text.replace(_ALLOWED, _ALLOWED_HERE))
        _rewrite(unfinished, ("*.css",), lambda text: _GOOGLE_FONTS.sub("", text))
        unfinished.rename(pages)
    return pages


def _rewrite(folder: Path, patterns: Sequence[str], change: Callable[[str], str]) -> None:
    for path in (path for pattern in patterns for path in folder.rglob(pattern)):
        text = path.read_text(encoding="utf-8")
        if (changed := change(text)) != text:
            path.write_text(changed, encoding="utf-8")


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
