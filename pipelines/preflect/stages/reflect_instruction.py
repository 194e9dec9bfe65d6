"""The teacher criticises the instruction with its response, and writes a better instruction and its response."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from preflect.grading import same_text
from preflect.ports import ChatModel
from preflect.prompts import PromptTemplate, load_prompt
from preflect.schemas import Critique, Instruction, Message, Rejection, Response, Sample, Sampling
from preflect.stages.asking import Answer, reflect


@dataclass(frozen=True, slots=True, kw_only=True)
class ReflectInstruction:
    """Adds a critique, a rewritten instruction and its response; an unusable reply leaves the sample as it was.

    The rewrite stands on its own: of the conversation only the system turn is kept. What was known of the original's
    right answer (reference, grader) isn't carried over, since the rewrite asks for something else.
    """

    teacher: ChatModel
    temperature: float | None = None
    max_tokens: int | None = None
    name: str = "reflect_instruction"
    prompt: PromptTemplate = field(default_factory=partial(load_prompt, "reflect_instruction"))

    async def run(self, sample: Sample) -> Sample | Rejection:
        """The sample with what the teacher wrote. Raises: CallError, StoppedError."""
        sampling = Sampling(temperature=self.temperature, max_tokens=self.max_tokens)
        return await reflect(sample, self.teacher, self.prompt, sampling, stage=self.name, then=_with_both)


def _with_both(sample: Sample, draft: Response, answer: Answer) -> Sample:
    return _with_rewrite(_with_critique(sample, answer), draft, answer)


def _with_critique(sample: Sample, answer: Answer) -> Sample:
    critique = Critique(
        target_id=sample.instruction.id,
        kind="instruction",
        text=answer.parts["critique"],
        provenance=answer.reply.provenance,
    )
    return sample.evolve(critiques=(*sample.critiques, critique))


def _with_rewrite(sample: Sample, draft: Response, answer: Answer) -> Sample:
    original, text = sample.instruction, answer.parts["instruction"]
    if same_text(text, original.merged) or same_text(text, original.text):
        return sample
    rewrite = Instruction(
        messages=(
            *(message for message in original.messages if message.role == "system"),
            Message(role="user", content=text),
        ),
        origin="rewrite",
        parents=(original.id,),
        provenance=answer.reply.provenance,
    )
    response = Response(
        instruction_id=rewrite.id,
        text=answer.parts["response"],
        origin="rewrite",
        parents=(draft.id,),
        finish_reason=answer.reply.finish_reason,
        provenance=answer.reply.provenance,
    )
    return sample.evolve(instructions=(*sample.instructions, rewrite), responses=(*sample.responses, response))
