"""How a recipe names the models it uses."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from preflect.schemas.base import Schema


class Price(Schema):
    """US dollars per million tokens."""

    input: float = Field(default=0.0, ge=0)
    output: float = Field(default=0.0, ge=0)
    """Thoughts that the reply does not show are output too."""
    cached_input: float | None = Field(default=None, ge=0)
    """Input that the endpoint had in its cache; None: as all input."""
    cache_write: float | None = Field(default=None, ge=0)
    """Input that the endpoint puts into its cache, where it bills that apart; None: as all input."""
    batch_discount: float = Field(default=0.5, ge=0, le=1)
    """Share by which a call through the batch API is cheaper; half, where OpenAI's is the model."""
    as_of: str | None = None
    """The price table and its date; None: given by the recipe's author."""


class ChatModelSpec(Schema):
    """What every model that answers chat requests has."""

    concurrency: int = Field(default=64, ge=1)
    """Calls in flight at most."""
    rpm: int | None = Field(default=None, ge=1)
    """Requests per minute at most."""
    tpm: int | None = Field(default=None, ge=1)
    """Tokens per minute at most, input and output together."""
    limit: str | None = None
    """Name of a limit of `limits.shared` that this model has in common with others on the same provider key."""
    hedge_after_s: float | None = Field(default=None, gt=0)
    """Ask again when a reply takes longer than this and than 95 % of the replies so far; the first answer counts, both
    are paid for. None: never."""
    price: Price | None = None
    """None: what the price table says of this endpoint and model; nothing for a local or simulated endpoint."""
    timeout_s: float = Field(default=120.0, gt=0)
    """One call's total deadline, retries included."""
    max_tokens: int = Field(default=2048, ge=1)
    """Length of a reply at most, where the stage sets none."""
    max_tokens_if_truncated: int | None = Field(default=None, ge=1)
    """Length at most when a reply that was cut off is asked for once more; None: twice the length that cut it off. Not
    above that length: it isn't asked for again."""
    temperature: float | None = Field(default=None, ge=0)
    """Sampling temperature where the stage sets none; None leaves it to the endpoint."""
    structured: Literal["json_schema", "json_object", "tags"] = "json_schema"
    """How replies with named parts are asked for; what an endpoint refuses, or takes and then
    ignores, falls back to the next by itself: a JSON schema to JSON mode, that to tags."""


class BatchOptions(Schema):
    """How a model in `mode: batch` gathers its requests, and looks after what it has sent."""

    max_requests: int = Field(default=50_000, ge=1, le=50_000)
    """Requests in a batch at most. As many samples are open at once, some 15 KB each: they all wait for their batch."""
    gather_s: float = Field(default=30.0, gt=0)
    """A batch goes out when it is full, or when no request has joined it for so long."""
    poll_s: float = Field(default=30.0, gt=0)
    """Seconds between two looks at a batch, and until an endpoint that failed is asked again."""
    price: Price | None = None
    """US dollars per million tokens; None: half the model's price."""


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("an address such as http://127.0.0.1:8000/v1 is wanted")
    if parts.username or parts.password:
        raise ValueError("no user or password may stand in it: it's written to files; use api_key_env")
    return url


Address = Annotated[str, AfterValidator(_without_secrets)]
"""Where a server answers, without any secret in it."""


class OpenAIModel(ChatModelSpec):
    """Any OpenAI-compatible endpoint."""

    kind: Literal["openai"] = "openai"
    model: str
    mode: Literal["chat", "batch"] = "chat"
    """`batch`: through the endpoint's Batch API, within a day and at half the price; `timeout_s` and the limits on what
    is in flight or asked per minute don't apply."""
    batch: BatchOptions = BatchOptions()
    base_url: Address = "https://api.openai.com/v1"
    api_key_env: str | None = None
    """Name of the environment variable that holds the key; None where the server wants none."""


class FaultRates(Schema):
    """Shares of the simulator's drafts that carry each planted fault."""

    wrong_result: float = Field(default=0.18, ge=0, le=1)
    missed_constraint: float = Field(default=0.10, ge=0, le=1)
    refusal: float = Field(default=0.02, ge=0, le=1)
    truncation: float = Field(default=0.03, ge=0, le=1)
    filler: float = Field(default=0.10, ge=0, le=1)
    placeholder: float = Field(default=0.02, ge=0, le=1)


class SimulatorRates(Schema):
    """How good the simulated teacher and judge are."""

    faults: FaultRates = FaultRates()
    repair: float = Field(default=0.85, ge=0, le=1)
    """Share of faulty drafts that a reflection repairs."""
    breakage: float = Field(default=0.04, ge=0, le=1)
    """Share of good drafts that a reflection breaks."""
    judge_noise: float = Field(default=0.6, ge=0)
    """Standard deviation of a rating about the truth, in points of the 1 to 5 scale."""
    position_bias: float = Field(default=0.15, ge=0)
    """Advantage of the answer read first, in points."""
    length_bias: float = Field(default=0.15, ge=0)
    """Advantage of an answer for each doubling of its length, in points."""


