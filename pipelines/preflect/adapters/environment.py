"""The environment: the one place below the CLI that reads it, for secrets by the name of their variable and proxies."""

from __future__ import annotations

import os
from typing import Final, Literal
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from preflect.errors import InputError

Signal = Literal["traces", "metrics"]
SIGNALS: Final[tuple[Signal, ...]] = ("traces", "metrics")


def otlp_signals() -> frozenset[Signal]:
    """What OpenTelemetry's standard variables want exported: an endpoint is set, and nothing turns it off."""
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return frozenset()
    return frozenset(signal for signal in SIGNALS if _otlp(signal, "ENDPOINT") and _exporter_of(signal) != "none")


def otlp_protocols() -> frozenset[str]:
    """The protocols that the variables ask for, where they ask for one."""
    return frozenset(_otlp(signal, "PROTOCOL") for signal in otlp_signals()) - {""}


def _otlp(signal: Signal, what: str) -> str:
    general = os.environ.get(f"OTEL_EXPORTER_OTLP_{what}", "")
    return os.environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_{what}", "") or general


def _exporter_of(signal: Signal) -> str:
    return os.environ.get(f"OTEL_{signal.upper()}_EXPORTER", "").strip().lower()


def secret(name: str | None) -> str:
    """The variable's value, empty when no variable is named. Raises: InputError when it's not set, or no key."""
    if name is None:
        return ""
    if not name.isidentifier():
        # Not quoted: it may be the key itself.
        raise InputError("this is no variable's name; name the variable that holds the key, never the key itself")
    value = os.environ.get(name, "")
    if not value:
        raise InputError(f"the environment variable {name} is not set; set it to the API key: export {name}=…")
    if not value.isascii() or not value.isprintable() or " " in value:
        # Said here, because the HTTP libraries' own messages quote the whole key.
        raise InputError(
            f"the environment variable {name} holds a space, a line break or a letter that no key has; set it again"
        )
    return value


def proxy_for(url: str) -> str | None:
    """The proxy that the environment names for this address (`HTTPS_PROXY`, `NO_PROXY` and their like)."""
    parts = urlsplit(url)
    if parts.hostname is None or proxy_bypass(parts.hostname):
        return None
    return getproxies().get(parts.scheme)
