"""The scores against hand-worked values and their laws."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflect.errors import UnscorableError
from preflect.ports import NllPair
from preflect.scoring import ifd_loss, ifd_ppl, no_score, r_ifd_ppl

losses = st.floats(min_value=1e-3, max_value=50)


def pair(conditioned: float, unconditioned: float, counts: tuple[int, int] = (10, 10)) -> NllPair:
    return NllPair(
        conditioned=conditioned,
        unconditioned=unconditioned,
        conditioned_tokens=counts[0],
        unconditioned_tokens=counts[1],
    )


def test_ifd_ppl_of_a_prompt_that_saves_ln_2_per_token_is_one_half() -> None:
    assert ifd_ppl(pair(2.0 - math.log(2), 2.0)) == pytest.approx(0.5)
    assert r_ifd_ppl(pair(2.0 - math.log(2), 2.0)) == pytest.approx(0.5)


def test_ifd_ppl_of_a_prompt_that_costs_one_nat_per_token_is_e() -> None:
    assert ifd_ppl(pair(3.5, 2.5)) == pytest.approx(2.718281828459045)


def test_ifd_loss_is_the_quotient_of_the_losses() -> None:
    assert ifd_loss(pair(1.5, 2.0)) == 0.75


@given(losses)
def test_a_prompt_that_changes_nothing_scores_exactly_1(loss: float) -> None:
    assert ifd_ppl(pair(loss, loss)) == ifd_loss(pair(loss, loss)) == 1.0


@given(losses, losses)
def test_both_metrics_agree_on_whether_the_prompt_helps(conditioned: float, unconditioned: float) -> None:
    # Differences of a few units in the last place vanish in exp.
    if abs(conditioned - unconditioned) > 1e-9:
        scored = pair(conditioned, unconditioned)
        assert (ifd_ppl(scored) < 1) == (ifd_loss(scored) < 1) == (conditioned < unconditioned)


@pytest.mark.parametrize(
    ("scored", "reason"),
    [
        (no_score("unscorable:one_token"), "unscorable:one_token"),
        (pair(math.nan, 2.0), "unscorable:not_finite"),
        (pair(2.0, math.inf), "unscorable:not_finite"),
        (pair(2.0, 2.0, (0, 5)), "unscorable:token_counts_differ"),
        (pair(2.0, 2.0, (30, 12)), "unscorable:token_counts_differ"),
        (pair(2000.0, 2.0), "unscorable:overflow"),
        (pair(2.0, 2000.0), "unscorable:underflow"),
    ],
)
def test_what_has_no_score_has_a_reason_instead(scored: NllPair, reason: str) -> None:
    with pytest.raises(UnscorableError) as caught:
        ifd_ppl(scored)
    assert caught.value.reason == reason


def test_a_word_cut_differently_behind_the_prompt_is_no_reason_to_refuse() -> None:
    assert ifd_ppl(pair(1.0, 1.0, (11, 10))) == 1.0


def test_a_text_that_costs_nothing_alone_has_no_loss_ratio() -> None:
    assert ifd_ppl(pair(0.0, 0.0)) == 1.0
    with pytest.raises(UnscorableError, match="unscorable:zero_loss"):
        ifd_loss(pair(0.0, 0.0))


def test_a_loss_ratio_too_large_for_a_number_is_refused() -> None:
    with pytest.raises(UnscorableError, match="unscorable:overflow"):
        ifd_loss(pair(1e10, 5e-324))
