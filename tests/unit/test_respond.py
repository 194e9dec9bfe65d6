from collections.abc import Callable

import pytest

from preflect.errors import BudgetError, CallError, StoppedError
from preflect.ports import ChatModel, ChatRequest
from preflect.schemas import Message, Rejection, Sample
from preflect.stages.respond import Respond

Scripted = Callable[[str, Callable[[ChatRequest], str | tuple[str, str]]], ChatModel]
MakeSample = Callable[..., Sample]


async def test_every_model_answers_so_many_times_in_the_order_of_the_models(
    scripted: Scripted, make_sample: MakeSample
) -> None:
    models = tuple(
        scripted(name, lambda request, name=name: f"{name} says Lima ({request.index})") for name in ("big", "small")
    )
    sample = await Respond(models=models, samples=2).run(make_sample())
    assert isinstance(sample, Sample)
    assert [response.text for response in sample.responses] == [
        "big says Lima (0)",
        "big says Lima (1)",
        "small says Lima (0)",
        "small says Lima (1)",
    ]
    assert {response.instruction_id for response in sample.responses} == {sample.seed.id}
    assert [response.index for response in sample.responses] == [0, 1, 0, 1]
    assert len({response.id for response in sample.responses}) == 4


async def test_the_conversation_is_sent_as_it_is_with_the_input_in_the_last_turn(
    scripted: Scripted, make_sample: MakeSample
) -> None:
    asked: list[ChatRequest] = []

    def answer(request: ChatRequest) -> str:
        asked.append(request)
        return "Buenos dias"

    turns = (Message(role="system", content="Be brief."), Message(role="user", content="Translate into Spanish."))
    await Respond(models=(scripted("m", answer),), temperature=0.5, top_p=0.9, max_tokens=64).run(
        make_sample(messages=turns, input="Good morning")
    )
    [request] = asked
    assert [message.content for message in request.messages] == ["Be brief.", "Translate into Spanish.\n\nGood morning"]
    assert request.prompt_version == "verbatim"
    assert request.json_schema is None
    assert (request.sampling.temperature, request.sampling.top_p, request.sampling.max_tokens) == (0.5, 0.9, 64)


async def _seeds_used(scripted: Scripted, sample: Sample, seed: int) -> list[int | None]:
    used: list[int | None] = []

    def answer(request: ChatRequest) -> str:
        used.append(request.sampling.seed)
        return "Lima"

    await Respond(models=(scripted("a", answer), scripted("b", answer)), samples=3, seed=seed).run(sample)
    return sorted(used, key=str)


async def test_each_answer_has_a_sampling_seed_of_its_own_the_same_in_every_run(
    scripted: Scripted, make_sample: MakeSample
) -> None:
    first = await _seeds_used(scripted, make_sample(), 7)
    assert len(set(first)) == 6
    assert await _seeds_used(scripted, make_sample(), 7) == first
    assert not set(await _seeds_used(scripted, make_sample(), 8)) & set(first)
    assert not set(await _seeds_used(scripted, make_sample("Name a river."), 7)) & set(first)


REPLIES: list[tuple[str, str] | CallError] = [
    ("Lima.", "stop"),
    ("I'm sorry, but I can't help with that.", "stop"),
    ("The capital of", "length"),
    ("", "stop"),
    ("[insert answer here]", "stop"),
    CallError("call_timeout", "no reply within 120 s"),
]


def _one_of_each(request: ChatRequest) -> tuple[str, str]:
    reply = REPLIES[request.index]
    if isinstance(reply, CallError):
        raise reply
    return reply


async def test_unusable_answers_are_lost_candidates_and_the_sample_goes_on(
    scripted: Scripted, make_sample: MakeSample
) -> None:
    sample = await Respond(models=(scripted("m", _one_of_each),), samples=6).run(make_sample())
    assert isinstance(sample, Sample)
    assert [response.text for response in sample.responses] == ["Lima."]
    assert [(lost.reason, lost.cause) for lost in sample.rejections] == [
        ("refusal", "reply"),
        ("truncated", "reply"),
        ("empty", "reply"),
        ("placeholder", "reply"),
        ("call_timeout", "call"),
    ]


async def test_an_answer_that_was_cut_off_is_asked_for_again_with_twice_the_limit(
    scripted: Scripted, make_sample: MakeSample
) -> None:
    def answer(request: ChatRequest) -> str | tuple[str, str]:
        return ("The capital of", "length") if request.sampling.max_tokens == 64 else "The capital of Peru is Lima."

    sample = await Respond(models=(scripted("m", answer),), max_tokens=64).run(make_sample())
    assert isinstance(sample, Sample)
    [response] = sample.responses
    assert response.text == "The capital of Peru is Lima."
    assert response.provenance
    assert response.provenance.sampling.max_tokens == 128
    assert sample.rejections == ()


async def test_without_any_usable_answer_the_sample_is_rejected(scripted: Scripted, make_sample: MakeSample) -> None:
    replies = ("", "As an AI, I cannot do that.", "")
    model = scripted("m", lambda request: replies[request.index])
    sample = make_sample()
    rejection = await Respond(models=(model,), samples=3).run(sample)
    assert isinstance(rejection, Rejection)
    assert (rejection.sample_id, rejection.stage, rejection.cause, rejection.reason) == (
        sample.id,
        "respond",
        "reply",
        "empty",
    )
    assert "none of 3 answers is usable (2 empty, 1 refusal)" in rejection.detail


async def test_with_a_response_from_the_dataset_the_sample_goes_on_without_new_ones(
    scripted: Scripted, make_sample: MakeSample
) -> None:
    sample = await Respond(models=(scripted("m", lambda _: ""),)).run(make_sample("Name a sea.", "The Baltic."))
    assert isinstance(sample, Sample)
    assert [response.text for response in sample.responses] == ["The Baltic."]
    assert [lost.reason for lost in sample.rejections] == ["empty"]


@pytest.mark.parametrize("error", [BudgetError("5 USD are spent"), StoppedError("stopped")])
async def test_what_stops_the_run_comes_out_plain_after_the_other_calls_have_ended(
    scripted: Scripted, make_sample: MakeSample, error: StoppedError
) -> None:
    finished: list[int] = []

    def answer(request: ChatRequest) -> str:
        if request.index == 0:
            raise error
        finished.append(request.index)
        return "Lima"

    with pytest.raises(type(error)) as caught:
        await Respond(models=(scripted("m", answer),), samples=4).run(make_sample())
    assert caught.value is error
    assert sorted(finished) == [1, 2, 3]
