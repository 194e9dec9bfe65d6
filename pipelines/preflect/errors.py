"""The errors of preflect, each defined by what the caller does about it.

PreflectError
├── InputError          mend the recipe, the data or the arguments; nothing was called          exit 2
│   ├── RecipeError
│   ├── DataError
│   └── NoQueueError        or go on without it: nobody can have answered there
├── StoppedError        everything is kept; resume when the cause is gone                       exit 3
│   ├── BudgetError
│   ├── AccessDeniedError   or name another key or address: the message says which are set
│   ├── TooManyRejectionsError
│   │   └── LastingLossesError      or allow them, or begin anew: a resume asks for nothing again that was answered
│   ├── JudgeTooInaccurateError     choose another judge, or let more people decide
│   ├── AwaitingReviewError     when people have answered; nothing went wrong                   exit 0
│   ├── ReplayMissError     or import the missing calls; or go on without --replay, and pay for them
│   └── InterruptedRunError
├── MissingPartError    install or start what the message names                                exit 4
├── RunError            the run failed; the message says what to look at                        exit 1
│   └── DeviceFullError     or go on with smaller batches
└── CallError           one call to a model failed for good: its sample is rejected             a row
    ├── RefusedCallError  the endpoint does not take this very request; another one it may       a row
    └── ReplyError      the model answered, but the reply is unusable
UnscorableError         a student has no score for this text: the reason is kept                a value
"""

from __future__ import annotations

from typing import ClassVar, Literal


class PreflectError(Exception):
    """Anything that preflect tells its user."""

    exit_code: ClassVar[int] = 1


class InputError(PreflectError):
    """The recipe, the data or the arguments are wrong, and nothing was called yet."""

    exit_code = 2


class RecipeError(InputError):
    """The recipe is wrong; the message starts with `file:line:`."""


class DataError(InputError):
    """A data file is wrong; the message names file, row and remedy."""


class NoQueueError(InputError):
    """Nothing is laid out for review at the place that is named."""


class StoppedError(PreflectError):
    """The run stopped early with everything kept."""

    exit_code = 3


class BudgetError(StoppedError):
    """The next call could pass the budget."""


class AccessDeniedError(StoppedError):
    """An endpoint lets no request of a model in: its key, its account or its address is wrong."""


class TooManyRejectionsError(StoppedError):
    """More samples were lost to failed calls than `limits.max_rejected` allows."""


class LastingLossesError(TooManyRejectionsError):
    """They were lost to what the models answered, which a resume does not ask again."""


class AwaitingReviewError(StoppedError):
    """The run waits for people's reviews."""

    exit_code = 0


class JudgeTooInaccurateError(StoppedError):
    """People's reviews show the judge to be right less often than `limits.judge_min_accuracy` wants."""


class ReplayMissError(StoppedError):
    """A run that may not call asks what its journal has no reply to."""


class InterruptedRunError(StoppedError):
    """The user stopped the run."""


class MissingPartError(PreflectError):
    """An extra, a server or a program is missing; the message says how to get it."""

    exit_code = 4


class RunError(PreflectError):
    """The run failed."""


class DeviceFullError(RunError):
    """What a device was given to compute does not fit into its memory."""


class CallError(PreflectError):
    """One call failed for good.

    Args: reason is the short code that the rejection carries, detail what was got.
    """

    cause: ClassVar[Literal["call", "reply"]] = "call"
    """What the rejection names as its cause."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class RefusedCallError(CallError):
    """The endpoint does not take the request as it is."""


class ReplyError(CallError):
    """The reply came, and is junk, empty, a refusal or cut off."""

    cause = "reply"


class UnscorableError(PreflectError):
    """A student cannot score this text; `reason` starts with `unscorable:`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
