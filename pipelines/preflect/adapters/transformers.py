"""The real student: a causal language model on this machine, through the `transformers` library."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from preflect.adapters.device_pool import DevicePool
from preflect.adapters.parts import see_that_parts_are_there
from preflect.adapters.scoring_service import ScoringService
from preflect.adapters.student_check import check_tokenizer
from preflect.adapters.tokenizer import load_tokenizer
from preflect.errors import InputError
from preflect.ports import MadeBy, NllPair, ScoreQuery
from preflect.schemas import TransformersStudent
from preflect.scoring.sequences import Layout, longest, revision_at

if TYPE_CHECKING:
    from preflect.adapters.causal_lm import CausalLm

_log = logging.getLogger(__name__)


class TransformersScorer:
    """Implements `preflect.ports.Student`: questions that come together are computed together, on every device."""

    def __init__(self, spec: TransformersStudent) -> None:
        """Load the model and check it once.

        Raises: MissingPartError: torch or transformers is not installed; InputError: the model cannot be loaded, has no
        chat template where one is wanted, is too short for `max_length`, or fails the check of `check_causal_lm`.
        """
        self._spec = spec
        lms, self._layout = _loaded(spec)
        made_by = _made_by(spec, spec.revision or lms[0].fingerprint(), lms[0], self._layout)
        self.name: Final = made_by[0]
        self.revision: Final = made_by[1]
        self.template: Final = made_by[2]
        self.noise: Final = 0.0 if spec.dtype == "float32" else spec.rescore_band
        self._usual = _service(self._layout, lms)
        self._exact: ScoringService | None = None
        self._loading = threading.Lock()

    async def score(self, query: ScoreQuery) -> NllPair:
        """Score one pair, in float32 where `query.exact` wants it. Raises: RunError: no memory is left for it."""
        exact = query.exact and self.noise > 0
        service = await asyncio.to_thread(self._exactly) if exact else self._usual
        return await service.score(query)

    def _exactly(self) -> ScoringService:
        """The same model in float32, loaded when it is first needed; the usual one where there is no room for it."""
        with self._loading:
            if self._exact is None:
                self._exact = self._loaded_exactly()
            return self._exact

    def _loaded_exactly(self) -> ScoringService:
        try:
            lms, layout = _loaded(self._spec.model_copy(update={"dtype": "float32"}))
        except InputError as error:
            _log.warning("scores too close to tell apart stay as they are in %s: %s", self._spec.dtype, error)
            return self._usual
        return _service(layout, lms)


def check_transformers(spec: TransformersStudent) -> MadeBy | None:
    """See all that can be seen of a student without its weights, so that what is wrong is found before a run begins.

    Returns: what tells its scores from others; None where only its weights will tell.
    Raises: MissingPartError and InputError as `TransformersScorer` does.
    """
    lms, layout = _loaded(spec, weights=False)
    return _made_by(spec, spec.revision, lms[0], layout) if spec.revision else None


def _loaded(spec: TransformersStudent, *, weights: bool = True) -> tuple[list[CausalLm], Layout]:
    """The model on its devices and how its texts are laid out, checked as far as they are there."""
    need = "a student of kind transformers needs torch and transformers"
    see_that_parts_are_there(need, ("torch", "transformers", "safetensors"), "student")
    from preflect.adapters.causal_lm_check import check_causal_lm  # noqa: PLC0415  # heavy
    from preflect.adapters.causal_lm_loading import load_causal_lms  # noqa: PLC0415

    lms = load_causal_lms(spec, weights=weights)
    tokenizer = load_tokenizer(spec.model, spec.revision)
    layout = Layout(
        encoder=tokenizer,
        template=spec.template,
        max_length=longest(spec.model, spec.template, spec.max_length, lms[0].positions),
        known_ids=lms[0].embeddings,
    )
    for lm in lms:
        if weights:
            check_causal_lm(lm, tokenizer)
        else:
            check_tokenizer(lm.name, tokenizer, lm.embeddings)
    if spec.template == "chat":
        tokenizer.check_chat_template()
    return lms, layout


def _service(layout: Layout, lms: Sequence[CausalLm]) -> ScoringService:
    window = sum(lm.budget * lm.lanes for lm in lms)
    return ScoringService(layout.passes, DevicePool(lms), window_tokens=window)


def public_name(model: str) -> str:
    """What a model is called in results: its name on the Hub, or its folder's without the way there."""
    # A folder's path says more about somebody's machine than about the model.
    folder = Path(model)
    return folder.resolve().name if folder.is_dir() else model


def _made_by(spec: TransformersStudent, revision: str, lm: CausalLm, layout: Layout) -> MadeBy:
    precise = revision if spec.dtype == "float32" else f"{revision}+{spec.dtype}"
    usual = longest(spec.model, spec.template, None, lm.positions)
    return public_name(spec.model), revision_at(precise, layout.max_length, usual=usual), spec.template
