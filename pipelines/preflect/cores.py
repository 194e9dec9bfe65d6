"""What the machine lets this process use."""

from __future__ import annotations

import os
import sys


def count_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
