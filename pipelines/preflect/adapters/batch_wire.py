"""The lines of the Batch API's files: requests that go in, and what comes out for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from pydantic import BaseModel

from preflect.adapters.chat_call import RETRIED_STATUS
from preflect.adapters.chat_wire import BadBodyError, Completion, read_completion, read_json
from preflect.adapters.refusals import Refusal, read_refusal
from preflect.scoring.cost import Usage

URL: Final = "/v1/chat/completions"
MOST_BYTES: Final = 200_000_000
"""Size of a file of requests at most."""
CANCELLED: Final = "batch_cancelled"
QUEUE_FULL: Final = "token_limit_exceeded"
"""What a batch is refused for that would queue more tokens than the account may."""
_EXPIRED: Final = "batch_expired"
_OK: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why a request of a batch has no reply."""

    words: str
    code: str | None = None
    passing: bool = False
    """Whether the same request may be answered in another batch."""
    refusal: Refusal | None = None
    """The endpoint's own answer, where it gave one."""
    billed: bool = False
    """Whether it came with a success that may have to be paid."""
    usage: Usage | None = None
    """What was counted for it then, as far as that can be read."""
    tried: bool = True
    """Whether the endpoint had the request in work at all."""

    @property
    def reason(self) -> str:
        """The short code for a sample's rejection."""
        known = {"content_filter": "content_filter", _EXPIRED: "call_timeout"}
        return known.get(self.code or "", "call_failed")


class _Error(BaseModel):
    code: str | int | None = None
    message: str | None = None


class _Response(BaseModel):
    status_code: int
    body: Any = None


class _Line(BaseModel):
    custom_id: str
    response: _Response | None = None
    error: _Error | None = None


def request_line(key: str, body: Mapping[str, Any]) -> bytes:
    """One line of a batch's input file; its reply bears the key."""
    return orjson.dumps({"custom_id": key, "method": "POST", "url": URL, "body": body}) + b"\n"


def read_line(content: bytes) -> tuple[str, Completion | Fault]:
    """Key and outcome that one line of an output or error file tells. Raises: BadBodyError when it's no such line."""
    try:
        line = _Line.model_validate(read_json(content))
    except ValueError as error:  # pydantic's own errors are ValueErrors too
        raise BadBodyError(f"no line of a batch: {content[:200]!r}") from error
    return line.custom_id, _outcome(line)


def _outcome(line: _Line) -> Completion | Fault:
    if line.response is None:
        error = line.error or _Error(message="neither a response nor an error came for it")
        code = None if error.code is None else str(error.code)
        return Fault(words=f"{code}: {error.message}", code=code, passing=True)
    if line.response.status_code != _OK:
        return _fault_of_status(line.response)
    try:
        return read_completion(orjson.dumps(line.response.body))
    except BadBodyError as error:
        return Fault(words=str(error), passing=True, billed=True, usage=error.usage)


def _fault_of_status(response: _Response) -> Fault:
    refusal = read_refusal(response.status_code, orjson.dumps(response.body))
    return Fault(words=str(refusal), code=refusal.code, passing=response.status_code in RETRIED_STATUS, refusal=refusal)
