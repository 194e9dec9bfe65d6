"""New instructions from the seeds, each unlike all that is there already."""

from __future__ import annotations

import asyncio
import logging
import math
import random
import re
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from preflect.errors import CallError, StoppedError
from preflect.ports import ChatModel, ChatRequest
from preflect.prompts import PromptTemplate, load_prompt
from preflect.schemas import Instruction, Message, Rejection, Sample, Sampling, content_id
from preflect.scoring.near_duplicates import NearDuplicates
from preflect.stages.asking import Answer, ask, request_for, sampling_seed
from preflect.stages.instruction_checks import find_flaw

_LOG: Final = logging.getLogger(__name__)
_NUMBERING: Final = re.compile(r"^(?:\d+[.)]\s+|[-*•]\s+)?(?:(?:new\s+)?instruction(?:\s+\d+)?\s*:\s*)?", re.IGNORECASE)
_LONGEST_EXEMPLAR: Final = 2000
"""In characters: a few long texts would fill the whole request."""
_MADE_SHARE: Final = 4
"""One exemplar in so many may be an instruction made before; the rest are seeds, which keeps the set near to them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfInstruct:
    """Asks for new instructions until `count` are accepted, or `max_calls` requests are spent.

    Source: Wang et al. 2023 (Self-Instruct): a few exemplars in each request, near-duplicates refused by ROUGE-L.
    Which requests are made, and in what order their replies are read, doesn't depend on how long each takes.
    """

    teacher: ChatModel
    count: int
    exemplars: int = 6
    per_call: int = 4
    max_similarity: float = 0.7
    keep_seeds: bool = True
    max_calls: int | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    seed: int = 0
    """The recipe's seed, from which the exemplars are drawn."""
    window: int = 8
    """Requests in flight at most; each knows what was accepted when it was made."""
    name: str = "self_instruct"
    prompt: PromptTemplate = field(default_factory=partial(load_prompt, "self_instruct"))

    async def run_all(self, samples: Iterable[Sample]) -> AsyncIterator[Sample | Rejection]:
        """The seeds, then the new samples and the instructions that were refused, in the order they were made.

        Raises: StoppedError, after the requests in flight have come back.
        """
        seeds = list(samples)
        for seed in seeds:
            yield seed if self.keep_seeds else seed.reject(self.name, "filter", "not_selected", "keep_seeds is false")
        if not seeds:
            return
        growth = _Growth(self, seeds)
        async with aclosing(self._answers(growth)) as answers:
            async for asked, answer in answers:
                for outcome in growth.take(asked, answer):
                    yield outcome
        if len(growth.made) < self.count:
            _LOG.warning(
                "%s: %d of %d new instructions accepted after %d requests; raise max_calls or max_similarity for more",
                self.name,
                len(growth.made),
                self.count,
                growth.asked,
            )

    @property
    def call_limit(self) -> int:
        """Requests at most."""
        return self.max_calls or 10 * math.ceil(self.count / self.per_call)

    async def _answers(self, growth: _Growth) -> AsyncGenerator[tuple[_Asked, Answer | CallError]]:
        flying: deque[tuple[_Asked, asyncio.Task[Answer | CallError]]] = deque()
        try:
            while True:
                while self._wants_more(growth, len(flying)):
                    asked = growth.ask_next()
                    flying.append((asked, asyncio.create_task(self._answer(asked.request))))
                if not flying:
                    return
                asked, task = flying.popleft()
                yield asked, await task
        except StoppedError:
            await asyncio.gather(*(task for _, task in flying), return_exceptions=True)
            raise
        finally:
            for _, task in flying:
                task.cancel()

    def _wants_more(self, growth: _Growth, flying: int) -> bool:
        # Nothing here depends on time: what is accepted changes only as replies are read, in order.
        expected = len(growth.made) + flying * self.per_call
        return flying < self.window and expected < self.count and growth.asked < self.call_limit

    async def _answer(self, request: ChatRequest) -> Answer | CallError:
        try:
            return await ask(self.teacher, request)
        except CallError as error:
            return error


@dataclass(frozen=True, slots=True)
class _Asked:
    """One request and the exemplars in it."""

    request: ChatRequest
    exemplars: tuple[Instruction, ...]


