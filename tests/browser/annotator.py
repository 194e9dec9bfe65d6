"""An annotator before a real browser: signs in to the review server, reads, answers, looks for records."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Dialog, Locator, Page, Response, expect, sync_playwright

from .chromium import QUIET, chromium

WAIT_MS: Final = 20_000
"""So long a page may take, where others use the machine as well; what is waited for is there in a tenth of it."""


@contextmanager
def opened(log: Path) -> Generator[Browser]:
    """The browser, which writes down what it does on the network."""
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=[*QUIET, f"--log-net-log={log}"])
        yield browser
        browser.close()


@dataclass(frozen=True)
class Annotator:
    """A person at a page; what the page complains of is kept."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.page.set_default_timeout(WAIT_MS)
        self.page.on("console", lambda said: self._hear(said.text, said.type in {"error", "warning"}))
        self.page.on("pageerror", lambda error: self._hear(f"error: {error}"))
        self.page.on("dialog", lambda dialog: self._dismiss(dialog))  # noqa: PLW0108  # Playwright marks what it's given

    def _hear(self, said: str, complains: bool = True) -> None:
        if complains:
            self.complaints.append(said)

    def _dismiss(self, dialog: Dialog) -> None:
        self._hear(f"dialog: {dialog.message}")
        dialog.dismiss()

    # Coming in

    def sign_in(self, name: str, password: str) -> None:
        """Fill in the login page, and send it."""
        if not self.page.url.startswith(self.url):
            self.page.goto(self.url)
        self.page.get_by_label("Username").fill(name)
        self.page.get_by_label("Password").fill(password)
        self.page.keyboard.press("Enter")

    def open(self, dataset: str) -> None:
        """From the list of datasets, one by its name, until its first record stands there."""
        self.page.get_by_text(dataset, exact=True).first.click()
        self._settle()

    def visit(self, address: str) -> None:
        """Open a dataset by the address of its page."""
        self.page.goto(address)
        self._settle()

    def _settle(self) -> None:
        expect(self.field("Prompt")).to_be_visible()
        # A menu that is opened while the page still asks for its parts closes again.
        self.page.wait_for_load_state("networkidle")

    # Reading

    def field(self, title: str) -> Locator:
        """A text of the record, rendered."""
        boxes = self.page.locator(".text_field_component")
        return boxes.filter(has=self.page.get_by_text(title, exact=True)).locator(".markdown-render")

    def shows(self, prompt: str) -> None:
        """Wait until the record with this prompt is shown."""
        expect(self.field("Prompt")).to_have_text(prompt)

    def stands_at(self, number: int) -> None:
        """Wait until the record with this number is shown: what is answered keeps its number until the page is left."""
        expect(self.page.get_by_label("Current Record")).to_have_text(str(number))

    def total(self, records: int) -> None:
        """Wait until so many records are said to be there."""
        expect(self.page.get_by_label("Total Records")).to_have_text(re.compile(rf"of {records}\b"))

    def expand(self, panel: str) -> Locator:
        """The panel below the record (`left`, guidelines) or the questions (`right`, progress), opened."""
        place = self.page.locator(f".wrapper__{panel}")
        if place.locator(".panel__header").get_attribute("aria-expanded") == "false":  # as the browser remembers
            place.get_by_label("Expand Panel").click()
        return place.locator(".panel__content")

    def metadata(self) -> Locator:
        """What the record's menu tells of it."""
        self.page.get_by_label("Expand Record Dropdown for Extra Information").click()
        self.page.get_by_text("View metadata").click()
        return self.page.locator(".record-metadata-info")

    # Answering

    def question(self, name: str) -> Locator:
        return self.page.get_by_label(f"Question: {name}", exact=True)

    def choose(self, question: str, *answers: str) -> None:
        """Click labels or numbers."""
        for answer in answers:
            self.question(question).locator("label").get_by_text(answer, exact=True).click()

    def write(self, question: str, text: str) -> None:
        """Click into a text, and type."""
        self.question(question).locator(".container").click()
        expect(self.question(question).locator("[contenteditable]:focus")).to_have_count(1)
        self.page.keyboard.type(text)
        self.press("Escape")

    def has_chosen(self, question: str, *answers: str) -> None:
        """Wait until these are selected, and nothing else."""
        checked = self.question(question).locator("input:checked")
        expect(checked).to_have_count(len(answers))
        for one, answer in zip(checked.all(), answers, strict=True):
            expect(one).to_have_attribute("name", answer)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def press_at(self, question: str, *keys: str) -> None:
        """Press these where the keyboard has led to: the question."""
        expect(self.question(question).locator(":focus")).to_have_count(1)
        self.press(*keys)

    def type_at(self, question: str, text: str) -> None:
        """The same for a text."""
        self.press_at(question, "Shift+Enter")
        expect(self.question(question).locator("[contenteditable]:focus")).to_have_count(1)
        self.page.keyboard.type(text)
        self.press("Escape")
        expect(self.question(question).locator(".markdown-render")).to_have_text(text)

    def finish(self, how: str) -> None:
        """Click on `Submit`, `Discard` or `Save as draft`, until the server has it."""
        with self.answered():
            self.page.locator(".footer-form").get_by_text(how, exact=True).click()

    @contextmanager
    def answered(self) -> Generator[None]:
        """Within the block an answer goes to the server, which takes it."""
        with self.page.expect_response(_is_an_answer) as sent:
            yield
        assert sent.value.ok, sent.value.text()

    # Looking for records

    def look_for(self, words: str) -> None:
        box = self.page.get_by_placeholder("Introduce a query")
        if not box.is_visible():
            self.page.locator("[data-title=Search]").click()
        box.fill(words)
        box.press("Enter")

    def filter_status(self, status: str) -> None:
        self.page.locator(".filter-status button").click()
        self.page.locator(f".filter-status .option.{status}").click()

    def filter_metadata(self, name: str, value: str) -> None:
        self.page.locator(".filters__filter-button button").first.click()
        self.page.locator(".metadata-filter button").first.click()
        menu = self.page.locator(".metadata-filter__container")
        menu.get_by_text(name, exact=True).click()
        menu.get_by_text(value, exact=True).click()

    def sort_by(self, name: str) -> None:
        self.page.locator(".sort-filter button").first.click()
        self.page.locator(".sort-filter").get_by_text(name, exact=True).last.click()


def _is_an_answer(response: Response) -> bool:
    return response.request.method in {"POST", "PUT"} and "/responses" in response.url
