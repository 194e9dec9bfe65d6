"""A provider of the files and batches protocol on this machine, that works, lags and fails as a test says."""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Json = dict[str, Any]
Said = tuple[int, Json] | str
"""Status and body of one request's response, or the code of an error that kept it from having one."""


def completion(text: str = "fine", **more: Any) -> Said:
    """A reply of ten tokens in and twenty out."""
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 10, "completion_tokens": 20}
    return 200, {"model": "served", "choices": [choice], "usage": usage} | more


def error(status: int, message: str, code: str | None = None, param: str | None = None) -> Said:
    """An error as OpenAI words it."""
    return status, {"error": {"message": message, "type": "error", "code": code, "param": param}}


def last_words(body: Json) -> str:
    """The text of a request's last message."""
    return body["messages"][-1]["content"]


def echo(body: Json) -> Said:
    """A reply that names what was asked."""
    return completion(f"answer to {last_words(body)}")


@dataclass
class BatchProvider:
    """Keeps files and batches in memory; a batch moves on by one status whenever it is looked at."""

    answer: Callable[[Json], Said] = echo
    """What comes of one request, in the order of the file."""
    refuse: Callable[[int, list[Json]], list[Json]] = lambda _batch, _bodies: []
    """Errors for which batch number n (from 0) fails as a whole."""
    ending: Callable[[int], str] = lambda _batch: "completed"
    """How batch number n ends, once the endpoint is through with it."""
    looks: int = 2
    """How often a batch is looked at before it has ended; -1: it never ends."""
    before: Callable[[str], Awaitable[web.Response | None]] | None = None
    """Called for each request by `METHOD /path`, ids as `ID`; what it returns takes the answer's place, and a
    ConnectionResetError breaks the connection."""
    after: Callable[[str], Awaitable[web.Response | None]] | None = None
    """The same, when the request has done its work."""
    cut_downloads: int = 0
    """How many downloads break off halfway."""
    base_url: str = ""
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    batches: dict[str, Json] = field(default_factory=dict[str, Json])
    paid: Counter[str] = field(default_factory=Counter[str])
    """How often each request was answered, by its custom id."""
    keys: set[str] = field(default_factory=set[str])
    seen: list[str] = field(default_factory=list[str])

    def sizes(self) -> list[int]:
        """Requests in each batch, in the order of their making."""
        return [len(self._requests(batch)) for batch in self.batches.values()]

    def bodies(self, number: int) -> list[Json]:
        """What batch number n (from 0) asks."""
        return [line["body"] for line in self._requests(list(self.batches.values())[number])]

    def wait_for(self, done: Callable[[], bool]) -> None:
        """Return when it is so, or after a minute."""
        deadline = time.monotonic() + 60
        while not done() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert done()

    def _requests(self, batch: Json) -> list[Json]:
        return [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]

    async def upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        file = form["file"]
        assert isinstance(file, web.FileField)
        assert form["purpose"] == "batch"
        with file.file:
            content = file.file.read()
        file_id = self._store(content)
        return web.json_response(
            {
                "id": file_id,
                "object": "file",
                "bytes": len(content),
                "created_at": int(time.time()),
                "filename": file.filename,
                "purpose": "batch",
                "status": "processed",
            }
        )

    def _store(self, content: bytes) -> str:
        file_id = f"file-{len(self.files)}"
        self.files[file_id] = content
        return file_id

    async def content(self, request: web.Request) -> web.StreamResponse:
        file = self.files.get(request.match_info["id"])
        if file is None:
            return _not_found()
        if not self.cut_downloads:
            return web.Response(body=file, content_type="application/octet-stream")
        self.cut_downloads -= 1
        answer = web.StreamResponse(headers={"Content-Length": str(len(file))})
        await answer.prepare(request)
        await answer.write(file[: len(file) // 2])
        _hang_up(request)
        return answer

    async def create(self, request: web.Request) -> web.Response:
        asked = await request.json()
        assert (asked["endpoint"], asked["completion_window"]) == ("/v1/chat/completions", "24h")
        if asked["input_file_id"] not in self.files:
            return _not_found()
        batch: Json = {
            "id": f"batch_{len(self.batches)}",
            "object": "batch",
            "endpoint": asked["endpoint"],
            "errors": None,
            "input_file_id": asked["input_file_id"],
            "completion_window": "24h",
            "status": "validating",
            "output_file_id": None,
            "error_file_id": None,
            "created_at": int(time.time()),
            "completed_at": None,
            "request_counts": {"total": 0, "completed": 0, "failed": 0},
            "metadata": asked.get("metadata"),
        }
        self.batches[batch["id"]] = batch
        return web.json_response(batch)

    async def retrieve(self, request: web.Request) -> web.Response:
        batch = self.batches.get(request.match_info["id"])
        if batch is None:
            return _not_found()
        self._move_on(batch)
        return web.json_response(batch)

    async def listing(self, request: web.Request) -> web.Response:
        newest_first = [*reversed(self.batches.values())]
        after = request.query.get("after")
        start = next((i + 1 for i, batch in enumerate(newest_first) if batch["id"] == after), 0)
        page = newest_first[start : start + 2]  # small, so that paging shows
        more = len(newest_first) > start + len(page)
        return web.json_response({"object": "list", "data": page, "has_more": more})

    async def chat(self, request: web.Request) -> web.Response:
        said = self.answer(await request.json())
        assert not isinstance(said, str)
        return web.json_response(said[1], status=said[0])

    async def cancel(self, request: web.Request) -> web.Response:
        batch = self.batches[request.match_info["id"]]
        batch["status"] = "cancelling"
        return web.json_response(batch)

    def _move_on(self, batch: Json) -> None:
        looked = batch.setdefault("looked", 0)
        batch["looked"] = looked + 1
        if batch["status"] == "validating":
            batch["errors"] = {"object": "list", "data": self._errors(batch)}
            batch["status"] = "failed" if batch["errors"]["data"] else "in_progress"
            batch["request_counts"]["total"] = len(self._requests(batch))
        elif batch["status"] == "cancelling":
            self._end(batch, "cancelled")
        elif batch["status"] == "in_progress" and 0 <= self.looks <= looked:
            batch["status"] = "finalizing"
        elif batch["status"] == "finalizing":
            self._end(batch, self.ending([*self.batches].index(batch["id"])))

    def _errors(self, batch: Json) -> list[Json]:
        lines = self._requests(batch)
        ids = Counter(line["custom_id"] for line in lines)
        wrong = [
            {"code": "invalid_request", "line": n, "message": "not a request", "param": None}
            for n, line in enumerate(lines, start=1)
            if (line["method"], line["url"]) != ("POST", batch["endpoint"])
            or ids[line["custom_id"]] > 1
            or len(line["custom_id"]) > 64
            or line["body"]["model"] != lines[0]["body"]["model"]
        ]
        number = [*self.batches].index(batch["id"])
        return wrong or self.refuse(number, [line["body"] for line in lines])

    def _end(self, batch: Json, status: str) -> None:
        out: list[str] = []
        wrong: list[str] = []
        for line in self._requests(batch):
            said = self.answer(line["body"])
            if not isinstance(said, str):
                self.paid[line["custom_id"]] += said[0] == 200
            (out if not isinstance(said, str) and said[0] == 200 else wrong).append(_line(line["custom_id"], said))
        random.Random(len(out)).shuffle(out)
        batch["output_file_id"] = self._store("\n".join(out).encode() + b"\n") if out else None
        batch["error_file_id"] = self._store("\n".join(wrong).encode() + b"\n") if wrong else None
        batch["request_counts"] |= {"completed": len(out), "failed": len(wrong)}
        batch["completed_at"] = int(time.time())
        batch["status"] = status


def _line(custom_id: str, said: Said) -> str:
    response = None if isinstance(said, str) else {"status_code": said[0], "request_id": "r", "body": said[1]}
    failure = {"code": said, "message": f"This request met {said}."} if isinstance(said, str) else None
    line = {"id": f"batch_req_{custom_id}", "custom_id": custom_id, "response": response, "error": failure}
    # Not as ASCII: a line separator of Unicode stands in the file as it is.
    return json.dumps(line, ensure_ascii=False)


def _not_found() -> web.Response:
    return web.json_response({"error": {"message": "No such object", "code": None, "param": "id"}}, status=404)


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()


@contextmanager
def providing(provider: BatchProvider) -> Generator[BatchProvider]:
    """The provider on a free port, in a thread of its own, while the block runs."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    runner = asyncio.run_coroutine_threadsafe(_start(provider), loop).result(10)
    provider.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield provider
    finally:
        asyncio.run_coroutine_threadsafe(_stop(runner), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _start(provider: BatchProvider) -> web.AppRunner:
    @web.middleware
    async def around(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        resource = request.match_info.route.resource
        what = f"{request.method} {resource.canonical if resource else '?'}".replace("{id}", "ID")
        provider.seen.append(what)
        provider.keys.add(request.headers.get("Authorization", ""))
        try:
            early = await provider.before(what) if provider.before else None
            answer = early or await handler(request)
            late = await provider.after(what) if provider.after else None
        except ConnectionResetError:
            _hang_up(request)
            return web.Response()
        return late or answer

    async def models(_: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": []})

    app = web.Application(middlewares=[around], client_max_size=2**28)
    app.add_routes(
        [
            web.get("/v1/models", models),
            web.post("/v1/chat/completions", provider.chat),
            web.post("/v1/files", provider.upload),
            web.get("/v1/files/{id}/content", provider.content),
            web.post("/v1/batches", provider.create),
            web.get("/v1/batches", provider.listing),
            web.get("/v1/batches/{id}", provider.retrieve),
            web.post("/v1/batches/{id}/cancel", provider.cancel),
        ]
    )
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner


async def _stop(runner: web.AppRunner) -> None:
    await runner.cleanup()
    held = asyncio.all_tasks() - {asyncio.current_task()}
    for task in held:
        task.cancel()
    await asyncio.gather(*held, return_exceptions=True)
