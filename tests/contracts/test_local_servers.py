"""The chat adapter against servers that answer in the very shapes of vLLM, SGLang, Ollama and llama.cpp."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from preflect.errors import AccessDeniedError, CallError, ReplyError
from preflect.ports import ChatRequest
from preflect.prompts import load_prompt
from preflect.schemas import Sampling
from preflect.stages.asking import ask, complete_whole, request_for

from .test_openai_chat import Endpoint, Rig, rig
from .test_openai_chat import ask as a_request

Body = dict[str, Any]
Reply = tuple[int, Body]
Server = Callable[[int, Body], Reply]

PARTS = {"critique": "Thin.", "response": "Lima, since 1535."}
SAID = json.dumps(PARTS)
JUNK = "I would say that the answer is quite good already."
SCHEMA_REQUEST = request_for(
    load_prompt("reflect_response"),
    {"instruction": "Name the capital of Peru.", "input": None, "response": "Lima"},
    stage="reflect_response",
    sample_id="s",
    sampling=Sampling(),
)


def vllm(content: str | None, finish_reason: str = "stop", **message: Any) -> Reply:
    said = {"role": "assistant", "content": content, "refusal": None, "annotations": None, "audio": None}
    calls: Body = {"function_call": None, "tool_calls": list[Body](), "reasoning": None} | message
    choice = {"index": 0, "message": said | calls, "logprobs": None, "finish_reason": finish_reason}
    usage = {"prompt_tokens": 31, "total_tokens": 43, "completion_tokens": 12, "prompt_tokens_details": None}
    ends = {"stop_reason": None, "token_ids": None}
    beside = {"service_tier": None, "system_fingerprint": None, "prompt_logprobs": None, "kv_transfer_params": None}
    return 200, {"id": "chatcmpl-1", "model": "m", "choices": [choice | ends], "usage": usage, **beside}


def vllm_error(message: str, status: int = 400, kind: str = "BadRequestError") -> Reply:
    return status, {"error": {"message": message, "type": kind, "param": None, "code": status}}


def bare_error(message: str, status: int = 400) -> Reply:
    """As SGLang and older vLLM say it, without an `error` around it."""
    return status, {"object": "error", "message": message, "type": "BadRequestError", "param": None, "code": status}


def sglang(content: str | None, finish_reason: str = "stop", **message: Any) -> Reply:
    said = {"role": "assistant", "content": content, "reasoning_content": None, "tool_calls": None} | message
    choice = {"index": 0, "message": said, "logprobs": None, "finish_reason": finish_reason, "matched_stop": 151645}
    usage = {"prompt_tokens": 45, "total_tokens": 55, "completion_tokens": 10, "prompt_tokens_details": None}
    beside = {"metadata": {"weight_version": "default"}}
    return 200, {"id": "98", "model": "m", "choices": [choice], "usage": usage | {"reasoning_tokens": 0}, **beside}


def ollama(content: str, finish_reason: str | None = "stop", **message: Any) -> Reply:
    choice = {"index": 0, "message": {"role": "assistant", "content": content, **message}}
    usage = {"prompt_tokens": 26, "completion_tokens": 9, "total_tokens": 35}
    beside = {"system_fingerprint": "fp_ollama", "usage": usage}
    return 200, {"id": "chatcmpl-7", "model": "m", "choices": [choice | {"finish_reason": finish_reason}], **beside}


def ollama_error(message: str, status: int) -> Reply:
    kind = {400: "invalid_request_error", 404: "not_found_error"}.get(status, "api_error")
    return status, {"error": {"message": message, "type": kind, "param": None, "code": None}}


def llama_cpp(content: str, finish_reason: str = "stop", **message: Any) -> Reply:
    said = {"role": "assistant", "content": content} | message
    choice = {"finish_reason": finish_reason, "index": 0, "message": said}
    usage = {"completion_tokens": 9, "prompt_tokens": 26, "total_tokens": 35}
    timings = {"cache_n": 0, "prompt_n": 26, "prompt_ms": 9.1, "predicted_n": 9, "predicted_per_second": 71.9}
    return 200, {"choices": [choice], "model": "m", "system_fingerprint": "b6", "usage": usage, "timings": timings}


def llama_cpp_error(message: str, status: int, kind: str, **more: Any) -> Reply:
    return status, {"error": {"code": status, "message": message, "type": kind, **more}}


def serving(server: Server) -> Endpoint:
    async def answer(number: int, body: Body) -> web.Response:
        status, reply = server(number, body)
        return web.json_response(reply, status=status)

    return Endpoint(answer)


def one_after_another(*replies: Reply) -> Endpoint:
    """The last reply stays."""
    return serving(lambda number, _: replies[min(number, len(replies) - 1)])


def styles(endpoint: Endpoint) -> list[str]:
    """How each request asked for its parts."""
    return [body["response_format"]["type"] if "response_format" in body else "tags" for body in endpoint.bodies]


async def parts_of(r: Rig, request: ChatRequest = SCHEMA_REQUEST) -> Any:
    return (await ask(r.model, request)).parts


THOUGHTS = {
    "vllm": vllm(f"\n\n{SAID}", reasoning="Lima it is."),
    "vllm before 0.10": vllm(SAID, reasoning_content="Lima it is."),
    "vllm without a reasoning parser": vllm(f"<think>\nLima it is.\n</think>\n\n{SAID}"),
    "sglang": sglang(SAID, reasoning_content="Lima it is."),
    "ollama": ollama(SAID, reasoning="Lima it is."),
    "llama.cpp": llama_cpp(SAID, reasoning_content="Lima it is."),
}


@pytest.mark.parametrize("reply", THOUGHTS.values(), ids=THOUGHTS.keys())
async def test_the_answer_its_thoughts_and_its_tokens_are_read(reply: Reply, tmp_path: Path) -> None:
    async with rig(one_after_another(reply), tmp_path) as r:
        answer = await ask(r.model, SCHEMA_REQUEST)
        [count] = r.journal.counts()
    assert answer.parts == PARTS
    assert answer.reply.thinking == "Lima it is."
    usage = reply[1]["usage"]
    assert (count.prompt_tokens, count.completion_tokens) == (usage["prompt_tokens"], usage["completion_tokens"])


@pytest.mark.parametrize("reply", [vllm(None, reasoning=SAID), sglang(None, reasoning_content=SAID)])
async def test_an_answer_that_the_server_took_for_thoughts_is_found_there(reply: Reply, tmp_path: Path) -> None:
    async with rig(one_after_another(reply), tmp_path) as r:
        assert await parts_of(r) == PARTS


PASSING = {
    "llama.cpp loads its model": llama_cpp_error("Loading model", 503, "unavailable_error"),
    "llama.cpp's shared context is full": llama_cpp_error("Context size has been exceeded.", 500, "server_error"),
    "ollama's queue is full": ollama_error("server busy, please try again.  maximum pending requests exceeded", 503),
    "ollama's runner has died": (500, {"error": "llama runner process has terminated: exit status 2"}),
    "vllm's engine restarts": vllm_error("EngineCore encountered an issue.", 500, "InternalServerError"),
    "vllm breaks off": vllm('{"critique": "Th', "abort"),
    "sglang breaks off": sglang('{"critique": "Th', "abort"),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
async def test_what_passes_is_tried_again(fault: Reply, tmp_path: Path) -> None:
    endpoint = one_after_another(fault, fault, vllm("Lima."))
    async with rig(endpoint, tmp_path, timeout_s=20.0) as r:
        assert (await r.model.complete(a_request())).text == "Lima."
    assert len(endpoint.bodies) == 3


ABSENT = {
    "vllm": (vllm_error("The model `n` does not exist.", 404, "NotFoundError"), "The model `n` does not exist"),
    "vllm before 0.10": (bare_error("The model `n` does not exist.", 404), "The model `n` does not exist"),
    "ollama": (ollama_error('model "n" not found, try pulling it first', 404), "try pulling it first"),
    "ollama's own words": ((404, {"error": "model 'n' not found"}), "model 'n' not found"),
}


@pytest.mark.parametrize(("fault", "words"), ABSENT.values(), ids=ABSENT.keys())
async def test_a_model_that_is_not_there_stops_all_in_the_servers_own_words(
    fault: Reply, words: str, tmp_path: Path
) -> None:
    endpoint = one_after_another(fault)
    async with rig(endpoint, tmp_path) as r:
        with pytest.raises(AccessDeniedError, match=words):
            await r.model.complete(a_request())
    assert len(endpoint.bodies) == 1


LASTING = {
    "sglang": (bare_error("The input (9000 tokens) is longer than the model's context length"), "context length"),
    "llama.cpp": (
        llama_cpp_error("the request exceeds the available context size", 400, "exceed_context_size_error", n_ctx=4096),
        "exceeds the available context size",
    ),
}


@pytest.mark.parametrize(("fault", "words"), LASTING.values(), ids=LASTING.keys())
async def test_what_lasts_fails_at_once_in_the_servers_own_words(fault: Reply, words: str, tmp_path: Path) -> None:
    endpoint = one_after_another(fault)
    async with rig(endpoint, tmp_path) as r:
        with pytest.raises(CallError) as caught:
            await r.model.complete(a_request())
    assert caught.value.reason == "call_failed"
    assert words in caught.value.detail
    assert len(endpoint.bodies) == 1


TOO_LARGE = {
    "vllm": vllm_error(
        "'max_tokens' or 'max_completion_tokens' is too large: 4096. This model's maximum context length is 2100 "
        "tokens and your request has 31 input tokens (4096 > 2100 - 31)."
    ),
    "vllm since 0.20": vllm_error(
        "This model's maximum context length is 2100 tokens. However, you requested 4096 output tokens and your prompt "
        "contains at least 31 input tokens, for a total of at least 4127 tokens."
    ),
    "sglang": bare_error("Requested token count exceeds the model's maximum context length of 2100 tokens."),
    "openai": vllm_error("max_tokens is too large: 4096. This model supports at most 2048 completion tokens."),
}


@pytest.mark.parametrize("fault", TOO_LARGE.values(), ids=TOO_LARGE.keys())
async def test_where_the_server_takes_no_larger_limit_the_reply_that_was_cut_off_stands(
    fault: Reply, tmp_path: Path
) -> None:
    endpoint = serving(lambda _, body: fault if body["max_tokens"] > 2048 else vllm("The capital of", "length"))
    async with rig(endpoint, tmp_path) as r:
        reply, _ = await complete_whole(r.model, a_request())
        with pytest.raises(ReplyError, match="truncated"):
            await ask(r.model, SCHEMA_REQUEST)
    assert (reply.text, reply.finish_reason) == ("The capital of", "length")
    assert [body["max_tokens"] for body in endpoint.bodies] == [2048, 4096] * 2


async def test_a_reply_that_was_cut_off_and_the_whole_one_are_two_calls_and_both_are_replayed(tmp_path: Path) -> None:
    endpoint = serving(lambda _, body: llama_cpp(SAID) if body["max_tokens"] > 2048 else llama_cpp(SAID[:9], "length"))
    for _ in range(2):
        async with rig(endpoint, tmp_path) as r:
            assert await parts_of(r) == PARTS
            assert [count.calls for count in r.journal.counts()] == [2]
    assert [body["max_tokens"] for body in endpoint.bodies] == [2048, 4096]


# Replies in parts


REFUSALS = {
    "vllm": vllm_error("The provided JSON schema contains features not supported by xgrammar."),
    "sglang": bare_error("Grammar-based generation is not supported when the server runs with --grammar-backend none"),
    "ollama": ollama_error("Failed to initialize samplers: failed to parse grammar", 400),
    "llama.cpp": llama_cpp_error("Failed to parse grammar", 400, "invalid_request_error"),
    "deepseek": vllm_error("This response_format type is unavailable now"),
    "groq": vllm_error("Failed to generate JSON. Please adjust your prompt. (code json_validate_failed)"),
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS.keys())
async def test_a_refused_schema_becomes_json_mode_from_then_on(refusal: Reply, tmp_path: Path) -> None:
    def server(_: int, body: Body) -> Reply:
        return refusal if body.get("response_format", {}).get("type") == "json_schema" else vllm(SAID)

    endpoint = serving(server)
    async with rig(endpoint, tmp_path) as r:
        for _ in range(2):
            assert await parts_of(r) == PARTS
        await r.model.complete(a_request(schema_name="another", json_schema=SCHEMA_REQUEST.json_schema))
    assert styles(endpoint) == ["json_schema", "json_object", "json_object"]
    assert "JSON schema describes it" in endpoint.bodies[1]["messages"][0]["content"]


async def test_a_refused_json_mode_becomes_tags(tmp_path: Path) -> None:
    def server(_: int, body: Body) -> Reply:
        tagged = "<critique>Thin.</critique>\n<response>Lima, since 1535.</response>"
        return bare_error("response_format is not supported") if "response_format" in body else vllm(tagged)

    endpoint = serving(server)
    async with rig(endpoint, tmp_path) as r:
        assert await parts_of(r) == PARTS
    assert styles(endpoint) == ["json_schema", "json_object", "tags"]


async def test_a_server_that_takes_the_schema_and_ignores_it_is_asked_in_words_from_then_on(tmp_path: Path) -> None:
    def server(_: int, body: Body) -> Reply:
        told = "JSON schema describes it" in body["messages"][0]["content"]
        return llama_cpp(f"```json\n{SAID}\n```" if told else JUNK)

    endpoint = serving(server)
    async with rig(endpoint, tmp_path) as r:
        assert await parts_of(r) == PARTS
        await r.model.complete(a_request(schema_name="another", json_schema=SCHEMA_REQUEST.json_schema))
    assert styles(endpoint) == ["json_schema", "json_object", "json_object"]


@pytest.mark.parametrize("reply", [vllm(None, refusal="I can't."), vllm('{"critique": "Th', "length"), vllm("")])
async def test_a_refusal_a_cut_and_an_empty_reply_are_no_sign_that_the_schema_is_ignored(
    reply: Reply, tmp_path: Path
) -> None:
    endpoint = one_after_another(reply)
    async with rig(endpoint, tmp_path) as r:
        with pytest.raises(ReplyError):
            await parts_of(r)
    assert {*styles(endpoint)} == {"json_schema"}
