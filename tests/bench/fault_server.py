"""An OpenAI-compatible server that fails as networks and providers do, and keeps account of what it sold.

    python tests/bench/fault_server.py --port 8000

`POST /reset` takes `latency_s`, `seed` and the shares `p_5xx`, `p_hang` (never answers), `p_cut` (the connection breaks
in the middle of a reply) and `p_badjson` (a whole reply, paid for, whose JSON is not finished: the content where
named parts were asked for, else the body). `GET /stats` tells `sold_twice`: good replies to a request that had one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

TEXT: Final = "The number stands between its two neighbours, and nothing else is known of it."


@dataclass
class Server:
    """One server's settings and accounts."""

    rates: dict[str, float] = field(default_factory=dict[str, float])
    latency_s: float = 0.0
    rng: random.Random = field(default_factory=random.Random)
    sold: Counter[bytes] = field(default_factory=Counter[bytes])
    faults: Counter[str] = field(default_factory=Counter[str])

    async def reset(self, request: web.Request) -> web.Response:
        told = await request.json()
        self.latency_s, self.rng = told["latency_s"], random.Random(told["seed"])
        self.rates = {fault: told[f"p_{fault}"] for fault in ("5xx", "hang", "cut", "badjson")}
        self.sold, self.faults = Counter(), Counter()
        return web.json_response(told)

    async def stats(self, _: web.Request) -> web.Response:
        twice = self.sold.total() - len(self.sold)
        return web.json_response({"sold": self.sold.total(), "sold_twice": twice, "faults": self.faults})

    async def chat(self, request: web.Request) -> web.StreamResponse:
        asked = await request.read()
        names = [*self.rates, ""]
        fault = self.rng.choices(names, [*self.rates.values(), 1 - sum(self.rates.values())])[0]
        self.faults[fault] += 1
        if fault == "5xx":
            return web.json_response({"error": {"message": "overloaded"}}, status=self.rng.choice((500, 502, 503)))
        if fault == "hang":
            await asyncio.Event().wait()
        await asyncio.sleep(self.latency_s)
        body = reply_to(json.loads(asked), bad=fault == "badjson")
        if fault == "cut":
            return await _cut(request, body)
        response = web.Response(body=body, content_type="application/json")
        await response.prepare(request)
        await response.write_eof()
        if not fault:
            self.sold[asked] += 1
        return response


async def _cut(request: web.Request, body: bytes) -> web.StreamResponse:
    """Half a reply, then nothing."""
    response = web.StreamResponse(headers={"Content-Length": str(len(body)), "Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport:
        request.transport.abort()
    return response


def reply_to(asked: dict[str, Any], *, bad: bool) -> bytes:
    """A completion in the form that was asked for; `bad` ends it too early."""
    wanted = asked.get("response_format", {}).get("json_schema", {}).get("schema")
    content = json.dumps(instance_of(wanted)) if wanted else TEXT
    if bad and wanted:
        content = content[: len(content) // 2]
    message = {"role": "assistant", "content": content}
    usage = {"prompt_tokens": 50, "completion_tokens": len(content) // 4}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = json.dumps({"object": "chat.completion", "model": "mock", "choices": [choice], "usage": usage}).encode()
    return body[: len(body) // 2] if bad and not wanted else body


def instance_of(schema: dict[str, Any]) -> Any:
    """Something that a JSON schema allows."""
    if "enum" in schema:
        return schema["enum"][-1]
    if schema["type"] == "object":
        return {name: instance_of(part) for name, part in schema["properties"].items()}
    return TEXT


def main() -> None:
    """Serve until terminated."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    server, app = Server(), web.Application()
    app.router.add_post("/reset", server.reset)
    app.router.add_get("/stats", server.stats)
    app.router.add_get("/v1/models", server.stats)
    app.router.add_post("/v1/chat/completions", server.chat)
    web.run_app(app, host="127.0.0.1", port=parser.parse_args().port, shutdown_timeout=0.1, print=None)


if __name__ == "__main__":
    main()
