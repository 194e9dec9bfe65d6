"""What a language model and its tokenizer must show once, before their scores are believed; torch is not needed.

A tokenizer that does not belong to its model gives likelihoods without any error, only worse than guessing.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Final

from preflect.adapters.tokenizer import HubTokenizer
from preflect.errors import InputError

_log = logging.getLogger(__name__)

PLAIN: Final = (
    "The train to the coast leaves at nine in the morning and arrives shortly before noon.",
    "Most people drink a glass of water when they are thirsty.",
)
_ABOVE_CHANCE: Final = 1.02
"""A loss in units of the loss of guessing: an untrained model is at 1, or a little above by the spread of its weights.

A trained one whose tokens mean something else to the tokenizer is sure of the wrong thing, and far above.
"""


def plain_texts(tokenizer: HubTokenizer) -> list[list[int]]:
    """The token ids of plain English, behind what the tokenizer puts before a text."""
    return [[*tokenizer.leading, *ids] for ids in tokenizer.encode(PLAIN)]


def check_tokenizer(name: str, tokenizer: HubTokenizer, known_ids: int) -> None:
    """What the tokenizer can show without the model's weights.

    Raises: InputError: ids that the model does not know, or ids that do not decode to the text.
    """
    highest = max(tokenizer.vocabulary - 1, *(max(ids) for ids in plain_texts(tokenizer)))
    if highest >= known_ids:
        raise InputError(
            f"student {name!r}: its tokenizer has ids up to {highest}, its model knows {known_ids}; "
            "put the tokenizer that the model was trained with beside it"
        )
    for text, ids in zip(PLAIN, tokenizer.encode(PLAIN), strict=True):
        decoded = tokenizer.decode(ids)
        if decoded.strip() != text:
            raise InputError(
                f"student {name!r}: its tokenizer reads {text!r} back as {decoded!r}; the tokenizer's class or "
                "files are not the model's own"
            )


def check_losses(name: str, losses: Sequence[float], known_ids: int) -> None:
    """Hold what plain English costs, in nats per token, against guessing. Raises: InputError: it costs more."""
    loss, chance = sum(losses) / len(losses), math.log(known_ids)
    # Written so that a NaN fails too.
    if not loss <= chance * _ABOVE_CHANCE:
        raise InputError(
            f"student {name!r}: plain English costs {loss:.2f} nats per token, guessing costs {chance:.2f}; "
            "tokenizer and model do not belong together, or the weights are damaged"
        )
    if loss >= chance:
        _log.warning("student %s is no better than guessing (%.2f nats per token): is it trained?", name, loss)
