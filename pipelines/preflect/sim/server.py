"""The simulator behind HTTP, as an OpenAI-compatible endpoint on loopback."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import orjson
from aiohttp import web

from preflect.errors import InputError
from preflect.sim.ledger import Ledger
from preflect.sim.options import SimOptions
from preflect.sim.simulator import Reply, Simulator
from preflect.sim.wire import BadRequestError, completion, error_body, model_list, read_request

_SIMULATED: Final = {"x-preflect-simulated": "true"}
_UNKNOWN: Final = {**_SIMULATED, "x-preflect-sim": "unknown-task"}
_LARGEST_REQUEST: Final = 64 * 1024 * 1024
_BACKLOG: Final = 4096


class Endpoint:
    """Answers HTTP requests with what the simulator says, and keeps the truth about it."""

    def __init__(self, options: SimOptions, simulator: Simulator, ledger: Ledger) -> None:
        self._options = options
        self._simulator = simulator
        self._ledger = ledger
        self._answered = 0
        self._refused = 0
        self._unknown = 0
        self._kinds: Counter[str] = Counter()

    def application(self) -> web.Application:
        """The routes of the endpoint."""
        app = web.Application(client_max_size=_LARGEST_REQUEST)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/stats", self._stats)
        app.router.add_route("*", "/{path:.*}", self._no_such_path)
        return app

    async def _chat(self, request: web.Request) -> web.Response:
        try:
            body = read_request(await request.read())
        except BadRequestError as error:
            self._refused += 1
            return _json(error.as_json(), status=400)
        latency_s = self._simulator.profile_of(str(body.get("model"))).latency_s
        if latency_s:
            await asyncio.sleep(latency_s)
        reply = self._simulator.reply(body)
        known = self._account_for(reply)
        return _json(completion(body, reply, self._answered), headers=_SIMULATED if known else _UNKNOWN)

    def _account_for(self, reply: Reply) -> bool:
        """Writes the truth down; says whether the task is known."""
        self._ledger.append(line for choice in reply.choices for line in choice.lines())
        known = all(choice.known for choice in reply.choices)
        self._answered += 1
        self._unknown += not known
        self._kinds[reply.kind] += 1
        return known

    async def _models(self, _: web.Request) -> web.Response:
        return _json(model_list(("sim", *self._options.profiles)))

    async def _stats(self, _: web.Request) -> web.Response:
        stats = {
            "requests": self._answered,
            "refused": self._refused,
            "unknown_tasks": self._unknown,
            "by_kind": dict(self._kinds),
        }
        return _json(orjson.dumps(stats))

    async def _no_such_path(self, request: web.Request) -> web.Response:
        message = f"there is no {request.method} {request.path}; there are /v1/chat/completions, /v1/models and /stats"
        return _json(error_body(message, code="not_found"), status=404)


def _json(body: bytes, *, status: int = 200, headers: dict[str, str] = _SIMULATED) -> web.Response:
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")


@asynccontextmanager
async def serving(options: SimOptions) -> AsyncGenerator[str]:
    """A running endpoint; gives its base address, `http://127.0.0.1:<port>/v1`.

    Raises: DataError for a file of known tasks that cannot be read, InputError for a port that is taken.
    """
    with Ledger(options.truth) as ledger:
        endpoint = Endpoint(options, Simulator(options), ledger)
        runner = web.AppRunner(endpoint.application(), access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, options.host, options.port, backlog=_BACKLOG)
            await _start(site, options)
            port = runner.addresses[0][1]
            yield f"http://{options.host}:{port}/v1"
        finally:
            await runner.cleanup()


async def _start(site: web.TCPSite, options: SimOptions) -> None:
    try:
        await site.start()
    except OSError as error:
        raise InputError(
            f"cannot listen on {options.host}:{options.port} ({error.strerror}); give another port, or 0 for a free one"
        ) from error


async def serve(options: SimOptions) -> None:
    """Serve until the process is told to stop; the address goes to standard output as one line of JSON."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with serving(options) as base_url:
        sys.stdout.write(json.dumps({"base_url": base_url}) + "\n")
        sys.stdout.flush()
        if options.stop_with_parent:
            threading.Thread(target=_wait_for_end_of_input, args=(loop, stopped), daemon=True).start()
        await stopped.wait()


def _wait_for_end_of_input(loop: asyncio.AbstractEventLoop, stopped: asyncio.Event) -> None:
    # Read below sys.stdin, whose lock would stand in the way when the interpreter ends.
    while os.read(0, 4096):
        pass
    loop.call_soon_threadsafe(stopped.set)
