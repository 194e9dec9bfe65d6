"""The one look at an endpoint before a run."""

from __future__ import annotations

import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from pydantic import ValidationError

from preflect.adapters.reachability import check_endpoint
from preflect.adapters.served_model import served_model
from preflect.errors import InputError
from preflect.schemas import OpenAIModel, PromptLogprobsStudent


class Listener(HTTPServer):
    """Answers everything with nothing, and keeps the credentials it was shown."""

    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.shown: list[str | None] = []


class Handler(BaseHTTPRequestHandler):
    server: Listener  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        self.server.shown.append(self.headers["Authorization"])
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (http.server's name)
        """Says nothing."""


@pytest.fixture
def listener() -> Generator[Listener]:
    server = Listener()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_key_is_shown_and_not_what_a_netrc_file_says(
    listener: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("THE_KEY", "sk-real")
    spec = OpenAIModel(model="m", base_url=f"http://127.0.0.1:{listener.server_port}/v1", api_key_env="THE_KEY")
    assert check_endpoint("teacher", spec, lambda key: key) is False
    assert listener.shown == ["Bearer sk-real"]


async def test_an_endpoint_is_looked_at_where_an_event_loop_runs_already(listener: Listener) -> None:
    spec = OpenAIModel(model="m", base_url=f"http://127.0.0.1:{listener.server_port}/v1")
    assert check_endpoint("teacher", spec, lambda key: key) is False
    assert listener.shown == [None]


def test_a_students_server_that_wants_a_key_is_told_with_both_ways_to_name_one(listener: Listener) -> None:
    listener.status = 401
    spec = PromptLogprobsStudent(base_url=f"http://127.0.0.1:{listener.server_port}")
    with pytest.raises(InputError, match="with api_key_env in a recipe, --api-key-env on the command line"):
        served_model(spec)


@pytest.mark.parametrize("url", ["http://user:hunter2@127.0.0.1/v1", "127.0.0.1:8000/v1", "ftp://host/v1", "https://"])
def test_an_address_is_http_and_holds_no_password(url: str) -> None:
    with pytest.raises(ValidationError):
        OpenAIModel(model="m", base_url=url)
