"""What the starting process is told, as lines of JSON, while all that is printed goes to the log."""

from __future__ import annotations

import json
import logging
import os
import sys
from typing import Any


class Reports:
    """The way back to the process that started this one; it stops listening once the server is ready."""

    def __init__(self) -> None:
        self._descriptor = os.dup(sys.stdout.fileno())
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def say(self, **what: Any) -> None:
        """`doing=…` for a step, `ready=…` at the end, `error=…` when there is none."""
        os.write(self._descriptor, json.dumps(what).encode() + b"\n")

    def close(self) -> None:
        """No more will be said."""
        os.close(self._descriptor)


def log_plainly() -> None:
    """One line for each message; set before Argilla sets its own, which wraps lines to a terminal that isn't there."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("uvicorn.error").setLevel(logging.INFO)
