"""The student behind a server: what is sent, what is believed, and what happens where a server fails."""

from __future__ import annotations

import asyncio
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp import web

from preflect.adapters.logprob_server import Address
from preflect.adapters.logprob_server import LogprobServer as Asked
from preflect.adapters.logprob_wire import WAYS
from preflect.adapters.prompt_logprobs import PromptLogprobsScorer
from preflect.cli import main
from preflect.errors import InputError, RunError, UnscorableError
from preflect.ports import NllPair, ScoreQuery
from preflect.recipes.locate import Source
from preflect.recipes.students import check_students
from preflect.schemas import InputSpec, PromptLogprobsStudent, Recipe, SelectInstruction
from preflect.scoring import ifd_ppl
from preflect.scoring.spans import Pass

from .logprob_servers import CONTEXT, Alter, Body, LogprobServer, Reply, served, vllm_error

TinyLm = Callable[[str], Path]
STYLES: Final = ["vllm", "echo", "sglang"]
PROBES: Final = {"vllm": 2, "echo": 5, "sglang": 2}
"""Requests that building a student takes: two texts; at one that echoes only, after three tries in the better way."""
QUERY: Final = ScoreQuery(
    direction="forward", instruction="What is the sum of 12 and 30?", input=None, response="The sum of 12 and 30 is 42."
)


def student(server: LogprobServer, **options: Any) -> PromptLogprobsScorer:
    given = {"server": "sglang" if server.style == "sglang" else "vllm", "base_url": server.url, "template": "alpaca"}
    return PromptLogprobsScorer(PromptLogprobsStudent.model_validate({**given, **options}))


async def pair_of(server: LogprobServer, **options: Any) -> NllPair:
    return await student(server, **options).score(QUERY)


def later(style: str, alter: Alter) -> Alter:
    """Only what comes after the probe."""
    return lambda number, reply: alter(number - PROBES[style], reply) if number >= PROBES[style] else reply


# What is sent


async def test_vllm_is_sent_token_ids_and_one_of_its_own_rows_may_hold_a_likelier_token_too(tiny_lm: TinyLm) -> None:
    def with_likelier(_: int, reply: Body) -> Reply:
        for row in reply["choices"][0]["prompt_logprobs"][1:]:
            row.update({"399": {"logprob": -0.001, "rank": 1, "decoded_token": "…"}} if "399" not in row else {})
        return reply

    with served(LogprobServer(tiny_lm("llama"), "vllm")) as plain:
        expected = await pair_of(plain)
    with served(LogprobServer(tiny_lm("llama"), "vllm", with_likelier)) as server:
        assert await pair_of(server) == expected
    body = server.asked[-1]
    assert (body["model"], body["prompt_logprobs"], body["temperature"]) == ("tiny", 0, 1)
    assert {type(token) for token in body["prompt"]} == {int}
    assert body["prompt"][0] == 0
    assert 0 not in body["prompt"][1:]


async def test_a_server_without_prompt_logprobs_is_asked_to_echo(tiny_lm: TinyLm) -> None:
    with served(LogprobServer(tiny_lm("gpt2"), "echo")) as server:
        await pair_of(server)
    echoed = [body for body in server.asked if body.get("echo")]
    assert len(echoed) == 4
    assert all((body["max_tokens"], body["logprobs"]) == (0, 1) for body in echoed)


async def test_sglang_starts_one_token_before_those_that_are_scored(tiny_lm: TinyLm) -> None:
    with served(LogprobServer(tiny_lm("llama"), "sglang")) as server:
        pair = await pair_of(server)
    whole = max(server.asked, key=lambda body: len(body["input_ids"]))
    assert whole["logprob_start_len"] == len(whole["input_ids"]) - pair.conditioned_tokens - 1


@pytest.mark.parametrize("style", STYLES)
def test_the_last_id_of_the_vocabulary_is_scored_too(tiny_lm: TinyLm, style: str) -> None:
    # SGLang shows it as 0.
    with served(LogprobServer(tiny_lm("llama"), style)) as server:
        address = Address(root=server.url, model="tiny", key="", timeout_s=5)
        way = WAYS["sglang" if style == "sglang" else "vllm"][style == "echo"]
        asked = Asked(address, way)
        nll = asked.http.wait_for(asked.mean_nll(Pass((0, 7, 399, 8), 2)))
        said = server.logprobs([0, 7, 399, 8])
        assert nll == pytest.approx(-(said[1, 399] + said[2, 8]).item() / 2, abs=1e-5)


