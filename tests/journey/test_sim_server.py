"""The simulated endpoint as a server: spoken to by the openai client, started and ended as a process."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import aiohttp
import openai
import pytest

from preflect.errors import InputError
from preflect.scoring.truth import read_truth, truth_key
from preflect.sim import Profile, SimOptions
from preflect.sim.command import main
from preflect.sim.server import serving

INSTRUCTION = (
    "A pottery that belongs to Vera has 40 clay mugs to begin with. A delivery brings 5 more. "
    "By noon 12 have been sold. How many are left in the end?"
)


def client(base_url: str) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0)


async def ask(base_url: str, text: str, seed: int = 0) -> str:
    async with client(base_url) as endpoint:
        reply = await endpoint.chat.completions.create(
            model="sim", messages=[{"role": "user", "content": text}], seed=seed
        )
        assert reply.system_fingerprint == "preflect-sim"
        assert reply.usage is not None
        assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens > 2
        return reply.choices[0].message.content or ""


async def test_the_openai_client_gets_the_same_answer_twice_and_the_truth_is_on_disk(tmp_path: Path) -> None:
    truth_file = tmp_path / "truth" / "truth.jsonl"
    async with serving(SimOptions(truth=truth_file)) as base_url:
        text = await ask(base_url, INSTRUCTION)
        known = read_truth(truth_file.read_bytes().splitlines()).quality(INSTRUCTION, text)
        assert known is not None
        assert known.task == "arithmetic"
        assert await ask(base_url, INSTRUCTION) == text


async def test_a_truth_file_is_continued_after_half_a_line(tmp_path: Path) -> None:
    truth_file = tmp_path / "truth.jsonl"
    truth_file.write_text('{"kind": "dra')
    async with serving(SimOptions(truth=truth_file)) as base_url:
        text = await ask(base_url, INSTRUCTION)
    assert truth_key(INSTRUCTION, text) in read_truth(truth_file.read_bytes().splitlines()).texts


async def test_headers_mark_every_reply_as_simulated_and_unknown_tasks_as_unknown() -> None:
    async with serving(SimOptions()) as base_url, aiohttp.ClientSession() as session:
        for text, mark in ((INSTRUCTION, None), ("Why is the sky blue?", "unknown-task")):
            body = {"model": "sim", "messages": [{"role": "user", "content": text}]}
            async with session.post(f"{base_url}/chat/completions", json=body) as reply:
                assert reply.headers["x-preflect-simulated"] == "true"
                assert reply.headers.get("x-preflect-sim") == mark
        async with session.get(base_url.replace("/v1", "/stats")) as reply:
            stats = await reply.json()
        assert stats == {"requests": 2, "refused": 0, "unknown_tasks": 1, "by_kind": {"chat": 2}}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "no JSON"),
        (b"[]", "must be a JSON object"),
        (b'{"messages": []}', "at least one message"),
        (b'{"messages": [{"role": "alien"}]}', "message 0 has the role 'alien'"),
        (b'{"messages": ["hello"]}', "message 0 has the role None"),
        (b'{"messages": [{"role": "user", "content": "x"}], "stream": true}', "does not stream"),
        (b'{"messages": [{"role": "user", "content": "x"}], "n": 0}', "`n` is 0"),
        (b'{"messages": [{"role": "user", "content": "x"}], "n": 1000}', "at most 128"),
        (b'{"messages": [{"role": "user", "content": "x"}], "max_tokens": "many"}', "`max_tokens` is 'many'"),
    ],
)
async def test_a_bad_request_is_told_what_is_wrong_with_it(body: bytes, words: str) -> None:
    async with serving(SimOptions()) as base_url, aiohttp.ClientSession() as session:
        async with session.post(f"{base_url}/chat/completions", data=body) as reply:
            assert reply.status == 400
            error = (await reply.json())["error"]
        assert words in error["message"]
        assert error["type"] == "invalid_request_error"


async def test_streaming_is_refused_in_the_way_that_the_client_understands() -> None:
    async with serving(SimOptions()) as base_url, client(base_url) as endpoint:
        with pytest.raises(openai.BadRequestError, match="does not stream"):
            await endpoint.chat.completions.create(
                model="sim", messages=[{"role": "user", "content": "Hello"}], stream=True
            )


async def test_models_and_unknown_paths_are_answered() -> None:
    async with serving(SimOptions(profiles={"judge": Profile()})) as base_url, client(base_url) as endpoint:
        assert [model.id async for model in endpoint.models.list()] == ["sim", "judge"]
        async with aiohttp.ClientSession() as session, session.get(f"{base_url}/embeddings") as reply:
            assert reply.status == 404
            assert "/v1/chat/completions" in (await reply.json())["error"]["message"]


async def test_latency_delays_each_reply_but_not_one_after_the_other() -> None:
    async with serving(SimOptions(profile=Profile(latency_s=0.5))) as base_url:
        started = asyncio.get_running_loop().time()
        await asyncio.gather(*(ask(base_url, INSTRUCTION, seed) for seed in range(8)))
        assert 0.5 <= asyncio.get_running_loop().time() - started < 8 * 0.5


async def test_a_taken_port_is_an_input_error() -> None:
    async with serving(SimOptions()) as base_url:
        port = int(base_url.rsplit(":", 1)[1].removesuffix("/v1"))
        with pytest.raises(InputError, match=f"cannot listen on 127.0.0.1:{port}"):
            async with serving(SimOptions(port=port)):
                pass


def start(*arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "preflect.sim", *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_the_process_says_where_it_listens_and_ends_with_its_parent() -> None:
    with start("--stop-with-parent") as process:
        assert process.stdout is not None
        base_url = json.loads(process.stdout.readline())["base_url"]
        assert asyncio.run(ask(base_url, INSTRUCTION))
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=10) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""


def test_the_process_ends_quietly_when_it_is_told_to() -> None:
    with start() as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.terminate()
        assert process.wait(timeout=10) == 0


def test_wrong_options_are_named_with_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--rates", '{"repair": 2}']) == 2
    assert "repair" in capsys.readouterr().err
    assert main(["--profiles", "[1]"]) == 2
    assert "by model name" in capsys.readouterr().err


def test_tasks_are_written_as_input_rows(tmp_path: Path) -> None:
    assert main(["--tasks", "3", "--seed", "9", "--out", str(tmp_path / "tasks.jsonl")]) == 0
    rows = [json.loads(line) for line in (tmp_path / "tasks.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == ["world-9-0", "world-9-1", "world-9-2"]
