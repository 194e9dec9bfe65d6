"""What came back of a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What came back of a request; status 0 where nothing did, and `failure` says why."""

    status: int
    headers: Mapping[str, str]
    """To be looked up in lower case."""
    body: bytes
    seconds: float
    failure: str = ""
    timed_out: bool = False
    unsent: bool = False
    """Whether there was not even a connection to send it over."""
