"""What commands say: text for people, one JSON document for machines, the rest on stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any

import typer

from preflect.errors import RunError

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]


def print_result(document: Any, text: str, *, as_json: bool) -> None:
    """Print the document as JSON, or the text; where its reader has gone (`| head`) there is nothing more to do.

    Raises: RunError: stdout cannot be written.
    """
    try:
        write_out((_json(document) if as_json else text) + "\n")
    except BrokenPipeError:
        return
    except RunError as error:
        raise RunError(f"{error}; what was done is kept") from error


def write_out(text: str, *, at_once: bool = True) -> None:
    """Write to stdout. Raises: BrokenPipeError: its reader has gone; RunError: it cannot be written."""
    try:
        sys.stdout.write(text)
        if at_once:
            sys.stdout.flush()
    except OSError as error:
        # Python would try once more at its end, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise
        raise RunError(f"stdout cannot be written ({error.strerror})") from error


def _json(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2)


def columns_text(lines: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def report_error(message: str, exit_code: int, *, as_json: bool) -> None:
    """Say what went wrong on stderr, and on stdout as well for a machine that reads JSON there."""
    print(f"error: {message}", file=sys.stderr)
    if as_json:
        with suppress(RunError):
            print_result({"error": message, "exit_code": exit_code}, "", as_json=True)
