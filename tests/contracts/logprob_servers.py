"""Servers that say how likely a prompt is as vLLM and SGLang say it, over HTTP, with the tiny model of a folder."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, cast

import torch
from aiohttp import web
from transformers import AutoModelForCausalLM

Body = dict[str, Any]
Reply = Body | web.Response | None
"""None: the connection is dropped."""
Alter = Callable[[int, Body], Reply]
"""From the number of the request, counted from 0, and the reply that is right to what is answered instead."""

CONTEXT = 520


def as_it_is(_: int, reply: Body) -> Reply:
    return reply


@cache
def model_of(folder: Path) -> Any:
    return cast("Any", AutoModelForCausalLM).from_pretrained(folder).eval()


@dataclass
class LogprobServer:
    """`style` is vllm, rows (one that knows no echo), echo (one that knows no `prompt_logprobs`) or sglang."""

    folder: Path
    style: str
    alter: Alter = as_it_is
    latency_s: float = 0.0
    models: Body | None = None
    """What it says of its models, where that isn't the usual."""
    asked: list[Body] = field(default_factory=list[Body])
    keys: list[str | None] = field(default_factory=list[str | None])
    in_flight: int = 0
    most_in_flight: int = 0
    url: str = ""

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/v1/models", self.list_models)
        if self.style == "sglang":
            app.router.add_post("/generate", self.handler(self.generated))
        else:
            app.router.add_post("/v1/completions", self.handler(self.completed))
        return app

    async def list_models(self, _: web.Request) -> web.Response:
        usual = {"id": "tiny", "object": "model", "created": 1, "owned_by": self.style, "root": str(self.folder)}
        one = {**usual, "parent": None, "max_model_len": CONTEXT}
        return web.json_response(self.models or {"object": "list", "data": [one]})

    def handler(self, answer: Callable[[Body], Body | web.Response]) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.Response:
            number, body = len(self.asked), await request.json()
            self.asked.append(body)
            self.keys.append(request.headers.get("Authorization"))
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            await asyncio.sleep(self.latency_s)
            self.in_flight -= 1
            reply = answer(body)
            reply = reply if isinstance(reply, web.Response) else self.alter(number, reply)
            if reply is None:
                assert request.transport
                request.transport.close()
            return reply if isinstance(reply, web.Response) else web.json_response(reply)

        return handle

    def logprobs(self, ids: list[int]) -> torch.Tensor:
        """Shape (tokens, vocabulary): row i says what follows token i."""
        with torch.inference_mode():
            return model_of(self.folder)(torch.tensor([ids])).logits[0].log_softmax(-1)

    def completed(self, body: Body) -> Body | web.Response:
        """As vLLM answers `/v1/completions`."""
        ids, most = body["prompt"], body["max_tokens"]
        echo = self.style != "rows" and body.get("echo", False)
        if most < 1 and not echo:
            return vllm_error(f"max_tokens must be at least 1, got {most}.")
        if len(ids) + max(most, 1) > CONTEXT:
            return vllm_error(f"This model's maximum context length is {CONTEXT} tokens.")
        wanted = None if self.style == "echo" else body.get("prompt_logprobs", body["logprobs"] if echo else None)
        rows = None if wanted is None else self.rows(ids, wanted)
        choice = {
            "index": 0, "text": "…", "logprobs": self.echoed(ids, body) if echo else None, "finish_reason": "length",
            "stop_reason": None, "token_ids": None, "prompt_logprobs": rows, "prompt_token_ids": None,
        }  # fmt: skip
        usage = {"prompt_tokens": len(ids), "total_tokens": len(ids) + 1, "completion_tokens": 1}
        return {"id": "cmpl-1", "object": "text_completion", "model": "tiny", "choices": [choice], "usage": usage}

    def rows(self, ids: list[int], likeliest: int) -> list[Body | None]:
        table = self.logprobs(ids)
        return [None, *(row(said, token, likeliest) for said, token in zip(table, ids[1:], strict=False))]

    def echoed(self, ids: list[int], body: Body) -> Body:
        assert body["logprobs"] == 1
        named = body.get("return_tokens_as_token_ids", False)
        rows = self.rows(ids, 1)
        return {
            "text_offset": list(range(len(ids))),
            "tokens": [f"token_id:{token}" if named else "…" for token in ids],
            "token_logprobs": [said and said[str(token)]["logprob"] for said, token in zip(rows, ids, strict=True)],
            "top_logprobs": [said and {f"token_id:{i}": one["logprob"] for i, one in said.items()} for said in rows],
        }

    def generated(self, body: Body) -> Body | web.Response:
        """As SGLang answers `/generate`: entries from a start on, of which the first is null."""
        ids, start = body["input_ids"], body["logprob_start_len"]
        if len(ids) >= CONTEXT - 6:
            return web.json_response({"error": {"message": f"Input length ({len(ids)} tokens) exceeds"}}, status=400)
        table = self.logprobs(ids)
        said = [None, *(table[place - 1][ids[place]].item() for place in range(start + 1, len(ids)))]
        shown = [token if token < table.shape[1] - 1 else 0 for token in ids[start:]]
        meta = {
            "id": "1", "finish_reason": {"type": "length", "length": 0}, "prompt_tokens": len(ids),
            "completion_tokens": 0, "cached_tokens": 0, "weight_version": "default", "e2e_latency": 0.01,
            "input_token_logprobs": [[one, token, None] for one, token in zip(said, shown, strict=True)],
            "output_token_logprobs": [],
        }  # fmt: skip
        return {"text": "", "output_ids": [], "meta_info": meta if body["return_logprob"] else {}}


def row(said: torch.Tensor, token: int, likeliest: int) -> Body:
    """The token's own entry, and those of so many likeliest ones."""
    order: list[int] = cast("Any", said.topk(likeliest).indices).tolist()
    shown = dict.fromkeys([token, *order])
    return {
        str(one): {"logprob": said[one].item(), "rank": int((said > said[one]).sum()) + 1, "decoded_token": "…"}
        for one in shown
    }


def vllm_error(message: str, status: int = 400) -> web.Response:
    error = {"message": message, "type": "BadRequestError", "param": None, "code": status}
    return web.json_response({"error": error}, status=status)


def start(server: LogprobServer) -> Callable[[], None]:
    """Have it work in a thread of its own, so that whoever asks may wait; returns what ends it."""
    ready: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, str]] = Future()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(server, ready)), daemon=True)
    thread.start()
    loop, done, server.url = ready.result()

    def stop() -> None:
        loop.call_soon_threadsafe(done.set)
        thread.join()

    return stop


@contextmanager
def served(server: LogprobServer) -> Generator[LogprobServer]:
    stop = start(server)
    try:
        yield server
    finally:
        stop()


async def _serve(server: LogprobServer, ready: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, str]]) -> None:
    done = asyncio.Event()
    runner = web.AppRunner(server.application(), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    ready.set_result((asyncio.get_running_loop(), done, f"http://127.0.0.1:{runner.addresses[0][1]}"))
    await done.wait()
    await runner.cleanup()


@cache
def address_of(style: str, folder: Path) -> str:
    """Of a server that stays until the tests are over."""
    server = LogprobServer(folder, style)
    start(server)
    return server.url
