"""The teacher criticises the response that goes on, and rewrites it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from preflect.ports import ChatModel
from preflect.prompts import PromptTemplate, load_prompt
from preflect.schemas import Critique, Rejection, Response, Sample, Sampling
from preflect.stages.asking import Answer, reflect


@dataclass(frozen=True, slots=True, kw_only=True)
class ReflectResponse:
    """Adds a critique of the response and a rewrite of it; where the reply is unusable, the sample goes on without.

    The teacher doesn't see the reference answer: a rewrite that copies it would prove nothing.
    """

    teacher: ChatModel
    temperature: float | None = None
    max_tokens: int | None = None
    name: str = "reflect_response"
    prompt: PromptTemplate = field(default_factory=partial(load_prompt, "reflect_response"))

    async def run(self, sample: Sample) -> Sample | Rejection:
        """The sample with what the teacher wrote. Raises: CallError, StoppedError."""
        sampling = Sampling(temperature=self.temperature, max_tokens=self.max_tokens)
        return await reflect(sample, self.teacher, self.prompt, sampling, stage=self.name, then=_with_rewrite)


def _with_rewrite(sample: Sample, draft: Response, answer: Answer) -> Sample:
    provenance = answer.reply.provenance
    critique = Critique(target_id=draft.id, kind="response", text=answer.parts["critique"], provenance=provenance)
    rewrite = Response(
        instruction_id=draft.instruction_id,
        text=answer.parts["response"],
        origin="rewrite",
        parents=(draft.id,),
        finish_reason=answer.reply.finish_reason,
        provenance=provenance,
    )
    return sample.evolve(
        critiques=(*sample.critiques, critique),
        responses=(*sample.responses, rewrite),
    )
