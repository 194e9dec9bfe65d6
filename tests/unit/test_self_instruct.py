import asyncio
import json
import logging
import random
from collections.abc import Callable, Sequence

import pytest

from preflect.errors import BudgetError, CallError
from preflect.ports import ChatModel, ChatReply, ChatRequest
from preflect.schemas import Provenance, Rejection, Sample
from preflect.stages.self_instruct import SelfInstruct

Scripted = Callable[[str, Callable[[ChatRequest], str | tuple[str, str]]], ChatModel]
MakeSample = Callable[..., Sample]

VERBS = ("Sort", "Count", "Describe", "Compare", "Rewrite", "Explain", "List", "Weigh")
THINGS = ("copper mugs", "old maps", "rain clouds", "garden snails", "night trains", "bread crusts", "sea charts")


def fresh(request: ChatRequest) -> str:
    """Four instructions that depend on the request alone."""
    rng = random.Random(request.messages[-1].content + str(request.index))
    made = [
        f"{rng.choice(VERBS)} {rng.randint(2, 99)} {rng.choice(THINGS)} by {rng.choice(THINGS)} of {rng.random():.6f}"
        for _ in range(4)
    ]
    return json.dumps({"instructions": made})


def fixed(*texts: str) -> Callable[[ChatRequest], str]:
    return lambda _: json.dumps({"instructions": list(texts)})


@pytest.fixture
def seeds(make_sample: MakeSample) -> list[Sample]:
    topics = ("volcanoes", "chess openings", "bee hives", "tax forms", "haiku", "gear ratios", "sourdough", "glaciers")
    return [make_sample(f"Write a short note about {topic}.", index=n) for n, topic in enumerate(topics)]


async def outcomes(stage: SelfInstruct, seeds: Sequence[Sample]) -> list[Sample | Rejection]:
    return [outcome async for outcome in stage.run_all(seeds)]


async def test_seeds_come_first_then_so_many_new_ones_with_the_index_going_on(
    scripted: Scripted, seeds: list[Sample]
) -> None:
    made = await outcomes(SelfInstruct(teacher=scripted("t", fresh), count=10), seeds)
    samples = [outcome for outcome in made if isinstance(outcome, Sample)]
    assert samples[:8] == seeds
    assert [sample.index for sample in samples] == list(range(18))
    known = {sample.id for sample in samples}
    for sample in samples[8:]:
        assert (sample.source, sample.seed.origin, sample.id) == ("self_instruct", "self_instruct", sample.seed.id)
        assert len(sample.seed.parents) == 6
        assert set(sample.seed.parents) <= known
        assert sample.seed.provenance is not None
        assert sample.seed.provenance.model == "t-1"


async def test_what_comes_after_the_count_is_reached_is_said_to_be_left_out(
    scripted: Scripted, seeds: list[Sample]
) -> None:
    made = await outcomes(SelfInstruct(teacher=scripted("t", fresh), count=3), seeds)
    assert [outcome.reason for outcome in made if isinstance(outcome, Rejection)] == ["not_selected"]
    assert sum(isinstance(outcome, Sample) for outcome in made) == 11


async def test_without_keep_seeds_each_seed_comes_out_as_a_rejection(scripted: Scripted, seeds: list[Sample]) -> None:
    made = await outcomes(SelfInstruct(teacher=scripted("t", fresh), count=4, keep_seeds=False), seeds)
    assert [(o.sample_id, o.reason) for o in made[:8] if isinstance(o, Rejection)] == [
        (seed.id, "not_selected") for seed in seeds
    ]
    assert [outcome.index for outcome in made[8:] if isinstance(outcome, Sample)] == [8, 9, 10, 11]


async def test_each_refused_instruction_has_its_reason(scripted: Scripted, seeds: list[Sample]) -> None:
    teacher = scripted(
        "t",
        fixed(
            "Write a short note about volcanoes!",
            "Describe the picture above.",
            "Summarise the following article.",
            "1. Give three uses of cork.",
        ),
    )
    made = await outcomes(SelfInstruct(teacher=teacher, count=1), seeds)
    refused = [outcome for outcome in made if isinstance(outcome, Rejection)]
    assert [rejection.reason for rejection in refused] == ["near_duplicate", "invalid_instruction", "unanswerable"]
    assert seeds[0].id in refused[0].detail
    assert len({rejection.sample_id for rejection in refused}) == 3
    assert [outcome.seed.text for outcome in made[8:] if isinstance(outcome, Sample)] == ["Give three uses of cork."]


async def test_a_repetition_of_an_accepted_instruction_is_a_near_duplicate(
    scripted: Scripted, seeds: list[Sample], caplog: pytest.LogCaptureFixture
) -> None:
    teacher = scripted("t", fixed("Give three uses of cork.", "Give three uses of cork, please."))
    with caplog.at_level(logging.WARNING):
        made = await outcomes(SelfInstruct(teacher=teacher, count=5, max_calls=3), seeds)
    assert sum(isinstance(outcome, Sample) for outcome in made) == 9
    assert [o.reason for o in made if isinstance(o, Rejection)] == ["near_duplicate"] * 5
    assert "1 of 5 new instructions accepted after 3 requests" in caplog.text


