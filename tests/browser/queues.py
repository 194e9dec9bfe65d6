"""Queues that preflect laid out, and somebody at the page of one."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from playwright.sync_api import BrowserContext, ViewportSize
from tests.review_server import User

from preflect.adapters.argilla_desk import ArgillaDesk
from preflect.desk import ReviewItem
from preflect.review.form import form_of
from preflect.schemas import ReviewStage

from .annotator import Annotator

SCREEN: Final[ViewportSize] = {"width": 1440, "height": 1200}
FORM = form_of(ReviewStage(gold=0), "queue")
PROMPT = "## Birds\n\nName **two** birds, as `code`:\n\n1. one\n2. two"
TABLE = "| bird | legs |\n|---|---|\n| owl | 2 |\n\nThat is $2^1$."
CODE = "```python\nprint('owl')\n```\n\n> quoted\n\n[a link](https://elsewhere.example/)"


def item(number: int, prompt: str = "", source: str = "seeds", **more: Any) -> ReviewItem:
    return replace(
        ReviewItem(
            id=f"sample-{number}",
            prompt=prompt or f"Question {number}?",
            responses=(TABLE, CODE),
            reference=None,
            metadata={"source": source, "prompt_chars": number, "response_chars": 9},
            hidden={"part": "random", "judge": "b", "margin": 1.5},
            suggested={},
        ),
        **more,
    )


@contextmanager
def sitting(context: BrowserContext, url: str, excused: Sequence[str] = ()) -> Generator[Annotator]:
    """Somebody before a new page, which by the end complained of nothing but what is excused."""
    with context.new_page() as page:
        person = Annotator(page, url)
        yield person
    assert [said for said in person.complaints if not any(words in said for words in excused)] == []


@dataclass(frozen=True)
class Queue:
    """A dataset that preflect laid out, and an annotator who may answer it."""

    desk: ArgillaDesk
    context: BrowserContext
    """A browser in which the annotator is signed in."""

    def address(self) -> str:
        """Of its page."""
        owner = User(self.desk.url, self.desk.api_key)
        [found] = [one["id"] for one in owner.get("/me/datasets")["items"] if one["name"] == self.desk.dataset]
        return f"{self.desk.url}/dataset/{found}/annotation-mode"

    @contextmanager
    def annotator(self, excused: Sequence[str] = ()) -> Generator[Annotator]:
        with sitting(self.context, self.desk.url, excused) as ann:
            ann.visit(self.address())
            yield ann

    def values(self) -> dict[str, dict[str, Any]]:
        """The answers to each item that has one."""
        return {item_id: dict(said[0].values) for item_id, said in self.desk.answers().items() if said}
