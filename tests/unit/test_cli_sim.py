import json
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import requests

COMMAND = [sys.executable, "-m", "preflect.cli", "sim"]


@contextmanager
def simulator(*arguments: str) -> Generator[tuple[subprocess.Popen[str], str]]:
    """The command as a user starts it, and the first thing it says."""
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline()
        finally:
            process.kill()


def ask(base_url: str) -> str:
    body = {"model": "sim", "messages": [{"role": "user", "content": "Name the capital of France."}]}
    reply = requests.post(f"{base_url}/chat/completions", json=body, timeout=20)
    return str(reply.json()["choices"][0]["message"]["content"])


def test_the_endpoint_answers_until_ctrl_c() -> None:
    with simulator("--seed", "3") as (process, said):
        base_url = said.split(" ")[3]
        assert said.startswith("simulated endpoint at http://127.0.0.1:")
        assert f"{{kind: openai, model: sim, base_url: {base_url}}}" in said
        assert ask(base_url)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


def test_the_same_seed_gives_the_same_reply() -> None:
    replies = list[str]()
    for _ in range(2):
        with simulator("--seed", "3") as (_process, said):
            replies.append(ask(said.split(" ")[3]))
    assert replies[0] == replies[1]


def test_a_port_that_is_taken_is_wrong_input() -> None:
    with simulator() as (_process, said):
        port = said.split(" ")[3].split(":")[2].split("/")[0]
        second = subprocess.run([*COMMAND, "--port", port], capture_output=True, text=True, timeout=30, check=False)
    assert second.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}" in second.stderr


def test_known_tasks_that_are_not_there_are_wrong_input(tmp_path: Path) -> None:
    command = [*COMMAND, "--known", str(tmp_path / "nowhere.jsonl")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert "nowhere.jsonl" in ended.stderr


def test_json_is_the_address_alone() -> None:
    command = [*COMMAND, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert json.loads("".join(lines))["base_url"].startswith("http://127.0.0.1:")
