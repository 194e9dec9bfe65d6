"""A real review server, started and stopped by the command line, in a home of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

FIRST_USE_S = 560
"""The server's environment is made by the first test that needs it, and kept in the user's cache."""


def review(*words: str | Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """`preflect review …`, run to its end."""
    return subprocess.run(
        [sys.executable, "-m", "preflect.cli", "review", *map(str, words)],
        env=os.environ | (env or {}),
        capture_output=True,
        text=True,
        timeout=FIRST_USE_S,
        check=False,
    )


@dataclass(frozen=True)
class User:
    """Somebody known to a server, by API key."""

    url: str
    api_key: str

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        """One call of Argilla's API, `path` below `/api/v1`."""
        headers = {"X-Argilla-Api-Key": self.api_key}
        return requests.request(method, f"{self.url}/api/v1{path}", headers=headers, timeout=30, **options)

    def rate(self, record: str, rating: int) -> None:
        """Submit a response to a record."""
        self.post(f"/records/{record}/responses", {"values": {"rating": {"value": rating}}, "status": "submitted"})

    def get(self, path: str) -> Any:
        """What lies at the path. Raises: requests.HTTPError."""
        answer = self.ask("GET", path)
        answer.raise_for_status()
        return answer.json()

    def post(self, path: str, body: Any = None) -> Any:
        """What was made. Raises: requests.HTTPError."""
        answer = self.ask("POST", path, json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None


@dataclass(frozen=True)
class Dataset:
    """Ids of a dataset and its workspace."""

    id: str
    workspace: str


@dataclass(frozen=True)
class ReviewServer(User):
    """A running server; by itself it's the owner, who may do everything."""

    home: Path
    pid: int
    username: str
    password: str

    def log_in(self, username: str, password: str) -> requests.Response:
        """What the login page does; the token is `["access_token"]`."""
        return requests.post(f"{self.url}/api/v1/token", data={"username": username, "password": password}, timeout=30)

    def signed_in(self, username: str, password: str) -> User:
        """Whoever has this password."""
        token = self.log_in(username, password).json()["access_token"]
        me = requests.get(f"{self.url}/api/v1/me", headers={"Authorization": f"Bearer {token}"}, timeout=30)
        return User(self.url, me.json()["api_key"])

    def add_user(self, username: str, *workspaces: str, password: str = "long enough") -> User:
        """A new annotator who sees these workspaces alone."""
        body = {"first_name": username, "username": username, "role": "annotator", "password": password}
        made = self.post("/users", body)
        for workspace in workspaces:
            self.post(f"/workspaces/{workspace}/users", {"user_id": made["id"]})
        return User(self.url, made["api_key"])

    def add_dataset(self, name: str) -> Dataset:
        """A published dataset, in a workspace of the same name: a prompt in Markdown, and a rating from 1 to 5."""
        workspace = self.post("/workspaces", {"name": name})["id"]
        dataset = self.post("/datasets", {"name": name, "workspace_id": workspace})["id"]
        prompt = {"type": "text", "use_markdown": True}
        rating = {"type": "rating", "options": [{"value": value} for value in range(1, 6)]}
        self.post(f"/datasets/{dataset}/fields", {"name": "prompt", "title": "Prompt", "settings": prompt})
        self.post(
            f"/datasets/{dataset}/questions",
            {"name": "rating", "title": "Rating", "required": True, "settings": rating},
        )
        self.ask("PUT", f"/datasets/{dataset}/publish").raise_for_status()
        return Dataset(id=dataset, workspace=workspace)

    def add_records(self, dataset: Dataset, *prompts: str) -> list[str]:
        """Ids of new records."""
        items = [{"fields": {"prompt": prompt}} for prompt in prompts]
        return [item["id"] for item in self.post(f"/datasets/{dataset.id}/records/bulk", {"items": items})["items"]]


@contextmanager
def running_server(home: Path, *words: str, env: Mapping[str, str] | None = None) -> Generator[ReviewServer]:
    """A server at work on `home` while the block runs."""
    started = review("start", "--home", home, "--json", *words, env=env)
    try:
        assert started.returncode == 0, started.stderr
        known = json.loads((home / "credentials.json").read_text(encoding="utf-8"))
        yield ReviewServer(home=home, pid=json.loads(started.stdout)["pid"], **known)
    finally:
        review("stop", "--home", home)
