"""Annotators who all answer at once, each as fast as the server lets them, by the requests that the page makes."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Any, Final

import requests
from figures import Figure, at_most, never_above
from review_at_work import cpu_s, started
from review_search import PENDING, Queue, made

ANNOTATORS: Final = 8
LASTING_S: Final = 60.0
RECORDS: Final = 2_000
"""Each annotator may answer them all, which none has the time for."""


@dataclass
class Annotator:
    """Somebody who takes page after page of what is pending, and answers it."""

    queue: Queue
    session: requests.Session
    submit_ms: list[float] = field(default_factory=list[float])
    page_ms: list[float] = field(default_factory=list[float])
    errors: list[str] = field(default_factory=list[str])

    def answer_until(self, end: float) -> None:
        rng = random.Random(id(self))
        path = f"/me/datasets/{self.queue.id}/records/search?limit=10&include=responses&include=suggestions"
        while time.monotonic() < end and len(self.errors) < ANNOTATORS:
            page = self._ask("POST", path, self.page_ms, {"query": {}, "filters": {"and": [PENDING]}})
            for found in page["items"] if page else ():
                said = {f"rating_{n}": {"value": rng.randint(1, 5)} for n in range(5)}
                answer = {"status": "submitted", "values": said}
                self._ask("POST", f"/records/{found['record']['id']}/responses", self.submit_ms, answer)
                self._ask("GET", f"/me/datasets/{self.queue.id}/metrics", self.page_ms)
                if time.monotonic() > end:
                    return

    def _ask(self, method: str, path: str, taken_ms: list[float], body: Any = None) -> Any:
        since = time.perf_counter()
        try:
            answer = self.session.request(method, f"{self.queue.server.url}/api/v1{path}", json=body, timeout=30)
            answer.raise_for_status()
        except requests.RequestException as error:
            self.errors.append(str(error))
            return None
        taken_ms.append((time.perf_counter() - since) * 1000)
        return answer.json()


def submitting(folder: Path, scale: float = 1.0) -> Iterator[Figure]:
    """How long an answer takes, and that none is refused or lost."""
    workload = f"{ANNOTATORS} annotators at once, {LASTING_S * scale:g} s"
    with started(folder / "home") as server:
        queue = made(server, folder / "home")
        overlap = {"distribution": {"strategy": "overlap", "min_submitted": ANNOTATORS}}
        queue.session.patch(f"{server.url}/api/v1/datasets/{queue.id}", json=overlap, timeout=60).raise_for_status()
        queue.log(RECORDS, random.Random(3), suggestions=False)
        people = [Annotator(queue, session) for session in _signed_in(queue)]
        since, cpu_since = time.monotonic(), cpu_s(server.pid)
        with ThreadPoolExecutor(ANNOTATORS) as at_once:
            done = [at_once.submit(person.answer_until, since + LASTING_S * scale) for person in people]
        for each in done:
            each.result()
        lasted, spent = time.monotonic() - since, cpu_s(server.pid) - cpu_since
        progress = queue.session.get(f"{server.url}/api/v1/datasets/{queue.id}/users/progress", timeout=60).json()
    submit_ms = [taken for person in people for taken in person.submit_ms]
    kept = sum(sum(one["completed"].values()) + sum(one["pending"].values()) for one in progress["users"])
    errors = [error for person in people for error in person.errors]
    yield Figure(workload, "preflect", "errors", len(errors), never_above(0))
    yield Figure(workload, "preflect", "answers acknowledged and lost", len(submit_ms) - kept, never_above(0))
    yield Figure(workload, "preflect", "p95 of an answer, ms", quantiles(submit_ms, n=20)[-1], at_most(500))
    yield Figure(workload, "preflect", "slowest answer, ms", max(submit_ms))
    page_ms = [taken for person in people for taken in person.page_ms]
    yield Figure(workload, "preflect", "p95 of a page or its counts, ms", quantiles(page_ms, n=20)[-1])
    yield Figure(workload, "preflect", "answers/s", len(submit_ms) / lasted)
    yield Figure(workload, "preflect", "share of a core", spent / lasted)


def _signed_in(queue: Queue) -> Iterator[requests.Session]:
    owner, url = queue.session, f"{queue.server.url}/api/v1"
    workspace = owner.get(f"{url}/datasets/{queue.id}", timeout=60).json()["workspace_id"]
    for number in range(ANNOTATORS):
        name = f"annotator-{number}"
        known = {"first_name": name, "username": name, "password": f"{name}'s own", "role": "annotator"}
        made_user = queue.post("/users", known)
        queue.post(f"/workspaces/{workspace}/users", {"user_id": made_user["id"]})
        session = requests.Session()
        session.headers["X-Argilla-Api-Key"] = made_user["api_key"]
        yield session
