"""A judge rates every response to the instruction from 1 to 5, aspect by aspect."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from preflect.errors import ReplyError
from preflect.ports import ChatModel, ChatRequest
from preflect.prompts import PromptTemplate, load_prompt
from preflect.schemas import Rating, Rejection, Response, Sample, Sampling
from preflect.stages.asking import Answer, ask, rejection_of, request_for, shown


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeAspects:
    """Adds a rating of each response on each aspect; where the reply is unusable, the sample goes on without.

    All responses to the instruction that goes on are shown in one call, so that they are rated by one measure. Their
    order is drawn from the sample's id: judges favour the place in which they read an answer (Wang et al. 2023).
    """

    judge: ChatModel
    aspects: tuple[str, ...] = ("instruction_following", "honesty", "truthfulness", "helpfulness")
    temperature: float | None = None
    max_tokens: int | None = None
    name: str = "judge_aspects"
    prompt: PromptTemplate = field(default_factory=partial(load_prompt, "judge_aspects"))

    async def run(self, sample: Sample) -> Sample | Rejection:
        """The sample with the ratings. Raises: CallError, StoppedError."""
        order = list(sample.responses_to(sample.instruction.id))
        if not order:
            return sample.reject(self.name, "filter", "no_response", "there is no response to judge")
        random.Random(sample.id).shuffle(order)  # noqa: S311 - to be repeatable, not secret
        try:
            answer = await ask(self.judge, self._request(sample, order))
        except ReplyError as error:
            return sample.evolve(rejections=(*sample.rejections, rejection_of(error, sample, self.name)))
        return sample.evolve(ratings=(*sample.ratings, *self._ratings(order, answer)))

    def _request(self, sample: Sample, order: Sequence[Response]) -> ChatRequest:
        return request_for(
            self.prompt,
            {
                **shown(sample.instruction),
                "responses": [response.text for response in order],
                "aspects": self.aspects,
            },
            stage=self.name,
            sample_id=sample.id,
            sampling=Sampling(temperature=self.temperature, max_tokens=self.max_tokens),
            json_schema=aspects_schema(len(order), self.aspects),
        )

    def _ratings(self, order: Sequence[Response], answer: Answer) -> Iterator[Rating]:
        for place, response in enumerate(order, start=1):
            for aspect, said in answer.parts[f"response_{place}"].items():
                yield Rating(
                    response_id=response.id,
                    aspect=aspect,
                    score=said["score"],
                    rationale=said["rationale"],
                    judge=self.judge.name,
                    provenance=answer.reply.provenance,
                )


@cache
def aspects_schema(shown_answers: int, aspects: tuple[str, ...]) -> dict[str, Any]:
    """The JSON schema of the ratings of so many answers: an object per answer, in it one per aspect."""
    # The rationale stands before the score, so that the score follows from it; an enum because endpoints that enforce a
    # schema know it, while many don't know bounds.
    rating = _object(
        {
            "rationale": {"type": "string", "description": "One to three sentences on this answer and this aspect."},
            "score": {"type": "integer", "enum": [1, 2, 3, 4, 5]},
        }
    )
    answer = _object(dict.fromkeys(aspects, rating))
    return _object({f"response_{place}": answer for place in range(1, shown_answers + 1)})


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
