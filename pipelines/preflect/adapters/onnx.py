"""The student without torch: a causal language model that `preflect student export` wrote, in `onnxruntime`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from preflect.adapters.device_pool import DevicePool
from preflect.adapters.onnx_folder import ExportCard, read_card, read_tokenizer
from preflect.adapters.parts import see_that_parts_are_there
from preflect.adapters.scoring_service import ScoringService
from preflect.adapters.student_check import check_tokenizer
from preflect.adapters.tokenizer import HubTokenizer
from preflect.errors import InputError
from preflect.ports import NllPair, ScoreQuery
from preflect.schemas import OnnxStudent
from preflect.scoring.sequences import Layout, longest, revision_at
from preflect.scoring.spans import Pass

if TYPE_CHECKING:
    from preflect.adapters.onnx_lm import OnnxLm

_TOLERANCE: Final = 1e-3


class OnnxScorer:
    """Implements `preflect.ports.Student`, with the name, the revision and the scores of the model exported."""

    def __init__(self, spec: OnnxStudent) -> None:
        """Load the export and check it once.

        Raises: MissingPartError: onnxruntime or tokenizers is not installed; InputError: `model` is no export or a
        damaged one, has no chat template where one is wanted, or is too short for `max_length`.
        """
        card, tokenizer, layout = _read(spec)
        from preflect.adapters.onnx_lm import OnnxLm  # noqa: PLC0415  # an extra

        lm = OnnxLm(card.model, Path(spec.model), budget=spec.batch_tokens)
        _check(spec, card, tokenizer, lm)
        self.name: Final = card.model
        usual = longest(card.model, spec.template, None, card.positions)
        self.revision: Final = revision_at(card.revision, layout.max_length, usual=usual)
        self.template: Final[str] = spec.template
        self.noise: Final = 0.0
        self._service = ScoringService(layout.passes, DevicePool([lm]), window_tokens=lm.budget)

    async def score(self, query: ScoreQuery) -> NllPair:
        """Score one pair. Raises: RunError: no memory is left for it."""
        return await self._service.score(query)


def check_onnx(spec: OnnxStudent) -> None:
    """See all that can be seen of a student without its weights, so that what is wrong is found before a run begins.

    Raises: MissingPartError and InputError as `OnnxScorer` does.
    """
    _read(spec)


def _read(spec: OnnxStudent) -> tuple[ExportCard, HubTokenizer, Layout]:
    see_that_parts_are_there(
        "a student of kind onnx needs onnxruntime and tokenizers", ("onnxruntime", "tokenizers"), "onnx"
    )
    card = read_card(Path(spec.model))
    tokenizer = read_tokenizer(Path(spec.model), card)
    layout = Layout(
        encoder=tokenizer,
        template=spec.template,
        max_length=longest(card.model, spec.template, spec.max_length, card.positions),
        known_ids=card.embeddings,
    )
    check_tokenizer(card.model, tokenizer, card.embeddings)
    if spec.template == "chat":
        tokenizer.check_chat_template()
    return card, tokenizer, layout


def _check(spec: OnnxStudent, card: ExportCard, tokenizer: HubTokenizer, lm: OnnxLm) -> None:
    """Hold what comes out here against what the model itself had, all texts in one batch."""
    texts = tokenizer.encode([one.text for one in card.check])
    costs = lm.mean_nlls([Pass((*tokenizer.leading, *ids), 1) for ids in texts])
    for one, cost in zip(card.check, costs, strict=True):
        # Written so that a NaN fails too.
        if not abs(cost - one.nats) <= _TOLERANCE:
            raise InputError(
                f"student {card.model!r} in {spec.model!r}: a text costs {cost:.4f} nats per token and cost "
                f"{one.nats:.4f} when it was exported, so its files are damaged or changed; export it again"
            )
