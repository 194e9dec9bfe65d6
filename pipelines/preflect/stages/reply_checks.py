"""Whether the text of a reply can stand as an answer."""

from __future__ import annotations

from preflect.errors import ReplyError
from preflect.grading import is_blank, is_refusal
from preflect.prompts import is_placeholder


def check_answer(text: str, finish_reason: str | None) -> None:
    """Raises: ReplyError when `text` is cut off, empty, a placeholder or a refusal."""
    check_finished(finish_reason)
    if is_blank(text):
        raise ReplyError("empty", "the reply holds no text")
    if is_placeholder(text):
        raise ReplyError("placeholder", _quoted(text))
    if is_refusal(text):
        raise ReplyError("refusal", _quoted(text))


def check_finished(finish_reason: str | None) -> None:
    """Raises: ReplyError when the endpoint says that it stopped the reply before its end, or that it is a refusal."""
    if finish_reason == "length":
        raise ReplyError("truncated", "it was cut off at the length limit before its end")
    if finish_reason == "content_filter":
        raise ReplyError("content_filter", "the endpoint's content filter stopped it")
    if finish_reason == "refusal":
        raise ReplyError("refusal", "the endpoint marks it as a refusal")


def _quoted(text: str) -> str:
    line = " ".join(text.split())
    return f"the reply was {line[:120]!r}{' …' if len(line) > 120 else ''}"  # noqa: PLR2004 - a line of a table