class SimModel(ChatModelSpec):
    """The simulated endpoint, started with the run on a free loopback port; one process serves all such models."""

    kind: Literal["sim"] = "sim"
    model: str = "sim"
    seed: int | None = None
    """None: the recipe's seed."""
    latency_s: float = Field(default=0.0, ge=0)
    rates: SimulatorRates = SimulatorRates()


Template = Literal["vicuna", "alpaca", "wiz", "gpt2", "chat"]


ScoreName = Literal["ifd_ppl", "ifd_loss", "r_ifd_ppl"]


class PpmStudent(Schema):
    """The embedded lexical proxy: an adaptive byte n-gram model, no weights. It sees shared words, not meaning."""

    kind: Literal["ppm"] = "ppm"
    order: int = Field(default=5, ge=1, le=12)
    """Longest context in bytes."""
    template: Literal["vicuna", "alpaca", "wiz", "gpt2"] = "gpt2"
    max_length: int = Field(default=8192, ge=16)
    """In bytes."""
    thresholds: dict[ScoreName, Annotated[float, Field(gt=0)]] = Field(default_factory=dict[ScoreName, float])
    """Below what a pair is admitted, for each score, in place of 1: half of the pairs that have nothing to do with each
    other may lie below 1 too, since any English makes English likelier. What lets few of them through on a dataset,
    `preflect score --calibrate` says."""


class TransformersStudent(Schema):
    """A causal language model on this machine."""

    kind: Literal["transformers"] = "transformers"
    model: str
    """A folder or a name on the Hugging Face Hub."""
    revision: str | None = None
    template: Template = "chat"
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    device: str = "auto"
    """As torch names it; `auto`: every GPU that there is, else the CPU."""
    max_length: int | None = Field(default=None, ge=16)
    """In tokens; None: 1024 for template `gpt2`, else 2048."""
    batch_tokens: int | None = Field(default=None, ge=1)
    """Tokens of a batch at most, padding counted; None: 1024 on a CPU, 65536 on a GPU. Halved whenever it doesn't fit
    into the memory."""
    attention: str | None = None
    """As transformers names it, `flash_attention_2` for one; None: what it chooses for the model, mostly `sdpa`."""
    rescore_band: float = Field(default=0.05, ge=0)
    """In half precision a score is off by up to 0.03 or so: two that are compared and are nearer than this to each
    other, and one that is nearer to its threshold, are computed again in float32, by a second copy of the model that is
    loaded when it's needed. 0: never."""


class OnnxStudent(Schema):
    """A causal language model on this machine, as `preflect student export` wrote it: scored without torch."""

    kind: Literal["onnx"] = "onnx"
    model: str
    """The folder of the export."""
    template: Template = "chat"
    max_length: int | None = Field(default=None, ge=16)
    """In tokens; None: 1024 for template `gpt2`, else 2048."""
    batch_tokens: int = Field(default=1024, ge=1)
    """Tokens of a batch at most, padding counted. Halved whenever it doesn't fit into the memory."""


class PromptLogprobsStudent(Schema):
    """A causal language model behind a server that says how likely each token of a prompt is."""

    kind: Literal["prompt-logprobs"] = "prompt-logprobs"
    server: Literal["vllm", "sglang"] = "vllm"
    """In whose way it's asked."""
    base_url: Address
    """With or without `/v1` at its end."""
    model: str | None = None
    """The model's name at the server; None: the one that it serves."""
    tokenizer: str | None = None
    """A folder or a name on the Hugging Face Hub; None: as the server names its model."""
    revision: str | None = None
    """The tokenizer's, on the Hub; it stands beside the scores as the model's too, which no server says."""
    template: Template = "chat"
    max_length: int | None = Field(default=None, ge=16)
    """In tokens; None: 1024 for template `gpt2`, else 2048, or what the server takes if that's less."""
    api_key_env: str | None = None
    """Name of the environment variable that holds the key; None where the server wants none."""
    concurrency: int = Field(default=64, ge=1)
    """Requests in flight at most."""
    timeout_s: float = Field(default=120.0, gt=0)
    """One request's total deadline, retries included."""


StudentSpec = Annotated[
    PpmStudent | TransformersStudent | OnnxStudent | PromptLogprobsStudent, Field(discriminator="kind")
]
ModelSpec = Annotated[
    OpenAIModel | SimModel | PpmStudent | TransformersStudent | OnnxStudent | PromptLogprobsStudent,
    Field(discriminator="kind"),
]