async def test_equal_texts_are_asked_about_once(tiny_lm: TinyLm) -> None:
    with served(LogprobServer(tiny_lm("llama"), "vllm")) as server:
        one = student(server)
        await asyncio.gather(*(one.score(QUERY) for _ in range(5)))
        assert len(server.asked) == PROBES["vllm"] + 2


async def test_no_more_requests_are_in_flight_than_are_wanted(tiny_lm: TinyLm) -> None:
    queries = [
        ScoreQuery(direction="forward", instruction=str(n), input=None, response="A cat, " * n) for n in range(9)
    ]
    with served(LogprobServer(tiny_lm("llama"), "vllm", latency_s=0.02)) as server:
        one = student(server, concurrency=3)
        await asyncio.gather(*(one.score(query) for query in queries))
    assert server.most_in_flight == 3


# What is refused at the start


def choice(change: Callable[[Body], object]) -> Alter:
    def alter(_: int, reply: Body) -> Reply:
        change(reply["choices"][0])
        return reply

    return alter


def rows(change: Callable[[list[Any]], object]) -> Alter:
    return choice(lambda one: change(one["prompt_logprobs"]) if one["prompt_logprobs"] else None)


def echoes(change: Callable[[Body], object]) -> Alter:
    return choice(lambda one: change(one["logprobs"]) if one["logprobs"] else None)


def inputs(change: Callable[[list[Any]], object]) -> Alter:
    def alter(_: int, reply: Body) -> Reply:
        change(reply["meta_info"]["input_token_logprobs"])
        return reply

    return alter


def is_now(value: object) -> Callable[[list[Any]], object]:
    """The third row's log-probability is another one."""

    def change(found: list[Any]) -> None:
        for said in found[2].values():
            said["logprob"] = value

    return change


def replaced(reply: Callable[[], Reply]) -> Alter:
    return lambda _, __: reply()


LLAMA_CPP: Final = {
    "choices": [{
        "text": " 42", "index": 0, "finish_reason": "length",
        "logprobs": {"content": [{"id": 5, "token": " 42", "bytes": [32], "logprob": -0.5, "top_logprobs": []}]},
    }],
    "created": 1, "model": "m", "system_fingerprint": "b6", "object": "text_completion",
    "usage": {"completion_tokens": 1, "prompt_tokens": 12, "total_tokens": 13}, "id": "chatcmpl-1",
}  # fmt: skip
OLLAMA: Final = {
    "id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m", "system_fingerprint": "fp_ollama",
    "choices": [{"text": "42", "index": 0, "finish_reason": "stop"}],
}  # fmt: skip

UNFIT: Final[dict[str, tuple[str, Alter, str]]] = {
    "llama.cpp": ("vllm", replaced(lambda: LLAMA_CPP), "answers without prompt_logprobs, and .* echoes no log-prob"),
    "ollama": ("vllm", replaced(lambda: OLLAMA), "answers without prompt_logprobs, and .* echoes no log-probabilities"),
    "a web page": ("vllm", replaced(lambda: web.Response(text="<html>")), "answers in another form: Invalid JSON"),
    "no choice": ("vllm", replaced(lambda: {"choices": []}), "answers without choices"),
    "no such path": ("vllm", replaced(lambda: vllm_error("Not Found", 404)), "answers HTTP 404: Not Found"),
    "a missing row": ("rows", rows(lambda found: found.pop()), r"gives \d+ entries for \d+ tokens"),
    "a row too many": ("rows", rows(lambda found: found.append(None)), r"gives \d+ entries for \d+ tokens"),
    "an empty row": ("rows", rows(lambda found: found[2].clear()), r"gives nothing at place 2, where token \d+ was"),
    "another token's row": (
        "rows",
        rows(lambda found: found.__setitem__(2, {"12345": {"logprob": -1.0}})),
        r"gives 12345 at place 2, where token \d+ was sent",
    ),
    "null": ("rows", rows(is_now(None)), "gives log-probabilities that are no finite numbers"),
    "NaN": ("rows", rows(is_now(math.nan)), "gives log-probabilities that are no finite numbers"),
    "-inf": ("rows", rows(is_now(-math.inf)), "gives log-probabilities that are no finite numbers"),
    "-inf as vLLM writes it": ("rows", rows(is_now(-9999.0)), "gives log-probabilities that are no finite numbers"),
    "words": ("rows", rows(is_now("low")), "answers in another form: Input should be a valid number"),
    "an echo of words": (
        "echo",
        echoes(lambda said: said.update(tokens=["cat"] * len(said["tokens"]))),
        r"gives nothing at place 1, where token \d+ was sent",
    ),
    "an echo without numbers": (
        "echo",
        echoes(lambda said: said.update(token_logprobs=None)),
        "echoes no log-probabil",
    ),
    "half an echo": ("echo", echoes(lambda said: said["tokens"].pop()), r"echoes \d+ tokens and \d+ log-probabilities"),
    "sglang without": (
        "sglang",
        replaced(lambda: {"text": "", "meta_info": {"id": "1", "prompt_tokens": 12}}),
        "answers without input_token_logprobs",
    ),
    "sglang, null": ("sglang", inputs(lambda found: found.__setitem__(2, [None, found[2][1], None])), "no finite numb"),
    "sglang, one later": ("sglang", inputs(lambda found: found.pop(0)), r"gives \d+ entries for \d+ tokens"),
    "sglang, other ids": (
        "sglang",
        inputs(lambda found: found.__setitem__(2, [-1.0, 12345, None])),
        "gives 12345 at place 2",
    ),
}