class _Growth:
    """What is there so far: seeds, accepted instructions, and the requests made for more."""

    def __init__(self, stage: SelfInstruct, seeds: Sequence[Sample]) -> None:
        self.asked = 0
        self.made: list[Sample] = []
        self._stage = stage
        self._seeds = _showable([seed.instruction for seed in seeds])
        self._kept = NearDuplicates(stage.max_similarity)
        self._next_index = max(seed.index for seed in seeds) + 1
        for seed in seeds:
            self._kept.add(seed.id, seed.instruction.merged)

    def ask_next(self) -> _Asked:
        """The next request, with exemplars drawn from what is there now."""
        stage, exemplars = self._stage, self._draw()
        request = request_for(
            stage.prompt,
            {"exemplars": [exemplar.merged for exemplar in exemplars], "count": stage.per_call},
            stage=stage.name,
            sample_id=content_id([stage.name, self.asked, *(exemplar.id for exemplar in exemplars)]),
            sampling=Sampling(
                temperature=stage.temperature,
                max_tokens=stage.max_tokens,
                seed=sampling_seed(stage.seed, stage.name, self.asked),
            ),
            index=self.asked,
        )
        self.asked += 1
        return _Asked(request, exemplars)

    def take(self, asked: _Asked, answer: Answer | CallError) -> Iterator[Sample | Rejection]:
        """What becomes of each instruction in a reply."""
        if isinstance(answer, CallError):
            yield Rejection(
                sample_id=asked.request.sample_id,
                stage=self._stage.name,
                cause=answer.cause,
                reason=answer.reason,
                detail=answer.detail,
            )
            return
        for text in answer.parts["instructions"][: self._stage.per_call]:
            yield self._judge(asked, answer, _NUMBERING.sub("", text).strip())

    def _judge(self, asked: _Asked, answer: Answer, text: str) -> Sample | Rejection:
        instruction = Instruction(
            messages=(Message(role="user", content=text),),
            origin="self_instruct",
            parents=tuple(exemplar.id for exemplar in asked.exemplars),
            provenance=answer.reply.provenance,
        )
        refusal = self._refusal(text)
        if refusal is not None:
            reason, detail = refusal
            return Rejection(
                sample_id=instruction.id, stage=self._stage.name, cause="filter", reason=reason, detail=detail
            )
        return self._accept(instruction)

    def _refusal(self, text: str) -> tuple[str, str] | None:
        stage = self._stage
        if len(self.made) == stage.count:
            return "not_selected", f"{stage.count} were accepted already"
        flaw = find_flaw(text, f"{stage.prompt.system}\n{stage.prompt.user}")
        if flaw is not None:
            return flaw.reason, f"{flaw.detail}: {text[:120]!r}"
        nearest = self._kept.nearest(text)
        if nearest is not None:
            return "near_duplicate", f"ROUGE-L {nearest[0]:.2f} with {nearest[1]}: {text[:120]!r}"
        return None

    def _accept(self, instruction: Instruction) -> Sample:
        sample = Sample(
            id=instruction.id,
            index=self._next_index,
            source="self_instruct",
            instructions=(instruction,),
        )
        self._next_index += 1
        self._kept.add(sample.id, instruction.merged)
        self.made.append(sample)
        return sample

    def _draw(self) -> tuple[Instruction, ...]:
        stage = self._stage
        rng = random.Random(f"{stage.seed}:{stage.name}:{self.asked}")  # noqa: S311 - to be repeatable, not secret
        from_made = min(stage.exemplars // _MADE_SHARE, len(self.made))
        made = [sample.seed for sample in rng.sample(self.made, from_made)]
        seeds = rng.sample(self._seeds, min(stage.exemplars - from_made, len(self._seeds)))
        return (*seeds, *made)


def _showable(instructions: Sequence[Instruction]) -> list[Instruction]:
    # The last turn of a longer conversation doesn't stand on its own.
    short = [
        instruction
        for instruction in instructions
        if len(instruction.merged) <= _LONGEST_EXEMPLAR
        and all(message.role == "system" for message in instruction.messages[:-1])
    ]
    return short or list(instructions)
