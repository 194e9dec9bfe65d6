"""One row of the input: what is asked, or why it cannot be used."""

from __future__ import annotations

from dataclasses import dataclass, field

import orjson
from pydantic import JsonValue

from preflect.schemas import Conversation, GraderSpec, content_id


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRow:
    """A row that can become a sample."""

    number: int
    """Where it stands: the line of a .jsonl, the spreadsheet row of a .csv (its header is row 1), else from 1."""
    messages: Conversation
    """Ends with the user's turn."""
    input: str | None = None
    response: str | None = None
    reference_answer: str | None = None
    grader: GraderSpec | None = None
    source: str | None = None
    source_id: str | None = None
    metadata: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A row that cannot be used: which, why, and what would be right."""

    number: int
    reason: str
    """A short code, counted in the report: `no_instruction`, `bad_json`, …"""
    remedy: str
    """What the row has and what it should have, in words."""
    row_id: str
    """Content hash of the raw row."""

    @property
    def line(self) -> str:
        """The complaint in one line."""
        return f"row {self.number}: {self.remedy} ({self.reason})"


@dataclass(frozen=True, slots=True)
class RawRow:
    """A row as the file has it, before its columns are mapped."""

    number: int
    value: object

    def refused(self, reason: str, remedy: str) -> BadRow:
        """This row as a bad one."""
        return BadRow(number=self.number, reason=reason, remedy=remedy, row_id=content_id(self._text()))

    def _text(self) -> str:
        try:
            # Parquet rows may hold dates, decimals and bytes; their text is as good a name as any.
            return orjson.dumps(self.value, default=str, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS).decode()
        except orjson.JSONEncodeError:
            # Nested deeper than JSON is written; nothing else is left to name the row by.
            return f"row {self.number}"
