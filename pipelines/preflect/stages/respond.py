"""Answers each instruction with one or several models."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from preflect.errors import CallError
from preflect.ports import ChatModel, ChatReply, ChatRequest
from preflect.schemas import Rejection, Response, Sample, Sampling
from preflect.stages.asking import all_of, complete_whole, rejection_of, sampling_seed
from preflect.stages.reply_checks import check_answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Respond:
    """Each model answers the instruction that goes on, `samples` times; unusable answers are lost candidates."""

    models: tuple[ChatModel, ...]
    samples: int = 1
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int = 0
    """The recipe's seed; each answer's own sampling seed follows from it."""
    name: str = "respond"

    async def run(self, sample: Sample) -> Sample | Rejection:
        """The sample with the answers of all models, in the order of the models; without any answer, its rejection."""
        asked = [(model, index) for model in self.models for index in range(self.samples)]
        results = await all_of(self._candidate(sample, model, index) for model, index in asked)
        answers = [result for result in results if isinstance(result, Response)]
        lost = [result for result in results if isinstance(result, Rejection)]
        if not answers and not sample.responses_to(sample.instruction.id):
            return _all_lost(lost)
        return sample.evolve(
            responses=(*sample.responses, *answers),
            rejections=(*sample.rejections, *lost),
        )

    async def _candidate(self, sample: Sample, model: ChatModel, index: int) -> Response | Rejection:
        try:
            reply, _ = await complete_whole(model, self._request(sample, model, index))
            check_answer(reply.text, reply.finish_reason)
        except CallError as error:
            return rejection_of(error, sample, self.name)
        return _response(sample, reply, index)

    def _request(self, sample: Sample, model: ChatModel, index: int) -> ChatRequest:
        return ChatRequest(
            messages=sample.instruction.prompt,
            prompt_version="verbatim",
            stage=self.name,
            sample_id=sample.id,
            sampling=Sampling(
                temperature=self.temperature,
                top_p=self.top_p,
                max_tokens=self.max_tokens,
                seed=sampling_seed(self.seed, sample.id, model.name, index),
            ),
            index=index,
        )


def _all_lost(lost: list[Rejection]) -> Rejection:
    if len(lost) == 1:
        return lost[0]
    counts = Counter(rejection.reason for rejection in lost).most_common()
    commonest = next(rejection for rejection in lost if rejection.reason == counts[0][0])
    reasons = ", ".join(f"{count} {reason}" for reason, count in counts)
    return commonest.evolve(detail=f"none of {len(lost)} answers is usable ({reasons}): {commonest.detail}")


def _response(sample: Sample, reply: ChatReply, index: int) -> Response:
    return Response(
        instruction_id=sample.instruction.id,
        text=reply.text.strip(),
        thinking=reply.thinking,
        index=index,
        finish_reason=reply.finish_reason,
        provenance=reply.provenance,
    )