@pytest.mark.parametrize(("style", "alter", "message"), UNFIT.values(), ids=UNFIT.keys())
def test_a_server_that_does_not_give_what_is_needed_is_refused_with_the_reason_and_the_remedy(
    tiny_lm: TinyLm, style: str, alter: Alter, message: str
) -> None:
    with (
        served(LogprobServer(tiny_lm("llama"), style, alter)) as server,
        pytest.raises(InputError, match=message) as caught,
    ):
        student(server)
    assert str(caught.value).startswith(f"the student's server {server.url} ")
    assert "serve the model with vLLM or SGLang (llama.cpp's server and Ollama keep" in str(caught.value)


def test_a_tokenizer_that_is_not_the_models_is_refused(tiny_lm: TinyLm) -> None:
    # Sure of the wrong thing.
    unlikely = rows(lambda found: [said.update(logprob=-20.0) for row in found[1:] for said in row.values()])
    with (
        served(LogprobServer(tiny_lm("llama"), "vllm", unlikely)) as server,
        pytest.raises(InputError, match=r"costs 20\.00 nats per token, .* tokenizer and model do not belong together"),
    ):
        student(server)


def test_a_server_that_is_not_there_is_refused(tiny_lm: TinyLm) -> None:
    with served(LogprobServer(tiny_lm("llama"), "vllm")) as server:
        pass
    with pytest.raises(InputError, match=r"127.0.0.1:\d+ does not answer .*; start the server or mend the address"):
        student(server)


@pytest.mark.parametrize(
    ("models", "options", "message"),
    [
        ({}, {"model": "other"}, "serves no model 'other', but tiny; name one of these"),
        ({"object": "list", "data": []}, {}, "does not say which model it serves; name it with model:"),
        ({"error": "none"}, {}, "does not say which model it serves"),
        ({"object": "list", "data": [{"id": "/its/own"}]}, {}, r"as `tokenizer` .*only says '/its/own'"),
        ({}, {"tokenizer": "/no/where"}, "the tokenizer of student '/no/where' cannot be loaded"),
        ({}, {"max_length": 514}, "max_length 514 is more than the 513 positions of student 'tiny'"),
        ({}, {"api_key_env": "NO_SUCH_KEY"}, "the environment variable NO_SUCH_KEY is not set"),
    ],
)
def test_what_is_wrong_with_the_recipe_is_said(
    tiny_lm: TinyLm, models: Body, options: dict[str, Any], message: str
) -> None:
    style = "sglang" if "max_length" in options else "vllm"
    with (
        served(LogprobServer(tiny_lm("llama"), style, models=models)) as server,
        pytest.raises(InputError, match=message),
    ):
        student(server, **options)


def test_a_tokenizer_without_a_chat_template_is_refused_for_template_chat(tiny_lm: TinyLm) -> None:
    with served(LogprobServer(tiny_lm("gpt2"), "vllm")) as server, pytest.raises(InputError, match="no chat template"):
        student(server, template="chat")


def test_a_model_is_found_beside_its_adapters_and_its_folder_is_not_told(tiny_lm: TinyLm) -> None:
    folder = str(tiny_lm("llama"))
    adapter = {"id": "lora", "root": "/adapters/lora", "parent": folder}
    with served(LogprobServer(tiny_lm("llama"), "vllm", models={"data": [adapter, {"id": folder}]})) as server:
        assert student(server, revision="r1").name == Path(folder).name
        assert server.asked[0]["model"] == folder
        assert student(server, model="lora").name == "lora"


