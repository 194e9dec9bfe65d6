"""The real student: a causal language model on this machine, through the `transformers` library."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Final

from preflect.adapters.causal_lm import CausalLm, load_causal_lm
from preflect.adapters.causal_lm_check import check_causal_lm, check_tokenizer
from preflect.errors import InputError, UnscorableError
from preflect.ports import NllPair, ScoreQuery
from preflect.schemas import TransformersStudent
from preflect.scoring.ifd import no_score
from preflect.scoring.spans import Pass, passes_after_bos, passes_without_bos
from preflect.scoring.templates import TEMPLATES, PromptTemplate, prompt_and_target

_REMEMBERED: Final = 1024
_GPT2_LENGTH: Final = 1024
_LENGTH: Final = 2048


class TransformersScorer:
    """Implements `preflect.ports.Student`: each text alone in its batch, no padding, likelihoods in float32."""

    def __init__(self, spec: TransformersStudent) -> None:
        """Load the model and check it once.

        Raises: MissingPartError: torch or transformers is not installed; InputError: the model cannot be loaded, has no
        chat template where one is wanted, is too short for `max_length`, or fails the check of `check_causal_lm`.
        """
        self._lm: Final = load_causal_lm(spec)
        self.name: Final = _public_name(spec.model)
        self.revision: Final = _revision(spec, self._lm)
        self.template: Final[str] = spec.template
        self._max_length: Final = _max_length(spec, self._lm)
        self._mean_nll = lru_cache(maxsize=_REMEMBERED)(self._lm.mean_nll)
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="student")
        check_causal_lm(self._lm, spec.model, half_precision=spec.dtype != "float32")
        if spec.template == "chat":
            self._lm.chat_prompt("Hello.", None)

    async def score(self, query: ScoreQuery) -> NllPair:
        """Score one pair in this student's own thread. Raises: RunError: the device has no memory left for it."""
        return await asyncio.get_running_loop().run_in_executor(self._worker, self._pair, query)

    def _pair(self, query: ScoreQuery) -> NllPair:
        try:
            conditioned, unconditioned = self._passes(query)
            return NllPair(
                conditioned=self._mean_nll(conditioned),
                unconditioned=self._mean_nll(unconditioned),
                conditioned_tokens=conditioned.tokens,
                unconditioned_tokens=unconditioned.tokens,
            )
        except UnscorableError as error:
            return no_score(error.reason)

    def _passes(self, query: ScoreQuery) -> tuple[Pass, Pass]:
        chat = self.template == "chat"
        prompt, target = prompt_and_target(query, self._prompt_template(query))
        encode, leading = self._lm.encode, self._lm.leading
        # A chat template writes the beginning-of-sequence token itself, where its model wants one.
        start = () if chat else leading
        prefix, joint = (*start, *encode(prompt)), (*start, *encode(prompt + target))
        alone = (*leading, *encode(target))
        if leading:
            return passes_after_bos(prefix, joint, alone, bos=len(leading), max_length=self._max_length)
        return passes_without_bos(prefix, joint, alone, max_length=self._max_length)

    def _prompt_template(self, query: ScoreQuery) -> PromptTemplate:
        if self.template != "chat":
            return TEMPLATES[self.template]
        messages = query.messages
        # The reverse question is one turn whatever the conversation was.
        if query.direction == "reverse" or messages is None:
            return self._lm.chat_prompt
        return lambda _instruction, _input: self._lm.chat_turns(messages)


def check_transformers(spec: TransformersStudent) -> None:
    """See all that can be seen of a student without its weights, so that what is wrong is found before a run begins.

    Raises: MissingPartError and InputError as `TransformersScorer` does.
    """
    lm = load_causal_lm(spec, weights=False)
    _max_length(spec, lm)
    check_tokenizer(lm, spec.model)
    if spec.template == "chat":
        lm.chat_prompt("Hello.", None)


def _public_name(model: str) -> str:
    # A folder's path says more about somebody's machine than about the model.
    folder = Path(model)
    return folder.resolve().name if folder.is_dir() else model


def _revision(spec: TransformersStudent, lm: CausalLm) -> str:
    revision = spec.revision or lm.fingerprint()
    return revision if spec.dtype == "float32" else f"{revision}+{spec.dtype}"


def _max_length(spec: TransformersStudent, lm: CausalLm) -> int:
    usual = _GPT2_LENGTH if spec.template == "gpt2" else _LENGTH
    if lm.positions is None:
        return spec.max_length or usual
    if spec.max_length and spec.max_length > lm.positions:
        raise InputError(
            f"max_length {spec.max_length} is more than the {lm.positions} positions of student {spec.model!r}; "
            f"set it to {lm.positions} or less, or leave it out"
        )
    return spec.max_length or min(usual, lm.positions)
