"""Vega-Lite drawings, made in a process of its own: its engine takes a second to start, and all threads wait for it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self

from markupsafe import Markup

from preflect.errors import RunError
from preflect.interpreter import born_deaf

_DRAW: Final = """
import json, sys, vl_convert
vl_convert.vegalite_to_svg({"data": {"values": []}, "mark": "bar"})
for line in sys.stdin:
    # No data is ever fetched: the numbers are in the specification.
    print(json.dumps(vl_convert.vegalite_to_svg(json.loads(line), allowed_base_urls=[])), flush=True)
"""


class Pen:
    """Draws one specification after another; made early, it is ready when it's needed. Ends with its process."""

    def __init__(self) -> None:
        with born_deaf():
            self._process = subprocess.Popen(  # noqa: S603  (our own interpreter and text)
                [sys.executable, "-P", "-c", _DRAW],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
            )

    def draw(self, specification: Mapping[str, Any]) -> Markup:
        """The drawing as inline SVG. Raises: RunError: it could not be drawn."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(specification) + "\n")
            self._process.stdin.flush()
        if not (line := self._process.stdout.readline()):
            raise RunError(f"a plot of the report could not be drawn: {self._last_words()}")
        # The figure around it carries the accessible name; the drawing's own parts would be read as noise.
        return Markup(json.loads(line).replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1))  # noqa: S704

    def _last_words(self) -> str:
        assert self._process.stderr is not None
        return (self._process.stderr.read().strip().splitlines() or ["the process that draws has ended"])[-1]

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