def test_a_recipe_names_the_place_of_a_server_that_is_of_no_use(tiny_lm: TinyLm) -> None:
    with served(LogprobServer(tiny_lm("llama"), "vllm", replaced(lambda: OLLAMA))) as server:
        spec = PromptLogprobsStudent(base_url=server.url, template="alpaca")
        recipe = Recipe(
            name="r", input=InputSpec(path="x.jsonl"), models={"s": spec}, stages=(SelectInstruction(model="s"),)
        )
        place = Source("recipe.yaml", {}, {("models", "s", "base_url"): 6})
        with pytest.raises(InputError, match=r"^recipe.yaml:6: models.s: the student's server http.* answers without"):
            check_students(recipe, place)


def test_a_recipe_may_not_ask_two_servers_whose_scores_nothing_would_tell_apart(tiny_lm: TinyLm) -> None:
    def check(**given: dict[str, Any]) -> None:
        models = {n: PromptLogprobsStudent.model_validate({"template": "alpaca", **g}) for n, g in given.items()}
        stage = SelectInstruction(students=tuple(models))
        recipe = Recipe(name="r", input=InputSpec(path="x.jsonl"), models=dict(models), stages=(stage,))
        check_students(recipe, Source("recipe.yaml", {}, {("models", "b", "base_url"): 7}))

    with served(LogprobServer(tiny_lm("llama"), "vllm")) as one, served(LogprobServer(tiny_lm("llama"), "vllm")) as two:
        here, there = {"base_url": one.url}, {"base_url": two.url}
        with pytest.raises(InputError, match=r"^recipe.yaml:7: models.b: nothing tells .* those of models.a"):
            check(a=here, b=there)
        check(a=here, b={**there, "revision": "r2"})
        check(a=here, b={**there, "max_length": 100})
        # The same model at the same place gives the same scores.
        check(a=here, b={"base_url": one.url + "/v1", "concurrency": 2})


def test_how_far_a_server_reads_stands_in_the_revision_where_that_is_not_the_usual(tiny_lm: TinyLm) -> None:
    with served(LogprobServer(tiny_lm("llama"), "vllm")) as server:
        assert student(server, revision="r1", max_length=100).revision == "r1+max_length=100"
        # What the server takes, of which it wants a token for an answer.
        assert student(server).revision == f"as-served+max_length={CONTEXT - 1}"


# What happens on the way


def failing(*replies: Callable[[], Reply]) -> Alter:
    """One after the other, and then what is right."""
    return lambda number, reply: replies[number]() if number < len(replies) else reply


def drop() -> Reply:
    return None


