"""What every schema shares: frozen, strict, unknown keys refused, named by its content."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final, Self

import orjson
from pydantic import BaseModel, ConfigDict, model_validator

SCHEMA_VERSION: Final = 1
"""Version of all that is stored; raised when a stored field changes its meaning."""


_WITH_BIG_NUMBERS: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def content_id(value: Any) -> str:
    """Hash of the canonical JSON of `value` (sorted keys, no spaces, UTF-8): 20 hexadecimal digits, 80 bits."""
    return hashlib.blake2b(_canonical(value), digest_size=10).hexdigest()


def _canonical(value: Any) -> bytes:
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # an integer of more than 64 bits, which orjson refuses
        return _WITH_BIG_NUMBERS.encode(value).encode()


class Schema(BaseModel):
    """A frozen record; equal content means equal records."""

    # The length is that of a Parquet value. Any limit also makes pydantic refuse lone surrogates, which are not Unicode
    # and which no file could hold.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, str_max_length=2**31 - 1)

    def evolve(self, **changes: Any) -> Self:
        """A copy with `changes` in place of the fields they name."""
        return self.model_copy(update=changes)


class Identified(Schema):
    """A record whose `id` is the hash of all its other fields."""

    id: str = ""

    def evolve(self, **changes: Any) -> Self:
        """A copy with `changes` in place of the fields they name, under the id of its new content."""
        copy = super().evolve(**changes)
        object.__setattr__(copy, "id", _own_id(copy))
        return copy

    @model_validator(mode="after")
    def _name_by_content(self) -> Self:
        expected = _own_id(self)
        if not self.id:
            object.__setattr__(self, "id", expected)
        elif self.id != expected:
            raise ValueError(f"id {self.id!r} does not match the content, whose hash is {expected!r}")
        return self


def _own_id(record: Identified) -> str:
    return content_id(record.model_dump(mode="json", exclude={"id"}))
