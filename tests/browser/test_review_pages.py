"""The annotator's way in a real browser, against the server as the command line starts it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, BrowserContext, expect
from tests.review_server import ReviewServer

from preflect.adapters.argilla_desk import ArgillaDesk
from preflect.adapters.shipped import shipped
from preflect.desk import ReviewForm, ReviewItem
from preflect.engine import run
from preflect.engine.run_folder import RunFolder
from preflect.recipes import load

from .annotator import opened
from .chromium import requests_of_the_page
from .hostile import ATTACKS, BLOCKED, COVER, HOSTILE, hostile
from .queues import FORM, PROMPT, SCREEN, Queue, item, sitting


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Generator[Browser]:
    """One for all tests here, none of which makes it ask anything of another machine."""
    log = tmp_path_factory.mktemp("browser") / "net.json"
    with opened(log) as running:
        yield running
    hosts = {urlsplit(address).hostname for address in requests_of_the_page(log)}
    assert hosts == {"127.0.0.1"}


@pytest.fixture(scope="module")
def signed_in(browser: Browser, review_server: ReviewServer) -> Generator[BrowserContext]:
    """A browser in which `ann` is signed in, who is of the workspace of all queues here."""
    desk = ArgillaDesk(review_server.url, review_server.api_key, "browser", "none")
    password = dict(desk.admit(["ann"]))["ann"]
    with browser.new_context(viewport=SCREEN) as context:
        with sitting(context, review_server.url) as ann:
            ann.sign_in("ann", password)
            expect(ann.page.get_by_text("Your datasets")).to_be_visible()
        yield context


LayOut = Callable[..., Queue]


@pytest.fixture
def lay_out(signed_in: BrowserContext, review_server: ReviewServer) -> LayOut:
    """Push a queue of these items, in a workspace that `ann` is of unless another is named."""

    def push(*items: ReviewItem, form: ReviewForm = FORM, workspace: str = "browser") -> Queue:
        desk = ArgillaDesk(review_server.url, review_server.api_key, workspace, f"queue-{uuid4().hex[:8]}")
        assert desk.push(form, items) == len(items)
        return Queue(desk, signed_in)

    return push


def test_prompt_and_answers_are_read_as_markdown_beside_the_questions(lay_out: LayOut) -> None:
    with lay_out(item(1, PROMPT)).annotator() as ann:
        expect(ann.page.locator(".text_field_component__title-content")).to_have_text(
            ["Prompt", "Response A", "Response B"]
        )
        expect(ann.field("Prompt").locator("h2")).to_have_text("Birds")
        expect(ann.field("Prompt").locator("strong")).to_have_text("two")
        expect(ann.field("Prompt").locator("ol li")).to_have_text(["one", "two"])
        expect(ann.field("Response A").locator("td")).to_have_text(["owl", "2"])
        expect(ann.field("Response A").locator("math")).to_have_count(1)
        expect(ann.field("Response B").locator("pre code")).to_contain_text("print('owl')")
        expect(ann.field("Response B").get_by_role("link", name="a link")).to_have_attribute(
            "href", "https://elsewhere.example/"
        )
        expect(ann.page.locator(".questions .title-area")).to_have_text(
            [f"{question.title} *" for question in FORM.questions]
        )
        expect(ann.expand("left")).to_contain_text("Tie means that you have no preference")


def test_every_question_is_answered_with_the_mouse(lay_out: LayOut) -> None:
    queue = lay_out(item(1), item(2))
    with queue.annotator() as ann:
        ann.choose("better", "B")
        ann.choose("rating_a", "2")
        ann.choose("problems_a", "Something in it is wrong", "Leaves something out")
        ann.choose("rating_b", "5")
        ann.choose("problems_b", "Longer than it should be")
        ann.write("improved", "**An owl**, a wren.")
        ann.write("note", "Easy.")
        ann.finish("Submit")
        ann.stands_at(2)
    assert [*queue.values().values()] == [
        {
            "better": "b",
            "rating_a": 2,
            "problems_a": ["wrong", "incomplete"],
            "rating_b": 5,
            "problems_b": ["too_long"],
            "improved": "**An owl**, a wren.",
            "note": "Easy.",
        }
    ]


def test_every_question_is_answered_from_the_keyboard(lay_out: LayOut) -> None:
    queue = lay_out(item(1))
    with queue.annotator() as ann:
        ann.press_at("better", "3")
        ann.press_at("rating_a", "4")
        ann.press_at("problems_a", "1", "3", "ArrowDown")
        ann.press_at("rating_b", "5")
        ann.press_at("problems_b", "2", "ArrowDown")
        ann.type_at("improved", "An owl.")
        ann.press("ArrowDown")
        ann.type_at("note", "Easy.")
        with ann.answered():
            ann.press_at("note", "Enter")
    assert queue.values() == {
        "sample-1": {
            "better": "tie",
            "rating_a": 4,
            "problems_a": ["wrong", "incomplete"],
            "rating_b": 5,
            "problems_b": ["misses_instruction"],
            "improved": "An owl.",
            "note": "Easy.",
        }
    }


def test_a_draft_stays_and_what_is_discarded_leaves_the_queue(lay_out: LayOut) -> None:
    queue = lay_out(item(1), item(2), item(3))
    with queue.annotator() as ann:
        ann.choose("better", "A")
        with ann.answered():
            ann.press("Control+s")
        ann.press("ArrowRight")
        ann.stands_at(2)
        ann.finish("Discard")
        ann.stands_at(3)
        ann.visit(queue.address())
        ann.total(1)
        ann.filter_status("draft")
        ann.total(1)
        ann.has_chosen("better", "A")
        ann.choose("better", "Tie")
        ann.finish("Submit")
        ann.filter_status("discarded")
        ann.total(1)
        ann.filter_status("submitted")
        ann.total(1)
        ann.has_chosen("better", "Tie")
        progress = ann.expand("right")
        expect(progress.get_by_role("listitem")).to_have_text(["pending 1", "draft 0", "discarded 1", "submitted 1"])
    assert [values["better"] for values in queue.values().values()] == ["tie"]


def test_records_are_found_by_words_filtered_by_metadata_and_sorted(lay_out: LayOut) -> None:
    items = [item(1, "A swan?"), item(2, "A wren?", "forum"), item(3, "A swan again?", "forum"), item(4, "A 鷹?")]
    with lay_out(*items).annotator() as ann:
        ann.total(4)
        ann.look_for("swan")
        ann.total(2)
        ann.look_for("鷹")
        ann.shows("A 鷹?")
        ann.look_for("")
        ann.total(4)
        ann.filter_metadata("source", "forum")
        ann.total(2)
        ann.press("Escape")
        ann.sort_by("prompt_chars")
        ann.shows("A wren?")
        ann.look_for("swan")
        ann.shows("A swan again?")
        ann.total(1)


def test_similar_records_are_found_by_their_vectors(lay_out: LayOut) -> None:
    vectors = {"A swan?": (1.0, 0.0), "A swan again?": (0.9, 0.1), "A wren?": (0.0, 1.0)}
    queue = lay_out(*(item(n, prompt, vector=vector) for n, (prompt, vector) in enumerate(vectors.items())))
    with queue.annotator() as ann:
        nearest = {"A swan?": "A swan again?", "A swan again?": "A swan?", "A wren?": "A swan again?"}
        shown = ann.field("Prompt").inner_text()
        ann.page.get_by_role("button", name="Find similar").click()
        ann.total(2)
        ann.shows(nearest[shown])


def test_nothing_on_the_page_tells_what_the_judge_said(lay_out: LayOut) -> None:
    queue = lay_out(item(1))
    with queue.annotator() as ann:
        expect(ann.page.locator(".questions input:checked")).to_have_count(0)
        expect(ann.page.locator(".button--submit")).to_be_disabled()
        ann.press("Enter")
        told = ann.metadata()
        expect(told).to_contain_text("prompt_chars")
        for hidden in ("judge", "margin", "part", "random"):
            expect(told).not_to_contain_text(hidden)
    assert queue.values() == {}


def test_what_models_wrote_runs_nothing_and_asks_for_nothing(lay_out: LayOut) -> None:
    queue = lay_out(item(1, HOSTILE, ATTACKS[1], responses=(HOSTILE, HOSTILE)), form=hostile(FORM))
    with queue.annotator(BLOCKED) as ann:
        for text in (*map(ann.field, ("Prompt", "Response A", "Response B")), ann.expand("left")):
            expect(text.get_by_text("another link")).to_have_count(1)
            expect(text.locator("script, iframe, object, embed, link, base, meta, style, form, button")).to_have_count(
                0
            )
            for link in text.locator("a[href]").all():
                assert link.get_attribute("href") == "#"  # the page's own, to copy code
            for link in text.locator("a:not([href])").all():
                link.dispatch_event("click")
        ann.look_for(ATTACKS[1])
        ann.filter_metadata("source", ATTACKS[1])
        ann.total(1)
        ann.press("Escape")
        expect(ann.metadata()).to_contain_text(ATTACKS[1])
        assert ann.page.evaluate("window.ran") is None
        assert any(BLOCKED[0] in said for said in ann.complaints)
        assert ann.page.url.startswith(queue.desk.url)
        assert ann.page.context.pages == [ann.page]


def test_a_text_stays_in_its_place_whatever_its_style_says(lay_out: LayOut) -> None:
    queue = lay_out(item(1, COVER))
    with queue.annotator() as ann:
        ann.choose("better", "B")
        ann.finish("Submit")
    assert queue.values() == {"sample-1": {"better": "b"}}


def test_a_wrong_password_is_refused_in_the_page(browser: Browser, review_server: ReviewServer) -> None:
    with browser.new_context() as context, sitting(context, review_server.url, ["status of 401"]) as person:
        person.sign_in("owner", "not the password")
        expect(person.page.get_by_text("Wrong username or password")).to_be_visible()
        person.page.goto(f"{review_server.url}/user-settings")
        expect(person.page.get_by_label("Password")).to_be_visible()


def test_an_annotator_reaches_no_dataset_of_others_by_its_address(lay_out: LayOut) -> None:
    theirs = lay_out(item(1, "A secret question?"), workspace="browser-others")
    # Argilla's page stumbles over the refusal, and goes back to where it was.
    with sitting(theirs.context, theirs.desk.url, ["status of 403", "error: Object", "'hasMetrics'"]) as ann:
        with ann.page.expect_response(lambda answer: answer.status == 403):
            ann.page.goto(theirs.address())
        expect(ann.page.get_by_text("Your datasets")).to_be_visible()
        expect(ann.page.get_by_text(theirs.desk.dataset)).to_have_count(0)


def preflect(*words: str | Path, cwd: Path) -> Any:
    """What `preflect … --json` says."""
    command = [sys.executable, "-m", "preflect.cli", *map(str, words), "--json"]
    return json.loads(subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=True).stdout)


def test_two_people_complete_a_record_and_both_their_answers_come_back(
    browser: Browser, review_server: ReviewServer, tmp_path: Path
) -> None:
    name = f"run-{uuid4().hex[:8]}"
    run(load(shipped("recipes/quickstart.yaml"), ["input.limit=6", "engine=local"]), tmp_path / name)
    people = [f"ann-{name}", f"bob-{name}"]
    options = ("--set", "size=1", "--set", "overlap=2", "--set", "gold=0", "--user", people[0], "--user", people[1])
    pushed = preflect("review", "push", name, "--home", review_server.home, *options, cwd=tmp_path)
    for person, answer, done in ((people[0], "A", "0.00%"), (people[1], "B", "100.00%")):
        with browser.new_context(viewport=SCREEN) as context, sitting(context, review_server.url) as at:
            at.sign_in(person, pushed["passwords"][person])
            at.open(f"{name}-review")
            at.total(1)
            at.choose("better", answer)
            at.finish("Submit")
            expect(at.page.locator("#team-progress-percent")).to_have_text(done)
    pulled = preflect("review", "pull", name, cwd=tmp_path)
    assert (pulled["new"], pulled["full"]) == (2, 1)
    reviews = [review for sample in RunFolder(tmp_path / name).samples() for review in sample.reviews]
    assert {review.reviewer: review.question for review in reviews} == dict.fromkeys(people, "better")
    assert len({str(review.value) for review in reviews}) == 2
