"""Searching in the embedded Argilla through its own API, and what is left of it when it is killed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest
import requests
from tests.review_server import ReviewServer, User, running_server

KILLS = 10
BATCH = 20


@dataclass(frozen=True)
class Review:
    """A published dataset: `prompt`, a `rating` from 1 to 5, and the metadata `source` and `margin`."""

    owner: User
    workspace: str
    dataset: str
    question: str

    def log(self, *records: dict[str, Any]) -> list[str]:
        made = self.owner.post(f"/datasets/{self.dataset}/records/bulk", {"items": records})
        return [record["id"] for record in made["items"]]

    def search(self, user: User, **query: Any) -> Any:
        return user.post(f"/me/datasets/{self.dataset}/records/search", query)

    def found(self, user: User, text: str | None = None, *filters: dict[str, Any]) -> list[str]:
        query: dict[str, Any] = {"query": {"text": {"q": text}}} if text is not None else {}
        answer = self.search(user, **query, **({"filters": {"and": filters}} if filters else {}))
        return [item["record"]["external_id"] for item in answer["items"]]

    def all(self) -> list[dict[str, Any]]:
        records: list[dict[str, Any]] = []
        while page := self._page(len(records)):
            records += page
        return records

    def _page(self, offset: int) -> list[dict[str, Any]]:
        path = f"/datasets/{self.dataset}/records?limit=500&offset={offset}&include=responses"
        return self.owner.get(path)["items"]


def made(server: ReviewServer) -> Review:
    workspace = server.post("/workspaces", {"name": uuid4().hex})["id"]
    dataset = server.post(
        "/datasets",
        {"name": "queue", "workspace_id": workspace, "distribution": {"strategy": "overlap", "min_submitted": 1}},
    )["id"]
    server.post(
        f"/datasets/{dataset}/fields", {"name": "prompt", "title": "p", "required": True, "settings": {"type": "text"}}
    )
    rating = {"type": "rating", "options": [{"value": value} for value in range(1, 6)]}
    question = server.post(
        f"/datasets/{dataset}/questions", {"name": "rating", "title": "r", "required": True, "settings": rating}
    )["id"]
    for name, kind in (("source", "terms"), ("margin", "float")):
        server.post(
            f"/datasets/{dataset}/metadata-properties", {"name": name, "title": name, "settings": {"type": kind}}
        )
    assert server.ask("PUT", f"/datasets/{dataset}/publish").ok
    return Review(server, workspace, dataset, question)


def record(name: str, text: str, **metadata: Any) -> dict[str, Any]:
    return {"external_id": name, "fields": {"prompt": text}, "metadata": metadata}


def test_an_annotator_finds_records_by_text_metadata_and_status(review_server: ReviewServer) -> None:
    review = made(review_server)
    user = review_server.add_user(f"ann-{uuid4().hex[:8]}", review.workspace)
    ids = review.log(
        record("a", "a cat sat", source="x", margin=0.1),
        record("b", "a dog sat", source="y", margin=0.9),
        record("c", "a cat and a dog", source="x", margin=0.5),
    )
    pending = {"type": "terms", "scope": {"entity": "response", "property": "status"}, "values": ["pending"]}
    source = {"type": "terms", "scope": {"entity": "metadata", "metadata_property": "source"}, "values": ["x"]}
    margin = {"type": "range", "scope": {"entity": "metadata", "metadata_property": "margin"}, "ge": 0.5}
    assert sorted(review.found(user, "cat", pending)) == ["a", "c"]
    assert review.found(user, "cat -dog", pending) == ["a"]
    assert review.found(user, '"', pending) == []
    assert review.found(user, None, source, margin, pending) == ["c"]
    user.post(f"/records/{ids[2]}/responses", {"values": {"rating": {"value": 4}}, "status": "submitted"})
    assert review.found(user, "cat", pending) == ["a"]
    order = [{"scope": {"entity": "metadata", "metadata_property": "margin"}, "order": "desc"}]
    assert [each["record"]["external_id"] for each in review.search(user, sort=order)["items"]] == ["b", "c", "a"]
    progress = user.get(f"/me/datasets/{review.dataset}/metrics")["responses"]
    assert progress == {"total": 3, "submitted": 1, "discarded": 0, "draft": 0, "pending": 2}


def test_the_queue_of_each_user_is_shuffled_and_its_pages_are_all_records_once(review_server: ReviewServer) -> None:
    review = made(review_server)
    review.log(*(record(str(i), "x") for i in range(40)))
    queues: list[list[str]] = []
    for name in ("one", "two"):
        user = review_server.add_user(f"{name}-{uuid4().hex[:8]}", review.workspace)
        path = f"/me/datasets/{review.dataset}/records/search?limit=15&offset="
        pages = [user.post(f"{path}{offset}", {}) for offset in (0, 15, 30, 45)]
        assert {page["total"] for page in pages} == {40}
        queues.append([item["record"]["external_id"] for page in pages for item in page["items"]])
    assert sorted(queues[0], key=int) == sorted(queues[1], key=int) == [str(i) for i in range(40)]
    assert queues[0] != queues[1]


@pytest.mark.timeout(900)  # eleven starts
def test_nothing_acknowledged_is_lost_when_the_server_is_killed_while_records_are_logged(tmp_path: Path) -> None:
    logged: list[str] = []
    review: Review | None = None

    def log(owner: User) -> Iterator[None]:
        assert review is not None
        while True:
            names = [uuid4().hex for _ in range(BATCH)]
            Review(owner, review.workspace, review.dataset, review.question).log(
                *(record(name, f"cat n{name}") for name in names)
            )
            logged.extend(names)
            yield

    for life in range(KILLS + 1):
        with running_server(tmp_path / "home") as server:
            review = Review(server, review.workspace, review.dataset, review.question) if review else made(server)
            there = {each["external_id"] for each in review.all()}
            assert set(logged) <= there
            assert len(there) % BATCH == 0
            assert review.search(server, query={"text": {"q": "cat"}})["total"] == len(there)
            assert server.get(f"/datasets/{review.dataset}/progress")["total"] == len(there)
            for name in logged[-3:]:
                assert review.found(server, f"n{name}") == [name]
            if life < KILLS:
                killed_while(server, log, after_s=0.3 + 0.1 * life)
    assert len(logged) >= KILLS * BATCH


@pytest.mark.timeout(900)  # eleven starts
def test_nothing_acknowledged_is_lost_when_the_server_is_killed_while_answers_are_submitted(tmp_path: Path) -> None:
    answered: set[str] = set()
    review: Review | None = None
    submitted = {"type": "terms", "scope": {"entity": "response", "property": "status"}, "values": ["submitted"]}

    def submit(owner: User) -> Iterator[None]:
        for identifier in [each["id"] for each in review.all() if not each["responses"]] if review else []:
            owner.post(f"/records/{identifier}/responses", {"values": {"rating": {"value": 3}}, "status": "submitted"})
            answered.add(identifier)
            yield

    for life in range(KILLS + 1):
        with running_server(tmp_path / "home") as server:
            if review is None:
                review = made(server)
                for _ in range(4):
                    review.log(*(record(uuid4().hex, "cat") for _ in range(500)))
            review = Review(server, review.workspace, review.dataset, review.question)
            records = review.all()
            done = {each["id"] for each in records if each["responses"]}
            assert answered <= done
            assert {each["id"] for each in records if each["status"] == "completed"} == done
            assert review.search(server, filters={"and": [submitted]})["total"] == len(done)
            assert server.get(f"/datasets/{review.dataset}/progress")["completed"] == len(done)
            if life < KILLS:
                killed_while(server, submit, after_s=0.5 + 0.1 * life)
    assert len(answered) >= KILLS


def killed_while(server: ReviewServer, working: Callable[[User], Iterator[None]], *, after_s: float) -> None:
    """Kill the server's process while a client works, at the earliest once it did something."""
    steps = 0

    def work() -> None:
        nonlocal steps
        try:
            for _ in working(server):
                steps += 1
        except requests.RequestException:
            return

    client = Thread(target=work)
    client.start()
    until = time.monotonic() + after_s
    while client.is_alive() and (not steps or time.monotonic() < until):
        time.sleep(0.01)
    os.kill(server.pid, signal.SIGKILL)
    client.join(timeout=60)
    assert not client.is_alive()


@pytest.mark.parametrize("typed", ['"', "(", "NOT", "a AND", "*", "-", "a:b", "^", "\x00", "é" * 5000])
def test_nothing_that_is_typed_is_an_error(review_server: ReviewServer, typed: str) -> None:
    review = made(review_server)
    assert review.found(review_server, typed) == []
