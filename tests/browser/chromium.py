"""Debian's Chromium, kept from the network, and what a page asked of it all the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest

_CHROMIUM: Final = Path("/usr/bin/chromium")
QUIET: Final = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip


def chromium() -> Path:
    """Where it is; a test that needs it fails where it isn't."""
    if not _CHROMIUM.exists():
        pytest.fail(f"{_CHROMIUM} is missing: install it with `apt-get install chromium`")
    return _CHROMIUM


def requests_of_the_page(log: Path) -> list[str]:
    """Addresses that pages, not the browser itself, asked for over the network, from the browser's log of it."""
    events = json.loads(log.read_text(encoding="utf-8"))["events"]
    started = [event["params"] for event in events if "initiator" in event.get("params", {})]
    # The browser's own requests (updates, its clock) have no page behind them.
    return [params["url"] for params in started if params["initiator"] != "not an origin"]