PASSING: Final = {
    "busy": lambda: vllm_error("busy", 503),
    "broken": lambda: vllm_error("EngineCore encountered an issue.", 500),
    "too many": lambda: vllm_error("too many", 429),
    "dropped": drop,
    "half a reply": lambda: web.Response(body=b'{"choices": [', content_type="application/json"),
    "aborted": lambda: {"choices": [{"index": 0, "text": "", "prompt_logprobs": None, "finish_reason": "abort"}]},
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
async def test_what_passes_is_asked_again(tiny_lm: TinyLm, fault: Callable[[], Reply]) -> None:
    with served(LogprobServer(tiny_lm("llama"), "vllm")) as server:
        expected = await pair_of(server)
    with served(LogprobServer(tiny_lm("llama"), "vllm", later("vllm", failing(fault, fault)))) as server:
        assert await pair_of(server, timeout_s=10) == expected
        assert len(server.asked) == PROBES["vllm"] + 4


async def test_retry_after_is_honoured_and_does_not_count(tiny_lm: TinyLm) -> None:
    def slow_down() -> Reply:
        return web.json_response({"error": "slow down"}, status=429, headers={"Retry-After": "1.2"})

    with served(LogprobServer(tiny_lm("llama"), "vllm", later("vllm", failing(slow_down)))) as server:
        one = student(server, timeout_s=1)
        since = time.monotonic()
        assert (await one.score(QUERY)).reason is None
    assert time.monotonic() - since > 1.2


@pytest.mark.parametrize(
    ("fault", "timeout_s", "message"),
    [
        (lambda: vllm_error("broken", 500), 0.6, r"answers HTTP 500: broken, again and again for 0\.6 s"),
        (drop, 0.6, r"does not answer \(ServerDisconnectedError: .*\), again and again for 0\.6 s"),
        (lambda: vllm_error("Token id 9 is out of vocabulary"), 9, "answers HTTP 400: Token id 9 is out of vocabulary"),
        (lambda: OLLAMA, 9, "answers without prompt_logprobs"),
    ],
)
async def test_what_does_not_pass_says_what_and_where(
    tiny_lm: TinyLm, fault: Callable[[], Reply], timeout_s: float, message: str
) -> None:
    with served(LogprobServer(tiny_lm("llama"), "vllm", later("vllm", replaced(fault)))) as server:
        one = student(server, timeout_s=timeout_s)
        with pytest.raises(RunError, match=f"^the student's server {server.url} {message}"):
            await one.score(QUERY)


async def test_a_server_that_hangs_is_given_up(tiny_lm: TinyLm) -> None:
    with served(LogprobServer(tiny_lm("llama"), "vllm")) as server:
        one = student(server, timeout_s=0.3)
        server.latency_s = 5
        with pytest.raises(RunError, match=r"gives no reply within 0\.3 s; lower concurrency, or raise timeout_s"):
            await one.score(QUERY)


@pytest.mark.parametrize("value", [None, math.nan, -math.inf, -9999.0])
async def test_a_text_that_the_server_has_no_number_for_is_a_reason(tiny_lm: TinyLm, value: float | None) -> None:
    def last(found: list[Any]) -> None:
        for said in found[-1].values():
            said["logprob"] = value

    with served(LogprobServer(tiny_lm("llama"), "vllm", later("vllm", rows(last)))) as server:
        pair = await pair_of(server)
    with pytest.raises(UnscorableError, match="unscorable:not_finite"):
        ifd_ppl(pair)


async def test_the_key_is_sent_and_never_said(tiny_lm: TinyLm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_KEY", "sk-secret")
    quoting = replaced(lambda: vllm_error("wrong key sk-secret", 401))
    with served(LogprobServer(tiny_lm("llama"), "vllm", later("vllm", quoting))) as server:
        one = student(server, api_key_env="THE_KEY")
        with pytest.raises(RunError, match=r"HTTP 401: wrong key \*\*\*") as caught:
            await one.score(QUERY)
    assert set(server.keys) == {"Bearer sk-secret"}
    assert "sk-secret" not in repr(caught.value)


def test_a_program_that_is_told_to_end_does_not_wait_for_a_server_that_hangs(tiny_lm: TinyLm) -> None:
    asking = """if True:
        import sys, time
        from preflect.adapters.logprob_server import Address, LogprobServer
        from preflect.adapters.logprob_wire import WAYS
        from preflect.adapters.request_pool import RequestPool
        from preflect.scoring.spans import Pass
        class Asker:
            def gone(self): return False
        server = LogprobServer(Address(root=sys.argv[1], model="tiny", key="", timeout_s=60), WAYS["vllm"][0])
        RequestPool(server.http, server.mean_nll, concurrency=1).ask([(Pass((1, 2), 1), Asker())])
        time.sleep(0.5)
    """
    with served(LogprobServer(tiny_lm("llama"), "vllm", latency_s=60)) as server:
        ended = subprocess.run([sys.executable, "-c", asking, server.url], timeout=30, check=False, capture_output=True)
    assert len(server.asked) == 1
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_no_torch_is_needed(tiny_lm: TinyLm) -> None:
    building = """if True:
        import sys
        from importlib.machinery import PathFinder
        usual = PathFinder.find_spec
        PathFinder.find_spec = lambda name, *more: None if name.partition(".")[0] == "torch" else usual(name, *more)
        from preflect.adapters.prompt_logprobs import PromptLogprobsScorer
        from preflect.schemas import PromptLogprobsStudent
        print(PromptLogprobsScorer(PromptLogprobsStudent(base_url=sys.argv[1])).name)
    """
    with served(LogprobServer(tiny_lm("llama"), "vllm")) as server:
        built = subprocess.run(
            [sys.executable, "-c", building, server.url], check=False, capture_output=True, text=True
        )
    assert (built.stdout, built.returncode) == ("tiny\n", 0), built.stderr


async def test_a_dataset_is_scored_from_the_command_line(
    tiny_lm: TinyLm, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"instruction": QUERY.instruction, "response": QUERY.response}) + "\n")
    with served(LogprobServer(tiny_lm("llama"), "sglang")) as server:
        expected = ifd_ppl(await pair_of(server))
        named = ["--student", f"sglang:{server.url}", "--tokenizer", str(tiny_lm("llama")), "--template", "alpaca"]
        assert await asyncio.to_thread(main, ["score", str(path), *named]) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["ifd_ppl"] == pytest.approx(expected)
    assert (row["student"], row["revision"]) == ("tiny", "as-served+max_length=513")
