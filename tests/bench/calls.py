"""Calls at the limit that latency sets: 2,000 single-stage calls, both runners, against plain aiohttp in the same run.

    python tests/bench/calls.py --mock 'PYTHON path/to/mock_openai.py'

The mock is any OpenAI-compatible server that takes `--port N`, counts on `GET /stats` (`span`: seconds from the first
request to the last reply) and is set by `POST /reset` (`lat`, `median`, `p99`).
"""

from __future__ import annotations

import argparse
import asyncio
import shlex
import statistics
import tempfile
from pathlib import Path

import aiohttp
from harness import Endpoint, mock_endpoint, preflect, print_table, run_quietly, write_recipe, write_rows

WORKLOADS = {
    "0.5 s fixed": {"lat": "fixed", "median": 0.5},
    "median 0.5 s, p99 5 s": {"lat": "lognorm", "median": 0.5, "p99": 5.0},
}


async def plain_aiohttp(endpoint: Endpoint, calls: int, concurrency: int) -> None:
    """What nobody can beat: the same calls with nothing around them."""
    places = asyncio.Semaphore(concurrency)
    connector = aiohttp.TCPConnector(limit=concurrency)

    async def call(session: aiohttp.ClientSession, number: int) -> None:
        messages = [{"role": "user", "content": f"Describe the number {number} in a few words."}]
        async with places:
            body = {"model": "mock", "messages": messages, "max_tokens": 2048}
            async with session.post(endpoint.base_url + "/chat/completions", json=body) as reply:
                await reply.json()

    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*(call(session, number) for number in range(calls)))


def span_of(engine: str, endpoint: Endpoint, folder: Path, calls: int, concurrency: int) -> float:
    """Seconds from first request to last reply, by the server's clock."""
    if engine == "aiohttp":
        asyncio.run(plain_aiohttp(endpoint, calls, concurrency))
        return endpoint.stats()["span"]
    model = {"kind": "openai", "model": "mock", "base_url": endpoint.base_url, "concurrency": concurrency}
    recipe = write_recipe(
        folder / "recipe.yaml",
        engine=engine,
        input={"path": str(write_rows(folder / "rows.jsonl", calls))},
        models={"teacher": model},
        stages=[{"stage": "respond", "model": "teacher"}],
        export={"kinds": ["sft"]},
    )
    manifest = run_quietly(preflect("run", recipe, "--run", folder / "run"))["manifest"]
    assert manifest["stages"][0]["rows_out"] == calls
    return endpoint.stats()["span"]


def main() -> None:
    """Measure each engine `--repeat` times in turn, and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mock", required=True, help="command that starts the mock server")
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--concurrency", type=int, default=100)
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    engines = ("aiohttp", "local", "distilabel")
    rows: list[list[object]] = []
    with mock_endpoint(shlex.split(arguments.mock)) as endpoint:
        for name, settings in WORKLOADS.items():
            spans: dict[str, list[float]] = {engine: [] for engine in engines}
            for _ in range(arguments.repeat):
                for engine in engines:
                    endpoint.reset(seed=1, **settings)
                    with tempfile.TemporaryDirectory() as folder:
                        span = span_of(engine, endpoint, Path(folder), arguments.calls, arguments.concurrency)
                    spans[engine].append(span)
            for engine in engines:
                pairwise = [own / plain for own, plain in zip(spans[engine], spans["aiohttp"], strict=True)]
                rows.append([name, engine, statistics.median(spans[engine]), statistics.median(pairwise)])
    print_table(
        f"{arguments.calls:,} calls, concurrency {arguments.concurrency}, medians of {arguments.repeat}",
        ["latency", "engine", "span, s", "ratio to plain aiohttp"],
        rows,
    )


if __name__ == "__main__":
    main()
