"""The embedded student: a lexical proxy without weights, for machines without a GPU and for the simulated runs."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Final

from preflect.errors import UnscorableError
from preflect.ports import NllPair, ScoreQuery
from preflect.schemas import PpmStudent
from preflect.scoring.ifd import no_score
from preflect.scoring.ppm import ByteModel
from preflect.scoring.sequences import revision_at
from preflect.scoring.spans import scored_length
from preflect.scoring.templates import TEMPLATES, prompt_and_target

_REMEMBERED: Final = 1024
"""Computations kept, because the pairs of one sample share their bare texts."""


class PpmScorer:
    """Implements `preflect.ports.Student` with an adaptive byte n-gram model; a token is a byte.

    It knows words by their letters only: a response that repeats words of its instruction scores low, whatever it
    says. That tells matched from unrelated pairs, and misses those that share a meaning but no words.
    """

    def __init__(self, spec: PpmStudent) -> None:
        model = ByteModel(spec.order)
        self.name: Final = "ppm"
        self.revision: Final = revision_at(model.revision, spec.max_length, usual=PpmStudent().max_length)
        self.template: Final[str] = spec.template
        self.noise: Final = 0.0
        self._max_length = spec.max_length
        self._nll = lru_cache(maxsize=_REMEMBERED)(model.nll)
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ppm")

    async def score(self, query: ScoreQuery) -> NllPair:
        """Score one pair in this student's own thread."""
        return await asyncio.get_running_loop().run_in_executor(self._worker, self._pair, query)

    def _pair(self, query: ScoreQuery) -> NllPair:
        try:
            prompt, target = prompt_and_target(query, TEMPLATES[self.template])
            prefix, scored = prompt.encode(), target.encode()
            length = scored_length(len(scored), self._max_length - len(prefix))
        except UnscorableError as error:
            return no_score(error.reason)
        return self._nll_pair(prefix, scored[:length])

    def _nll_pair(self, prefix: bytes, target: bytes) -> NllPair:
        return NllPair(
            conditioned=self._nll(prefix, target),
            unconditioned=self._nll(b"", target),
            conditioned_tokens=len(target),
            unconditioned_tokens=len(target),
        )