async def test_a_line_repeated_in_a_reply_is_no_second_sample_whatever_the_limit(
    scripted: Scripted, seeds: list[Sample]
) -> None:
    teacher = scripted("t", fixed("Give three uses of cork.", "Give three uses of cork.", seeds[0].seed.text))
    made = await outcomes(SelfInstruct(teacher=teacher, count=2, max_similarity=1.0, max_calls=1), seeds)
    samples = [outcome for outcome in made if isinstance(outcome, Sample)]
    assert len({sample.id for sample in samples}) == len(samples) == 9
    assert [outcome.reason for outcome in made if isinstance(outcome, Rejection)] == ["near_duplicate"] * 2


async def test_requests_that_show_the_same_exemplars_are_still_different_calls(
    scripted: Scripted, seeds: list[Sample]
) -> None:
    asked: list[ChatRequest] = []

    def answer(request: ChatRequest) -> str:
        asked.append(request)
        return json.dumps({"instructions": []})

    await outcomes(SelfInstruct(teacher=scripted("t", answer), count=8, max_calls=5), seeds[:1])
    assert sorted(request.index for request in asked) == [0, 1, 2, 3, 4]
    assert len({request.sampling.seed for request in asked}) == 5
    assert len({request.sample_id for request in asked}) == 5


async def test_lost_replies_are_rows_and_the_rest_goes_on(scripted: Scripted, seeds: list[Sample]) -> None:
    def answer(request: ChatRequest) -> str:
        if request.index == 0:
            raise CallError("call_timeout", "120 s")
        return "no" if request.index == 1 else fresh(request)

    made = await outcomes(SelfInstruct(teacher=scripted("t", answer), count=8), seeds)
    lost = [outcome for outcome in made if isinstance(outcome, Rejection) and outcome.cause != "filter"]
    assert [(rejection.cause, rejection.reason) for rejection in lost] == [
        ("call", "call_timeout"),
        ("reply", "unparsable"),
    ]
    assert sum(isinstance(outcome, Sample) for outcome in made) == 16


class SlowModel:
    """Answers after a time that depends on its own seed, and remembers how many requests were open at once."""

    name = "t"
    max_tokens_if_truncated = None

    def __init__(self, seed: int) -> None:
        self.most_open = 0
        self._open = 0
        self._rng = random.Random(seed)

    async def complete(self, request: ChatRequest) -> ChatReply:
        self._open += 1
        self.most_open = max(self.most_open, self._open)
        await asyncio.sleep(self._rng.random() / 50)
        self._open -= 1
        provenance = Provenance(model="t", prompt_version=request.prompt_version, call_id=str(request.index))
        return ChatReply(text=fresh(request), thinking=None, finish_reason="stop", provenance=provenance)


async def test_the_result_does_not_depend_on_how_long_each_request_takes(seeds: list[Sample]) -> None:
    runs = [await outcomes(SelfInstruct(teacher=SlowModel(n), count=60, window=5), seeds) for n in range(3)]
    assert runs[0] == runs[1] == runs[2]
    assert any(set(o.seed.parents) - {s.id for s in seeds} for o in runs[0] if isinstance(o, Sample))


async def test_no_more_requests_are_open_than_the_window_allows(seeds: list[Sample]) -> None:
    model = SlowModel(0)
    await outcomes(SelfInstruct(teacher=model, count=60, window=5), seeds)
    assert model.most_open == 5


async def test_no_request_is_made_that_the_count_does_not_need(scripted: Scripted, seeds: list[Sample]) -> None:
    asked: list[int] = []

    def answer(request: ChatRequest) -> str:
        asked.append(request.index)
        return fresh(request)

    await outcomes(SelfInstruct(teacher=scripted("t", answer), count=12), seeds)
    assert len(asked) == 3


async def test_another_seed_draws_other_exemplars(scripted: Scripted, seeds: list[Sample]) -> None:
    one, two = [await outcomes(SelfInstruct(teacher=scripted("t", fresh), count=4, seed=s), seeds) for s in (1, 2)]
    assert [o.seed.parents for o in one if isinstance(o, Sample)] != [
        o.seed.parents for o in two if isinstance(o, Sample)
    ]


async def test_a_spent_budget_ends_it_after_the_requests_in_flight_have_come_back(
    scripted: Scripted, seeds: list[Sample]
) -> None:
    finished: list[int] = []

    def answer(request: ChatRequest) -> str:
        if request.index == 0:
            raise BudgetError("5 USD are spent")
        finished.append(request.index)
        return fresh(request)

    with pytest.raises(BudgetError):
        await outcomes(SelfInstruct(teacher=scripted("t", answer), count=40, window=4), seeds)
    assert sorted(finished) == [1, 2, 3]


async def test_long_conversations_and_long_texts_are_no_exemplars(
    scripted: Scripted, make_sample: MakeSample, seeds: list[Sample]
) -> None:
    long = make_sample("Summarise this story. " + "It went on and on. " * 200, index=8)
    asked: list[str] = []

    def answer(request: ChatRequest) -> str:
        asked.append(request.messages[-1].content)
        return fresh(request)

    await outcomes(SelfInstruct(teacher=scripted("t", answer), count=20), [*seeds, long])
    assert not any("It went on" in text for text in asked)


async def test_from_no_seeds_nothing_is_made(scripted: Scripted) -> None:
    assert await outcomes(SelfInstruct(teacher=scripted("t", fresh), count=4), []) == []
