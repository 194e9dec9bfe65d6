"""What the lines of the Batch API's files say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflect.adapters.batch_wire import Fault, read_line, request_line
from preflect.adapters.chat_wire import BadBodyError, Completion

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def line(**fields: Any) -> bytes:
    return json.dumps({"id": "batch_req_1", "custom_id": "k", "response": None, "error": None} | fields).encode()


def fault_of(status: int, body: object) -> Fault:
    key, outcome = read_line(line(response={"status_code": status, "request_id": "r", "body": body}))
    assert key == "k"
    assert isinstance(outcome, Fault)
    return outcome


@given(text=TEXTS, key=TEXTS)
def test_a_request_is_one_line_whatever_its_words(text: str, key: str) -> None:
    written = request_line(key, {"model": "m", "messages": [{"role": "user", "content": text}]})
    assert written.count(b"\n") == 1
    assert json.loads(written)["body"]["messages"][0]["content"] == text
    assert json.loads(written)["custom_id"] == key


@given(text=TEXTS.filter(lambda text: "</think>" not in text))
def test_a_reply_keeps_its_words(text: str) -> None:
    body = {"model": "served", "choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
    _, outcome = read_line(line(response={"status_code": 200, "body": body}))
    assert isinstance(outcome, Completion)
    assert outcome.text == text


@given(status=st.integers(201, 599), body=st.recursive(st.none() | TEXTS, lambda inner: st.dictionaries(TEXTS, inner)))
def test_no_error_is_taken_for_a_reply(status: int, body: object) -> None:
    assert fault_of(status, body).words.startswith(f"HTTP {status}: ")


@pytest.mark.parametrize(("status", "passing"), [(400, False), (404, False), (429, True), (500, True), (529, True)])
def test_what_may_pass_is_told_from_what_is_refused(status: int, passing: bool) -> None:
    fault = fault_of(status, {"error": {"message": "so it is", "code": "c"}})
    assert (fault.words, fault.code, fault.passing) == (f"HTTP {status}: so it is", "c", passing)


def test_a_request_that_expired_may_be_asked_again_and_is_a_timeout() -> None:
    _, outcome = read_line(line(error={"code": "batch_expired", "message": "too late"}))
    assert outcome == Fault(words="batch_expired: too late", code="batch_expired", passing=True)
    assert isinstance(outcome, Fault)
    assert outcome.reason == "call_timeout"


def test_a_reply_that_is_no_completion_may_be_asked_for_again() -> None:
    _, outcome = read_line(line(response={"status_code": 200, "body": {"choices": []}}))
    assert isinstance(outcome, Fault)
    assert outcome.passing


@pytest.mark.parametrize("junk", [b"<html>", b"[1]", b'{"response": {}}', b'{"custom_id": "k", "response": 3}'])
def test_what_is_no_line_is_said_to_be_none(junk: bytes) -> None:
    with pytest.raises(BadBodyError, match="no line of a batch"):
        read_line(junk)
