"""What stages need of the outside world, as protocols; `adapters/` implements them, tests bring their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from preflect.errors import PreflectError
from preflect.schemas import Conversation, Provenance, Rejection, Sample, Sampling

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """One question to a chat model.

    `index` tells apart several samples of one prompt: requests that differ in nothing else are separate calls.
    """

    messages: Conversation
    prompt_version: str
    """`name@hash` of the prompt file, or `verbatim` where the instruction is sent as it is."""
    stage: str
    sample_id: str
    sampling: Sampling = field(default_factory=Sampling)
    index: int = 0
    schema_name: str | None = None
    json_schema: Mapping[str, Any] | None = None
    """Parts that the reply must have, as a JSON schema of an object with string, number or array properties."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatReply:
    """What the model answered, after it became durable in the journal."""

    text: str
    thinking: str | None
    finish_reason: str
    """`stop`, `length`, `content_filter`, `refusal` or what the endpoint said."""
    provenance: Provenance


class ChatModel(Protocol):
    """A model that answers chat requests."""

    @property
    def name(self) -> str:
        """The model's name in the recipe."""
        ...

    @property
    def max_tokens_if_truncated(self) -> int | None:
        """Length at most when a reply that was cut off is asked for again; None: twice what cut it off."""
        ...

    async def complete(self, request: ChatRequest) -> ChatReply:
        """Ask once (retries, limits, budget and journal are the model's own affair).

        Raises: CallError when no reply is to be had; BudgetError, which stops the run.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreQuery:
    """A pair that a student is asked about.

    `forward` wants nll(y | P(x)) and nll(y), `reverse` nll(x | R(y)) and nll(x).
    """

    direction: Literal["forward", "reverse"]
    instruction: str
    """All turns as one text, where there are several."""
    input: str | None
    response: str
    messages: Conversation | None = None
    """The turns themselves, input merged, where there are several: for templates that have roles."""
    exact: bool = False
    """Whether a decision hangs on it, so that it's worth the most exact computation that the student has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NllPair:
    """Mean negative log-likelihoods in nats per token of one target, with and without its prompt.

    Both are None, with a reason `unscorable:…`, or neither.
    """

    conditioned: float | None
    unconditioned: float | None
    conditioned_tokens: int
    unconditioned_tokens: int
    reason: str | None = None


MadeBy: TypeAlias = tuple[str, str, str]
"""Name, revision and template of a student: what tells its scores from those of others."""


class Student(Protocol):
    """A language model that says how likely a text is; no score is a value with a reason, never an exception."""

    @property
    def name(self) -> str: ...
    @property
    def revision(self) -> str: ...
    @property
    def template(self) -> str: ...
    @property
    def noise(self) -> float:
        """A score nearer than this to what it's compared with is asked for again, `exact`; 0: it's exact anyway."""
        ...

    async def score(self, query: ScoreQuery) -> NllPair:
        """Score one pair; calls that come together may be computed together."""
        ...


class Embedder(Protocol):
    """Turns texts into vectors whose scalar product says how alike they are."""

    @property
    def name(self) -> str: ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """One vector of length 1 for each text."""
        ...


@dataclass(frozen=True, slots=True)
class Dropped:
    """A rejection together with the sample as the stage leaves it, where what it found out is worth keeping."""

    rejection: Rejection
    sample: Sample


class Stage(Protocol):
    """A per-sample stage: one sample in, one sample with more in it or one rejection out."""

    @property
    def name(self) -> str: ...

    async def run(self, sample: Sample) -> Sample | Rejection | Dropped:
        """Raises: CallError, which the engine turns into the sample's rejection; StoppedError, which ends the run."""
        ...


class WholeSetStage(Protocol):
    """A stage that must see all samples; whatever it yields is in the order of the output."""

    @property
    def name(self) -> str: ...

    def run_all(self, samples: Iterable[Sample]) -> AsyncIterator[Sample | Rejection | Dropped]:
        """Every sample that came in comes out, as itself or rejected; new samples may come out as well."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCall:
    """One finished call as the journal keeps it."""

    key: str
    """Hash of all that makes the request what it is; never of a secret or an address."""
    model: str
    """The model's name in the recipe."""
    stage: str
    sample_id: str
    text: str
    thinking: str | None
    finish_reason: str
    served_by: str
    """The model's name as the endpoint gave it."""
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float
    latency_s: float
    cached_tokens: int = 0
    """Of the prompt's tokens, those that the endpoint had in its cache."""
    reasoning_tokens: int = 0
    """Of the completion's tokens, those of thoughts that the text does not show."""


