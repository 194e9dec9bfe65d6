"""What a student must show once, before its scores are believed.

A tokenizer that does not belong to its model gives likelihoods without any error, only worse than guessing.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

import torch

from preflect.adapters.causal_lm import CausalLm
from preflect.adapters.lm_head import token_costs
from preflect.adapters.student_check import check_losses, check_tokenizer, plain_texts
from preflect.adapters.tokenizer import HubTokenizer
from preflect.errors import InputError
from preflect.scoring.spans import Pass

_log = logging.getLogger(__name__)

_TOLERANCE: Final = 1e-3
_TOLERANCE_HALF: Final = 0.05


def check_causal_lm(lm: CausalLm, tokenizer: HubTokenizer) -> None:
    """Compare tokenizer and model on plain English, and what is quick with what is certain.

    A model whose head cannot be applied to scored positions alone is told to use its own logits.

    Raises: InputError: ids outside the embedding, ids that do not decode to the text, losses above those of guessing,
    or losses that depend on what follows a text.
    """
    check_tokenizer(lm.name, tokenizer, lm.embeddings)
    texts = plain_texts(tokenizer)
    alone = [_mean_cost(lm.logits([ids])[0], ids) for ids in texts]
    check_losses(lm.name, alone, lm.embeddings)
    _check_padding(lm, texts, alone)
    if not _head_agrees(lm, texts, alone):
        _log.info("the head of student %s cannot be used by itself: it gives its own logits, slower", lm.name)
        lm.use_own_logits()


def _mean_cost(logits: torch.Tensor, ids: Sequence[int]) -> float:
    targets = torch.tensor(ids[1:], device=logits.device)
    return token_costs(logits[: len(ids) - 1], targets).double().mean().item()


def _check_padding(lm: CausalLm, texts: Sequence[Sequence[int]], alone: Sequence[float]) -> None:
    longest = max(len(ids) for ids in texts)
    logits = lm.logits([[*ids, *[ids[-1]] * (longest - len(ids))] for ids in texts])
    for rows, ids, cost in zip(logits, texts, alone, strict=True):
        padded = _mean_cost(rows, ids)
        if not _close(lm, padded, cost):
            raise InputError(
                f"student {lm.name!r}: a text costs {cost:.4f} nats per token alone and {padded:.4f} with padding "
                "behind it, so it is not a causal language model; choose one that reads from left to right only"
            )


def _head_agrees(lm: CausalLm, texts: Sequence[Sequence[int]], alone: Sequence[float]) -> bool:
    """Whether a batch that is computed as all will be costs what its texts cost one by one."""
    try:
        costs = lm.mean_nlls([Pass(tuple(ids), 1) for ids in texts])
    # What a head needs that is not there may show itself as any of these.
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        _log.debug("the head of student %s fails by itself: %s", lm.name, error)
        return False
    return all(_close(lm, cost, whole) for cost, whole in zip(costs, alone, strict=True))


def _close(lm: CausalLm, cost: float, alone: float) -> bool:
    return abs(cost - alone) <= (_TOLERANCE if lm.dtype == "float32" else _TOLERANCE_HALF)
