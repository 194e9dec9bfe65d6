"""What commands say: text for people, one JSON document for machines, the rest on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]


def print_result(document: Any, text: str, *, as_json: bool) -> None:
    """Print the document as JSON, or the text."""
    print(json.dumps(document, ensure_ascii=False, indent=2) if as_json else text, flush=True)


def columns_text(lines: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def report_error(message: str, exit_code: int, *, as_json: bool) -> None:
    """Say what went wrong on stderr, and on stdout as well for a machine that reads JSON there."""
    print(f"error: {message}", file=sys.stderr)
    if as_json:
        print(json.dumps({"error": message, "exit_code": exit_code}, ensure_ascii=False, indent=2))
