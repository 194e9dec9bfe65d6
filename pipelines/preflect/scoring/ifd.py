"""Instruction-following difficulty: how much a prompt helps a student to guess a text."""

from __future__ import annotations

import math
from typing import Final

from preflect.errors import UnscorableError
from preflect.ports import NllPair

HELPS_BELOW: Final = 1.0
"""Below it the prompt helps: where rows are told apart by that, a score must be on the right side."""

MAX_BOUNDARY_TOKENS: Final = 8
"""By how much the two passes' token counts may differ.

Prompt and target are tokenised jointly, so the first word of the target may be cut into other tokens than when it
stands alone. A larger difference means that the two passes saw different texts.
"""


def ifd_ppl(pair: NllPair) -> float:
    """The perplexity ratio PPL(y | x) / PPL(y) = exp(nll(y | P(x)) - nll(y)); below 1, the instruction helps.

    Source: Li et al. 2024 (Selective Reflection-Tuning), eq. 2; Superfiltering uses the same form.

    Raises: UnscorableError: the student had no score, the passes saw different texts, or the ratio is 0 or infinite.
    """
    conditioned, unconditioned = _checked(pair)
    try:
        ratio = math.exp(conditioned - unconditioned)
    except OverflowError as error:
        raise UnscorableError("unscorable:overflow") from error
    if ratio == 0.0:
        raise UnscorableError("unscorable:underflow")
    return ratio


def ifd_loss(pair: NllPair) -> float:
    """The ratio of mean losses nll(y | P(x)) / nll(y); below 1, the instruction helps.

    Source: Li et al. 2024 (From Quantity to Quality, the Cherry LLM paper). Here the unconditioned side is the bare
    text, so that `ifd_loss < 1` and `ifd_ppl < 1` agree; the original scores it after a response header.

    Raises: UnscorableError: as `ifd_ppl`, and where nll(y) is 0.
    """
    conditioned, unconditioned = _checked(pair)
    if unconditioned == 0.0:
        raise UnscorableError("unscorable:zero_loss")
    ratio = conditioned / unconditioned
    if math.isinf(ratio):
        raise UnscorableError("unscorable:overflow")
    return ratio


def r_ifd_ppl(pair: NllPair) -> float:
    """The reversed ratio exp(nll(x | R(y)) - nll(x)) of a `reverse` query; below 1, the response tells what was asked.

    Source: Li et al. 2024 (Selective Reflection-Tuning), r-IFD.

    Raises: UnscorableError: as `ifd_ppl`.
    """
    return ifd_ppl(pair)


def no_score(reason: str) -> NllPair:
    """A student's answer where it has no score; `reason` starts with `unscorable:`."""
    return NllPair(conditioned=None, unconditioned=None, conditioned_tokens=0, unconditioned_tokens=0, reason=reason)


def _checked(pair: NllPair) -> tuple[float, float]:
    if pair.conditioned is None or pair.unconditioned is None:
        raise UnscorableError(pair.reason or "unscorable:no_likelihood")
    if not (math.isfinite(pair.conditioned) and math.isfinite(pair.unconditioned)):
        raise UnscorableError("unscorable:not_finite")
    counts = (pair.conditioned_tokens, pair.unconditioned_tokens)
    if min(counts) < 1 or max(counts) - min(counts) > MAX_BOUNDARY_TOKENS:
        raise UnscorableError("unscorable:token_counts_differ")
    return pair.conditioned, pair.unconditioned
