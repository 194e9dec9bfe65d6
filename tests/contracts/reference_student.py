"""A student word for word by its definitions, and slowly: one text at a time, one position at a time, in float64.

Nothing here comes from the code that is held to it: templates, spans and reasons are written down once more.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from jinja2 import TemplateError
from transformers import AutoModelForCausalLM, AutoTokenizer

from preflect.ports import ScoreQuery

BEFORE = "Below is the response to an instruction, please guess the corresponding instruction for the given response."
AFTER = "Generate the instruction for the above response."
TASK = "Below is an instruction that describes a task"
FULFIL = "Write a response that appropriately completes the request."
CHAT = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)


def vicuna(asked: str, given: str | None) -> str:
    return CHAT + " USER: " + asked + ("\nInput:\n" + given if given else "") + " ASSISTANT:"


def alpaca(asked: str, given: str | None) -> str:
    paired = ", paired with an input that provides further context" if given else ""
    parts = [f"{TASK}{paired}. {FULFIL}", f"### Instruction:\n{asked}"]
    return "\n\n".join([*parts, *([f"### Input:\n{given}"] if given else []), "### Response:"])


def wiz(asked: str, given: str | None) -> str:
    return "\n".join([asked, *([given] if given else []), "", "### Response:"])


def gpt2(asked: str, given: str | None) -> str:
    return "".join(part + "\n" for part in (asked, given) if part)


PROMPTS: dict[str, Callable[[str, str | None], str]] = {"vicuna": vicuna, "alpaca": alpaca, "wiz": wiz, "gpt2": gpt2}


@dataclass(frozen=True)
class Expected:
    """What a student has to answer: two mean losses over so many tokens, or a reason."""

    losses: tuple[float, float] | None = None
    tokens: tuple[int, int] = (0, 0)
    reason: str | None = None


def none(reason: str) -> Expected:
    return Expected(reason=f"unscorable:{reason}")


class ReferenceStudent:
    """The student of a folder."""

    def __init__(self, folder: Path, template: str, max_length: int) -> None:
        self.model = cast("Any", AutoModelForCausalLM).from_pretrained(folder).double().eval()
        self.tokenizer = cast("Any", AutoTokenizer).from_pretrained(folder)
        self.template = template
        self.max_length = max_length
        self.adds_bos = self.ids("a", special=True) != self.ids("a")

    def score(self, query: ScoreQuery) -> Expected:
        forward = query.direction == "forward"
        target = query.response if forward else query.instruction + (query.input or "")
        if not target.strip():
            return none("empty")
        try:
            (query.instruction + (query.input or "") + query.response).encode()
        except UnicodeEncodeError:
            return none("not_unicode")
        try:
            asked = query.instruction if forward else f"{BEFORE}\n{query.response}\n{AFTER}"
            prompt = self.prompt(asked, query.input if forward else None)
        except TemplateError:
            return none("chat_template")
        return self.texts(prompt, target)

    def prompt(self, asked: str, given: str | None) -> str:
        if self.template != "chat":
            return PROMPTS[self.template](asked, given)
        turn = {"role": "user", "content": asked + ("\n\n" + given if given else "")}
        return self.tokenizer.apply_chat_template([turn], tokenize=False, add_generation_prompt=True)

    def texts(self, prompt: str, target: str) -> Expected:
        # A chat template writes the first token itself.
        special = self.template != "chat"
        start = len(self.ids(prompt, special=special))
        joint = self.ids(prompt + target, special=special)
        # Fewer than two tokens that something predicts are no score.
        needed = 2 if self.adds_bos else 3
        if len(self.ids(target)) < needed:
            return none("one_token")
        if self.max_length - start < needed:
            return none("cut_away")
        if self.adds_bos:
            alone = self.ids(target, special=True)[: self.max_length - start + 1]
            return self.losses(joint[: self.max_length], start, alone, 1)
        return self.without_bos(joint, start, self.ids(target))

    def without_bos(self, joint: list[int], start: int, alone: list[int]) -> Expected:
        """The tokens that both texts end with: behind the prompt's, and not the first of the bare target."""
        shared = 0
        for there, here in zip(reversed(joint[start:]), reversed(alone[1:]), strict=False):
            if there != here:
                break
            shared += 1
        cut = max(0, len(joint) - self.max_length)
        return self.losses(
            joint[: len(joint) - cut], len(joint) - shared, alone[: len(alone) - cut], len(alone) - shared
        )

    def losses(self, joint: list[int], start: int, alone: list[int], first: int) -> Expected:
        if len(joint) - start < 2 or len(alone) - first < 2:
            return none("merged_with_prompt")
        if max(*joint, *alone) >= self.model.get_input_embeddings().num_embeddings:
            return none("unknown_token")
        losses = (self.mean_nll(joint, start), self.mean_nll(alone, first))
        return Expected(losses, (len(joint) - start, len(alone) - first))

    def mean_nll(self, ids: list[int], first: int) -> float:
        with torch.no_grad():
            rows = self.model(torch.tensor([ids])).logits[0].tolist()
        costs = [
            math.log(math.fsum(math.exp(logit) for logit in rows[place - 1])) - rows[place - 1][ids[place]]
            for place in range(first, len(ids))
        ]
        return math.fsum(costs) / len(costs)

    def ids(self, text: str, *, special: bool = False) -> list[int]:
        return self.tokenizer(text, add_special_tokens=special).input_ids
