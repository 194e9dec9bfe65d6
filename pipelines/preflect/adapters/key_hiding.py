"""Some endpoints quote the key that they are sent: it must reach no file, no message and no screen."""

from __future__ import annotations

import re
from functools import lru_cache


def without_key(said: bytes, key: str) -> bytes:
    """What an endpoint said, with `***` for the key however JSON spells it there."""
    if len(key) <= 1:
        return said
    # Most replies have no such escape, and to look for all spellings takes a hundred times as long.
    if b"\\" in said and _escape(key).search(said):
        return _spellings(key).sub(b"***", said)
    return said.replace(key.encode(), b"***")


@lru_cache(maxsize=16)
def _escape(key: str) -> re.Pattern[bytes]:
    """A character of the key spelt otherwise than as it is."""
    numbers = b"|".join(b"%04x" % ord(char) for char in sorted({*key}))
    escaped = b"".join(re.escape(char.encode()) for char in '"\\/' if char in key)
    return re.compile(rb"\\(?:u(?i:%b)%b)" % (numbers, b"|[%b]" % escaped if escaped else b""))


@lru_cache(maxsize=16)
def _spellings(key: str) -> re.Pattern[bytes]:
    return re.compile(b"".join(rb"(?:\\u(?i:%04x)|\\?%b)" % (ord(char), re.escape(char.encode())) for char in key))
