"""An endpoint on this machine that answers as a test says, and keeps what it was asked."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """What goes over the wire."""

    body: bytes
    status: int = 200
    after_s: float = 0.0


def said(text: str, finish_reason: str = "stop", after_s: float = 0.0) -> Reply:
    """A completion of ten tokens in and twenty out."""
    message = {"role": "assistant", "content": text}
    body = {
        "model": "served",
        "choices": [{"message": message, "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 20},
    }
    # As ASCII, so that a lone surrogate goes out as the escape that real endpoints send.
    return Reply(json.dumps(body).encode(), after_s=after_s)


def failed(status: int, message: str) -> Reply:
    """An error as OpenAI words it."""
    return Reply(json.dumps({"error": {"message": message}}).encode(), status)


Answer = Callable[[str], Reply]
"""From the last message of a request to its reply."""


@dataclass
class Endpoint:
    """Answers completions by `answer`; anything else with the status `looked_at`."""

    answer: Answer
    base_url: str = ""
    looked_at: Reply = field(default_factory=lambda: Reply(b'{"data": []}'))
    asked: list[str] = field(default_factory=list[str])
    keys: set[str] = field(default_factory=set[str])

    def reply(self, path: str, headers: Any, body: bytes) -> Reply:
        """What this request gets."""
        self.keys.add(headers.get("Authorization", "").removeprefix("Bearer "))
        if not path.endswith("/chat/completions"):
            return self.looked_at
        last: str = json.loads(body)["messages"][-1]["content"]
        self.asked.append(last)
        return self.answer(last)


@contextmanager
def serving(endpoint: Endpoint) -> Generator[Endpoint]:
    """The endpoint on a free port while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            reply = endpoint.reply(self.path, self.headers, body)
            time.sleep(reply.after_s)
            self.send_response(reply.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        do_POST = do_GET  # noqa: N815  the name is the base class's

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name is the base class's
            return None

    class Server(ThreadingHTTPServer):
        request_queue_size = 128
        block_on_close = False

        def handle_error(self, request: Any, client_address: Any) -> None:
            return None  # a client that gave up waiting

    with Server(("127.0.0.1", 0), Handler) as server:
        endpoint.base_url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield endpoint
        server.shutdown()
        thread.join()
