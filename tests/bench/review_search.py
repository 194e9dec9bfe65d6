"""Records logged a second, and how long searches take over many of them, through the API as client and page use it."""

from __future__ import annotations

import json
import random
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

import requests
from figures import Figure, at_least, at_most
from review_at_work import Server, cpu_s, started

BATCH: Final = 250
LOGGED: Final = 3_000
SEARCHED: Final = 50_000
ASKED: Final = 9
REVIEW: Final = Path(__file__).parents[2] / "pipelines" / "preflect" / "review"
# One word in ten of a text is common, as in any language; the others are spread over a vocabulary.
WORDS: Final = [*(f"word{number}" for number in range(20_000)), *["common"] * 2_000]
PENDING: Final = {"type": "terms", "scope": {"entity": "response", "property": "status"}, "values": ["pending"]}


@dataclass(frozen=True)
class Queue:
    """A dataset with a prompt, two responses, five questions and three kinds of metadata."""

    server: Server
    session: requests.Session
    id: str
    questions: list[str]

    def post(self, path: str, body: Any = None) -> Any:
        answer = self.session.post(f"{self.server.url}/api/v1{path}", json=body, timeout=300)
        answer.raise_for_status()
        return answer.json()

    def log(self, count: int, rng: random.Random, *, suggestions: bool) -> None:
        for _ in range(0, count, BATCH):
            items = [self._record(rng, suggestions=suggestions) for _ in range(BATCH)]
            self.post(f"/datasets/{self.id}/records/bulk", {"items": items})

    def _record(self, rng: random.Random, *, suggestions: bool) -> dict[str, Any]:
        lengths = {"prompt": 60, "response_a": 150, "response_b": 150}
        record: dict[str, Any] = {
            "fields": {name: " ".join(rng.choices(WORDS, k=length)) for name, length in lengths.items()},
            "metadata": {"source": rng.choice("xyz"), "margin": rng.random(), "length": rng.randrange(1000)},
        }
        if suggestions:
            record["suggestions"] = [
                {"question_id": question, "value": rng.randint(1, 5), "score": rng.random(), "agent": "judge"}
                for question in self.questions
            ]
        return record

    def search_ms(self, body: dict[str, Any]) -> tuple[float, float]:
        """How long a page of ten takes, the middle of some, and the mean of what the server's CPU takes for it."""
        path = f"/me/datasets/{self.id}/records/search?limit=10&include=responses&include=suggestions"
        taken: list[float] = []
        cpu_since = cpu_s(self.server.pid)
        for _ in range(ASKED):
            since = time.perf_counter()
            self.post(path, body)
            taken.append(time.perf_counter() - since)
        return median(taken) * 1000, (cpu_s(self.server.pid) - cpu_since) / ASKED * 1000


def logging(folder: Path) -> Iterator[Figure]:
    """Records a second with five suggestions each, ours and upstream's own code side by side."""
    rates: dict[str, float] = {}
    for who, env in {"preflect": {}, "upstream's code": {"PYTHONPATH": str(unquickened(folder))}}.items():
        with started(folder / f"home-{who[0]}", **env) as server:
            queue = made(server, folder / f"home-{who[0]}")
            queue.log(BATCH, random.Random(0), suggestions=True)
            since, cpu_since = time.perf_counter(), cpu_s(server.pid)
            queue.log(LOGGED, random.Random(1), suggestions=True)
            rates[who] = LOGGED / (time.perf_counter() - since)
            reach = at_least(250) if who == "preflect" else None
            yield Figure("logging, 5 suggestions", who, "records/s", rates[who], reach)
            # What it would be where nobody else is at work, client included.
            spent = cpu_s(server.pid) - cpu_since
            yield Figure("logging, 5 suggestions", who, "records per second of the server's CPU", LOGGED / spent)
    ours, theirs = rates.values()
    yield Figure("logging, 5 suggestions", "preflect", "times upstream's code", ours / theirs, at_least(250 / 75))


def search(folder: Path) -> Iterator[Figure]:
    """Pages as an annotator's page asks for them."""
    with started(folder / "home") as server:
        queue = made(server, folder / "home")
        queue.log(SEARCHED, random.Random(2), suggestions=False)
        for name, body, most_ms in _searches():
            reach = at_most(most_ms) if most_ms else None
            taken_ms, cpu_ms = queue.search_ms(body)
            yield Figure(f"search of {SEARCHED:,}", "preflect", f"{name}, ms", taken_ms, reach)
            yield Figure(f"search of {SEARCHED:,}", "preflect", f"{name}, ms of the server's CPU", cpu_ms)


def _searches() -> Iterator[tuple[str, dict[str, Any], float | None]]:
    pending = {"filters": {"and": [PENDING]}}
    yield "first page", pending, 100
    yield "text, a word of 650 records", pending | _text("word7"), 100
    yield "text, two words", pending | _text("word7 common"), 100
    yield "text, a word of every record", pending | _text("common"), None
    yield "text, not a word", pending | _text("-word7"), 100
    for name, kind in (("source", {"values": ["x"]}), ("margin", {"ge": 0.2, "le": 0.5}), ("length", {"ge": 500})):
        scope = {"entity": "metadata", "metadata_property": name}
        wanted = {"type": "terms" if "values" in kind else "range", "scope": scope, **kind}
        yield f"metadata, {name}", {"filters": {"and": [PENDING, wanted]}}, 200
    by_margin = [{"scope": {"entity": "metadata", "metadata_property": "margin"}, "order": "desc"}]
    yield "first page by metadata", pending | {"sort": by_margin}, None


def _text(typed: str) -> dict[str, Any]:
    return {"query": {"text": {"q": typed}}}


def unquickened(folder: Path) -> Path:
    """Where Python finds a review server that leaves Argilla's own code as it is."""
    copy = folder / "upstream" / "preflect" / "review"
    shutil.copytree(REVIEW, copy)
    (copy / "server" / "quicker.py").write_text("def quicken() -> None: ...\n", encoding="utf-8")
    return folder / "upstream"


def made(server: Server, home: Path) -> Queue:
    session = requests.Session()
    session.headers["X-Argilla-Api-Key"] = json.loads((home / "credentials.json").read_text())["api_key"]
    bare = Queue(server, session, "", [])
    workspace = bare.post("/workspaces", {"name": "bench"})["id"]
    id_ = bare.post("/datasets", {"name": "queue", "workspace_id": workspace})["id"]
    for name in ("prompt", "response_a", "response_b"):
        bare.post(f"/datasets/{id_}/fields", _named(name, "text", required=name == "prompt"))
    options = [{"value": value} for value in range(1, 6)]
    questions = [
        bare.post(f"/datasets/{id_}/questions", _named(f"rating_{n}", "rating", required=n == 0, options=options))["id"]
        for n in range(5)
    ]
    for name, kind in (("source", "terms"), ("margin", "float"), ("length", "integer")):
        bare.post(f"/datasets/{id_}/metadata-properties", _named(name, kind))
    session.put(f"{server.url}/api/v1/datasets/{id_}/publish", timeout=60).raise_for_status()
    return Queue(server, session, id_, questions)


def _named(name: str, kind: str, *, required: bool = False, **settings: Any) -> dict[str, Any]:
    return {"name": name, "title": name, "required": required, "settings": {"type": kind, **settings}}
