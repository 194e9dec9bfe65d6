"""One causal language model with its tokenizer: texts to token ids, token ids to likelihoods."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from preflect.errors import InputError, MissingPartError, RunError, UnscorableError
from preflect.schemas import Conversation, Message, TransformersStudent

if TYPE_CHECKING:
    import torch

    from preflect.scoring.spans import Pass

_log = logging.getLogger(__name__)
_CHUNK: Final = 256
"""Positions whose logits are turned into float32 at a time: a whole text times a whole vocabulary takes gigabytes."""
_SAMPLED: Final = 16


class Tokenizer(Protocol):
    """What is used of a tokenizer of `transformers`."""

    chat_template: str | None
    vocab_size: int

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]: ...
    def decode(self, token_ids: list[int], *, clean_up_tokenization_spaces: bool) -> str: ...
    def apply_chat_template(
        self, conversation: list[dict[str, Any]], *, tokenize: bool, add_generation_prompt: bool
    ) -> str: ...


class CausalLm:
    """A loaded model on its device; every likelihood comes from a batch of one."""

    def __init__(self, name: str, model: Any, tokenizer: Tokenizer) -> None:
        self.name: Final = name
        self.tokenizer: Final = tokenizer
        self._model = model
        self.leading: Final = _leading_tokens(tokenizer)
        """What the tokenizer puts before a text (BOS), or nothing."""
        self.embeddings: Final = int(model.get_input_embeddings().num_embeddings)
        """Ids that the model knows: 0 to this, exclusive."""
        # Under this name on most configurations (GPT-2's `n_positions` too), and missing on some.
        positions: int | None = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        self.positions: Final = positions
        """Longest sequence in tokens; None where the model states none."""

    def encode(self, text: str) -> list[int]:
        """Token ids without any that the tokenizer would add around the text."""
        return self.tokenizer.encode(text, add_special_tokens=False)

    def chat_prompt(self, instruction: str, input_text: str | None) -> str:
        """The tokenizer's own chat template around one user's turn, up to where the response begins.

        Raises: InputError: the tokenizer has none, or one that fails.
        """
        content = f"{instruction}\n\n{input_text}" if input_text else instruction
        remedy = "choose template vicuna, alpaca, wiz or gpt2, or a student with a chat template"
        if not self.tokenizer.chat_template:
            raise InputError(f"the tokenizer of student {self.name!r} has no chat template; {remedy}")
        try:
            return self.chat_turns((Message(role="user", content=content),))
        except UnscorableError as error:
            raise InputError(
                f"the chat template of student {self.name!r} fails: {error.__cause__}; {remedy}"
            ) from error

    def chat_turns(self, messages: Conversation) -> str:
        """The chat template around the turns of a conversation, each in its role, up to where the response begins.

        Raises: UnscorableError: the template refuses such a conversation, as some do system turns or tools.
        """
        from jinja2 import TemplateError  # noqa: PLC0415  # it comes with transformers, needed for templates alone

        turns = [_turn(message) for message in messages]
        try:
            return self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        # What is wrong for a filter of the template comes out as Python's own error.
        except (TemplateError, TypeError, ValueError) as error:
            raise UnscorableError("unscorable:chat_template") from error

    def logits(self, batch: Sequence[Sequence[int]]) -> torch.Tensor:
        """Logits of sequences of one length, shape (sequences, tokens, vocabulary), in the model's own precision.

        Raises: RunError: out of memory.
        """
        import torch  # noqa: PLC0415  # heavy, and loaded before by the model itself

        ids = torch.tensor(batch, device=self._model.device)
        try:
            with torch.inference_mode():
                return self._model(input_ids=ids, use_cache=False).logits
        except torch.OutOfMemoryError as error:
            raise RunError(
                f"no memory left for {ids.shape[1]} tokens of student {self.name!r}; lower its max_length, or choose "
                "dtype bfloat16 or a smaller model"
            ) from error

    def mean_nll(self, sequence: Pass) -> float:
        """Mean negative log-likelihood of the scored tokens, in nats per token.

        Raises: UnscorableError: a token that the model has no embedding for; RunError: out of memory.
        """
        if max(sequence.ids) >= self.embeddings:
            raise UnscorableError("unscorable:unknown_token")
        costs = token_costs(self.logits([sequence.ids])[0], sequence.ids, sequence.first)
        return float(costs.mean())

    def fingerprint(self) -> str:
        """Hash of names, shapes and first values of all weights: training changes nearly every one of them."""
        digest = hashlib.blake2b(digest_size=6)
        for name, weight in self._model.named_parameters():
            sampled = weight.detach().flatten()[:_SAMPLED].float().cpu()
            digest.update(f"{name} {tuple(weight.shape)} {sampled.tolist()}\n".encode())
        return digest.hexdigest()


def token_costs(logits: torch.Tensor, ids: Sequence[int], first: int) -> torch.Tensor:
    """Negative log-likelihood of each of `ids[first:]` in nats, float64, from a softmax in float32."""
    import torch  # noqa: PLC0415  # heavy, and loaded before by the model itself
    from torch.nn.functional import cross_entropy  # noqa: PLC0415

    targets = torch.tensor(ids, device=logits.device)
    chunks = [slice(start, min(start + _CHUNK, len(ids))) for start in range(first, len(ids), _CHUNK)]
    # The logits at one position are about the token at the next.
    rows = (logits[chunk.start - 1 : chunk.stop - 1].float() for chunk in chunks)
    costs = [cross_entropy(row, targets[chunk], reduction="none") for row, chunk in zip(rows, chunks, strict=True)]
    return torch.cat(costs).double()


def load_causal_lm(spec: TransformersStudent, *, weights: bool = True) -> CausalLm:
    """Load model and tokenizer, ready to score.

    Args: without weights the model has its shapes alone, which takes no memory and cannot score.
    Raises: MissingPartError: torch or transformers is not installed; InputError: no such model, or not a causal one.
    """
    try:
        import torch  # noqa: PLC0415  # heavy
        from safetensors import SafetensorError  # noqa: PLC0415
        from transformers import AutoTokenizer  # noqa: PLC0415  # heavy
    except ImportError as error:
        raise MissingPartError(
            f"a student of kind transformers needs torch and transformers ({error}); pip install 'preflect[student]'"
        ) from error
    _log.info("loading student %s", spec.model)
    device = ("cuda" if torch.cuda.is_available() else "cpu") if spec.device == "auto" else spec.device
    try:
        with _no_progress_bars():
            # The library's stubs leave it partly untyped.
            tokenizer: Tokenizer = cast("Any", AutoTokenizer).from_pretrained(spec.model, revision=spec.revision)
            model = _weighty(spec, device) if weights else _weightless(spec, device)
    # torch that was built for other devices raises AssertionError.
    except (AssertionError, OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise InputError(
            f"student {spec.model!r} cannot be loaded on {device}: {error}; give the folder of a causal language model "
            "with its tokenizer, or its name on the Hub"
        ) from error
    return CausalLm(spec.model, model, tokenizer)


def _weighty(spec: TransformersStudent, device: str) -> Any:
    from transformers import AutoModelForCausalLM  # noqa: PLC0415  # heavy

    models = cast("Any", AutoModelForCausalLM)
    return models.from_pretrained(spec.model, revision=spec.revision, dtype=spec.dtype).eval().to(device)


def _weightless(spec: TransformersStudent, device: str) -> Any:
    import torch  # noqa: PLC0415  # heavy
    from transformers import AutoConfig, AutoModelForCausalLM  # noqa: PLC0415

    folder = Path(spec.model)
    if folder.is_dir() and not any(path.suffix in {".safetensors", ".bin"} for path in folder.iterdir()):
        raise ValueError("the folder holds no weights, neither .safetensors nor .bin")
    torch.empty(0, device=device)
    config = cast("Any", AutoConfig).from_pretrained(spec.model, revision=spec.revision)
    with torch.device("meta"):
        return cast("Any", AutoModelForCausalLM).from_config(config)


@contextmanager
def _no_progress_bars() -> Generator[None]:
    from transformers.utils import logging as library  # noqa: PLC0415  # heavy

    shown = library.is_progress_bar_enabled()
    library.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            library.enable_progress_bar()


def _turn(message: Message) -> dict[str, Any]:
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": _arguments(call.arguments)}}
        for call in message.tool_calls
    ]
    extra = {"name": message.name, "tool_calls": calls, "tool_call_id": message.tool_call_id}
    return {"role": message.role, "content": message.content, **{key: value for key, value in extra.items() if value}}


def _arguments(text: str) -> object:
    # Templates write arguments as JSON themselves, from a mapping.
    try:
        return json.loads(text)
    except ValueError:
        return text


def _leading_tokens(tokenizer: Tokenizer) -> tuple[int, ...]:
    bare = tokenizer.encode("text", add_special_tokens=False)
    whole = tokenizer.encode("text", add_special_tokens=True)
    starts = [i for i in range(len(whole) - len(bare) + 1) if whole[i : i + len(bare)] == bare]
    return tuple(whole[: starts[0]]) if starts else ()