class CallStore(Protocol):
    """Where finished calls are kept, so that none is paid twice."""

    def find(self, key: str) -> StoredCall | None:
        """The finished call with this key, if there is one."""
        ...

    def has_any_of(self, model: str) -> bool:
        """Whether this model of the recipe has ever answered."""
        ...

    async def record(self, call: StoredCall) -> None:
        """Return when the call is durable."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SentLine:
    """One request of a batch, as far as its reply needs it."""

    key: str
    stage: str
    sample_id: str
    most_usd: float
    """What it can cost at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentBatch:
    """A batch of requests that an endpoint works on, perhaps for a day."""

    model: str
    """The model's name in the recipe."""
    input_file_id: str
    """The endpoint's name for the file of requests: no other batch is made of it."""
    batch_id: str | None
    """The endpoint's name for the batch; None from just before it's asked for until it's known."""
    lines: tuple[SentLine, ...]


class BatchStore(Protocol):
    """Where it stands which batches were sent, so that none is paid twice."""

    def open_batches(self, model: str) -> tuple[SentBatch, ...]:
        """Those of this model whose replies are not all in the journal."""
        ...

    def keep(self, batch: SentBatch) -> None:
        """Return when it's durable; takes the place of what was kept of the batch before."""
        ...

    def drop(self, batch: SentBatch) -> None:
        """Nothing is to come of the batch any more."""
        ...


class Hold(Protocol):
    """Money set aside for one request; said once, what it cost is spent and the rest is free again.

    Never said, all of it is spent once the request was sent, since it may be billed; before that, nothing is.
    """

    def sent(self) -> None:
        """The request goes out now."""
        ...

    def settle(self, cost_usd: float) -> None:
        """It cost so much, and the call that goes to the journal says so; 0 where it was refused."""
        ...

    def lose(self, cost_usd: float) -> None:
        """It cost so much, and brought nothing that the journal could keep."""
        ...


class Purse(Protocol):
    """A hard limit on money."""

    def hold(self, most_usd: float) -> AbstractAsyncContextManager[Hold]:
        """Set the most that one request can cost aside, for each try anew. Raises: BudgetError."""
        ...


class Gate(Protocol):
    """The way to the network, which closes when the run must stop."""

    @property
    def closed(self) -> asyncio.Event:
        """Set in the event loop when no new call may start."""
        ...

    def reason(self) -> PreflectError:
        """What closed it, as a new error."""
        ...

    def raise_if_closed(self) -> None:
        """Raises: StoppedError when no new call may start."""
        ...


class CallMeter(Protocol):
    """Counts calls for the progress display."""

    def started(self, model: str) -> None:
        """A call goes out, for the first time or after it was held back."""
        ...

    def held_back(self, model: str) -> None:
        """A call that was refused waits for its turn: it's not in flight until it's started again."""
        ...

    def retried(self, model: str) -> None: ...
    def throttled(self, model: str) -> None:
        """The endpoint refused a call because there were too many (HTTP 429)."""
        ...

    def hedged(self, model: str) -> None:
        """A slow call was asked a second time."""
        ...

    def uncounted(self, model: str) -> None:
        """A reply came without a count of its tokens: it's charged at the most that it can cost."""
        ...

    def paused(self, model: str, seconds: float) -> None:
        """Nothing goes out for so long: the endpoint asked for it."""
        ...

    def allowed(self, model: str, calls: int) -> None:
        """So many calls may be in flight from now on."""
        ...

    def finished_call(self, model: str, call: StoredCall | None, out_s: float | None = None) -> None:
        """`call` is None when it failed; it was out for `out_s` seconds, all its attempts together."""
        ...

    def replayed(self, model: str) -> None: ...
