"""What a student must show once, before its scores are believed.

A tokenizer that does not belong to its model gives likelihoods without any error, only worse than guessing.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Final

from preflect.adapters.causal_lm import CausalLm, token_costs
from preflect.errors import InputError

_log = logging.getLogger(__name__)

_PLAIN: Final = (
    "The train to the coast leaves at nine in the morning and arrives shortly before noon.",
    "Most people drink a glass of water when they are thirsty.",
)
_ABOVE_CHANCE: Final = 1.02
"""A loss in units of the loss of guessing: an untrained model is at 1, or a little above by the spread of its weights.

A trained one whose tokens mean something else to the tokenizer is sure of the wrong thing, and far above.
"""
_PADDING_TOLERANCE: Final = 1e-3
_PADDING_TOLERANCE_HALF: Final = 0.05


def check_causal_lm(lm: CausalLm, name: str, *, half_precision: bool) -> None:
    """Compare tokenizer and model on plain English.

    Raises: InputError: ids outside the embedding, ids that do not decode to the text, losses above those of guessing,
    or losses that depend on what follows a text.
    """
    texts = _texts(lm)
    check_tokenizer(lm, name)
    costs = [token_costs(lm.logits([ids])[0], ids, 1).mean().item() for ids in texts]
    _check_losses(lm, name, costs)
    _check_padding(lm, name, texts, costs, _PADDING_TOLERANCE_HALF if half_precision else _PADDING_TOLERANCE)


def check_tokenizer(lm: CausalLm, name: str) -> None:
    """What the tokenizer can show without the model's weights.

    Raises: InputError: ids outside the embedding, or ids that do not decode to the text.
    """
    _check_ids(lm, name)
    _check_round_trip(lm, name)


def _texts(lm: CausalLm) -> list[list[int]]:
    return [[*lm.leading, *lm.encode(text)] for text in _PLAIN]


def _check_ids(lm: CausalLm, name: str) -> None:
    highest = max(lm.tokenizer.vocab_size - 1, *(max(ids) for ids in _texts(lm)))
    if highest >= lm.embeddings:
        raise InputError(
            f"student {name!r}: its tokenizer has ids up to {highest}, its model knows {lm.embeddings}; "
            "put the tokenizer that the model was trained with beside it"
        )


def _check_round_trip(lm: CausalLm, name: str) -> None:
    for text in _PLAIN:
        decoded = lm.tokenizer.decode(lm.encode(text), clean_up_tokenization_spaces=False)
        if decoded.strip() != text:
            raise InputError(
                f"student {name!r}: its tokenizer reads {text!r} back as {decoded!r}; the tokenizer's class or files "
                "are not the model's own"
            )


def _check_losses(lm: CausalLm, name: str, costs: Sequence[float]) -> None:
    loss, chance = sum(costs) / len(costs), math.log(lm.embeddings)
    # Written so that a NaN fails too.
    if not loss <= chance * _ABOVE_CHANCE:
        raise InputError(
            f"student {name!r}: plain English costs {loss:.2f} nats per token, guessing costs {chance:.2f}; tokenizer "
            "and model do not belong together, or the weights are damaged"
        )
    if loss >= chance:
        _log.warning("student %s is no better than guessing (%.2f nats per token): is it trained?", name, loss)


def _check_padding(
    lm: CausalLm, name: str, texts: Sequence[Sequence[int]], costs: Sequence[float], tolerance: float
) -> None:
    longest = max(len(ids) for ids in texts)
    logits = lm.logits([[*ids, *[ids[-1]] * (longest - len(ids))] for ids in texts])
    for rows, ids, alone in zip(logits, texts, costs, strict=True):
        padded = token_costs(rows, ids, 1).mean().item()
        if not abs(padded - alone) <= tolerance:
            raise InputError(
                f"student {name!r}: a text costs {alone:.4f} nats per token alone and {padded:.4f} with padding behind "
                "it, so it is not a causal language model; choose one that reads from left to right only"
            )
