"""Some endpoints quote the key that they are sent: it must reach no file, no message and no screen."""

from __future__ import annotations

import re
from functools import lru_cache


def without_key(said: bytes, key: str) -> bytes:
    """What an endpoint said, with `***` for the key however JSON spells it there."""
    if len(key) <= 1:
        return said
    # Most replies have no such escape, and a pattern takes a hundred times as long to look through one.
    if any(escape in said for escape in _escapes(key)):
        return _spellings(key).sub(b"***", said)
    return said.replace(key.encode(), b"***")


@lru_cache(maxsize=16)
def _escapes(key: str) -> tuple[bytes, ...]:
    """How JSON can begin to spell a character of the key otherwise than as it is."""
    return (rb"\u00", *(b"\\" + char.encode() for char in '"\\/' if char in key))


@lru_cache(maxsize=16)
def _spellings(key: str) -> re.Pattern[bytes]:
    return re.compile(b"".join(rb"(?:\\u(?i:%04x)|\\?%b)" % (ord(char), re.escape(char.encode())) for char in key))
