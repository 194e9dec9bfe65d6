"""What is said where too many samples are lost."""

from __future__ import annotations

from typing import Literal

import pytest

from preflect.engine.losses import Losses
from preflect.errors import LastingLossesError, TooManyRejectionsError
from preflect.schemas import Rejection


def lost(reason: str, cause: Literal["call", "reply"]) -> Rejection:
    return Rejection(sample_id="s", stage="respond", cause=cause, reason=reason, detail="why")


OUTAGE, CUT = lost("call_failed", "call"), lost("truncated", "reply")


@pytest.mark.parametrize(("usual", "other"), [(OUTAGE, CUT), (CUT, OUTAGE)])
def test_the_remedy_is_one_for_what_happened_most_often(usual: Rejection, other: Rejection) -> None:
    losses = Losses(0.9)
    for rejection in [*[usual] * 15, *[other] * 4]:
        losses.add(None, rejection)
    with pytest.raises(TooManyRejectionsError, match=f"most often: stage 'respond', {usual.reason}: why; ") as told:
        losses.add(None, other)
    assert isinstance(told.value, LastingLossesError) == (usual is CUT)
