"""The stages on the simulator: what they call better is better, as far as its truth goes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from preflect.adapters.chat_wire import request_body
from preflect.ports import ChatReply, ChatRequest, Dropped, Stage
from preflect.schemas import Instruction, Provenance, Rejection, Sample
from preflect.scoring.truth import Truth, TruthSummary, read_truth, summarise
from preflect.sim.options import SimOptions
from preflect.sim.simulator import Simulator
from preflect.sim.tasks_file import world_tasks
from preflect.stages.grade import Grade
from preflect.stages.judge_aspects import JudgeAspects
from preflect.stages.pair import Pair
from preflect.stages.reflect_instruction import ReflectInstruction
from preflect.stages.reflect_response import ReflectResponse
from preflect.stages.respond import Respond

SAMPLES = 300


@dataclass(slots=True)
class InProcess:
    """The simulator as a chat model, without a network between."""

    simulator: Simulator
    name: str = "sim"
    max_tokens_if_truncated: int | None = None
    records: list[bytes] = field(default_factory=list[bytes])

    async def complete(self, request: ChatRequest) -> ChatReply:
        body = request_body("sim", "json_schema", request, request.sampling, frozenset())
        [choice] = self.simulator.reply(body).choices
        self.records.extend(choice.lines())
        provenance = Provenance(model="sim", prompt_version=request.prompt_version, call_id="-")
        return ChatReply(text=choice.text, thinking=None, finish_reason=choice.finish_reason, provenance=provenance)


def world_samples() -> list[Sample]:
    samples: list[Sample] = []
    for index, row in enumerate(world_tasks(seed=5, count=SAMPLES)):
        fields = {name: row[name] for name in ("reference_answer", "grader") if name in row}
        turns = [{"role": "user", "content": row["instruction"]}]
        instruction = Instruction.model_validate_json(json.dumps({"messages": turns, **fields}))
        samples.append(Sample(id=instruction.id, index=index, instructions=(instruction,)))
    return samples


async def run(stages: Sequence[Stage], sample: Sample) -> Sample:
    """The sample as far as it comes, be it rejected in the end."""
    for stage in stages:
        result = await stage.run(sample)
        if isinstance(result, Rejection):
            break
        sample = result.sample if isinstance(result, Dropped) else result
    return sample


async def summary_of(model: InProcess, *stages: Stage) -> TruthSummary:
    done = [await run(stages, sample) for sample in world_samples()]
    truth: Truth = read_truth(model.records)
    return summarise(truth, done)


@pytest.fixture
def model() -> InProcess:
    return InProcess(Simulator(SimOptions()))


async def test_with_graders_chosen_is_truly_better_almost_always(model: InProcess) -> None:
    summary = await summary_of(
        model,
        Respond(models=(model,), samples=2),
        ReflectResponse(teacher=model),
        JudgeAspects(judge=model),
        Grade(),
        Pair(min_margin=1.0),
    )
    assert summary.chosen_better > SAMPLES / 4
    assert summary.chosen_better_share is not None
    assert summary.chosen_better_share >= 0.95
    assert summary.repaired_share == pytest.approx(0.85, abs=0.1)
    assert summary.broken_share == pytest.approx(0.04, abs=0.04)
    assert summary.unknown_share == 0


async def test_with_the_judge_alone_chosen_is_truly_better_in_most_pairs(model: InProcess) -> None:
    summary = await summary_of(
        model, Respond(models=(model,), samples=3), JudgeAspects(judge=model), Pair(min_margin=1.0)
    )
    assert summary.chosen_better > SAMPLES / 4
    assert summary.chosen_better_share is not None
    assert summary.chosen_better_share >= 0.85
    assert summary.judge_accuracy is not None
    assert 0.9 < summary.judge_accuracy < 1


async def test_everything_written_after_an_instruction_is_renewed_is_known_as_well(model: InProcess) -> None:
    summary = await summary_of(
        model, Respond(models=(model,)), ReflectInstruction(teacher=model), ReflectResponse(teacher=model)
    )
    assert summary.responses > 2 * SAMPLES
    assert summary.unknown_share == 0
