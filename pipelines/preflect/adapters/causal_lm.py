"""One causal language model on its device: sequences of token ids to likelihoods.

Imports torch, so it is itself imported only where a student of this kind is built.
"""

from __future__ import annotations

import gc
import hashlib
import inspect
import logging
import sys
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, cast

import numpy as np
import torch

from preflect.adapters.lm_head import Head, head_of, token_costs
from preflect.adapters.padding import padded
from preflect.errors import DeviceFullError
from preflect.scoring.spans import Pass

_log = logging.getLogger(__name__)
_BUDGET: Final = {"cpu": 1024, "cuda": 65_536}
"""Tokens of a batch: on a CPU what its caches hold; on a GPU enough that launching kernels takes less than they do."""
_BUDGET_ELSEWHERE: Final = 4096
_SAMPLED: Final = 16
_SWITCH_S: Final = 0.0002
_GARBAGE: Final = 50_000
"""Objects made since the last look for garbage; Python's own 700 are a few texts."""


class CausalLm:
    """Implements `preflect.adapters.device_pool.Device`: padded on the right without a mask, as causal models allow."""

    def __init__(self, name: str, model: Any, *, budget: int | None = None) -> None:
        self.name: Final = name
        self.model: Final = model
        self.device: Final[torch.device] = model.device
        self.budget = budget or _BUDGET.get(self.device.type, _BUDGET_ELSEWHERE)
        if self.device.type == "cuda":
            _make_gpu_ready()
        self.lanes = 2 if self.device.type == "cuda" else 1
        self._lanes = threading.local()
        self.embeddings: Final = int(model.get_input_embeddings().num_embeddings)
        """Ids that the model knows: 0 to this, exclusive."""
        # Under this name on most configurations (GPT-2's `n_positions` too), and missing on some.
        positions: int | None = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        self.positions: Final = positions
        """Longest sequence in tokens; None where the model states none."""
        self._head = head_of(model)
        self._keeps_logits = "logits_to_keep" in inspect.signature(model.forward).parameters

    @property
    def dtype(self) -> str:
        """The precision it computes in: float32, bfloat16 or float16."""
        return str(self.model.dtype).removeprefix("torch.")

    def mean_nlls(self, batch: Sequence[Pass]) -> list[float]:
        """As `Device.mean_nlls`. Raises: DeviceFullError."""
        try:
            with torch.inference_mode(), self._lane():
                costs = self._costs(self._head, batch) if self._head else self._costs_by_own_logits(batch)
                costs = costs.cpu().double().numpy()
        except RuntimeError as error:
            if not _out_of_memory(error):
                raise
            # Its traceback would keep all that was computed so far.
            raise self._refusal(batch) from error.with_traceback(None)
        counts = np.array([one.tokens for one in batch])
        starts = np.concatenate(([0], counts.cumsum()[:-1]))
        return (np.add.reduceat(costs, starts) / counts).tolist()

    def _lane(self) -> AbstractContextManager[object]:
        """A stream for each thread: waiting for one batch is not waiting for the next."""
        if self.device.type != "cuda":
            return nullcontext()
        if not hasattr(self._lanes, "stream"):
            self._lanes.stream = torch.cuda.Stream(self.device)
        return torch.cuda.stream(self._lanes.stream)

    def use_own_logits(self) -> None:
        """From now on take the logits as the model gives them: slower, and for models whose head is not understood."""
        self._head = None

    @property
    def head(self) -> Head | None:
        """What is applied to scored positions alone; None where the model gives its own logits."""
        return self._head

    def logits(self, batch: Sequence[Sequence[int]], **options: int) -> torch.Tensor:
        """The model's own logits of sequences of one length, shape (sequences, tokens, vocabulary)."""
        with torch.inference_mode():
            return self.model(input_ids=torch.tensor(batch, device=self.device), use_cache=False, **options).logits

    def fingerprint(self) -> str:
        """Hash of names, shapes and first values of all weights: training changes nearly every one of them."""
        digest = hashlib.blake2b(digest_size=6)
        for name, weight in self.model.named_parameters():
            sampled = weight.detach().flatten()[:_SAMPLED].float().cpu()
            digest.update(f"{name} {tuple(weight.shape)} {sampled.tolist()}\n".encode())
        return digest.hexdigest()

    def _costs(self, head: Head, batch: Sequence[Pass]) -> torch.Tensor:
        ids = padded(batch)
        # The hidden state at one position is about the token at the next.
        places = np.concatenate(
            [np.arange(one.first - 1, len(one.ids) - 1) + row * ids.shape[1] for row, one in enumerate(batch)]
        )
        targets = ids.reshape(-1)[places + 1]
        states = self.model.base_model(input_ids=self._there(ids), use_cache=False)
        return head.costs(states, self._there(places), self._there(targets))

    def _costs_by_own_logits(self, batch: Sequence[Pass]) -> torch.Tensor:
        return torch.cat([self._costs_alone(one) for one in batch])

    def _costs_alone(self, one: Pass) -> torch.Tensor:
        kept = {"logits_to_keep": one.tokens + 1} if self._keeps_logits else {}
        logits = self.logits([one.ids], **kept)[0, -one.tokens - 1 : -1]
        return token_costs(logits, torch.tensor(one.ids[one.first :], device=self.device))

    def _there(self, values: np.ndarray) -> torch.Tensor:
        # numpy has no types in the library's stubs.
        tensor: torch.Tensor = cast("Any", torch).from_numpy(values)
        # From pinned memory a copy does not wait for what the GPU is doing.
        return tensor.pin_memory().to(self.device, non_blocking=True) if self.device.type == "cuda" else tensor

    def _refusal(self, batch: Sequence[Pass]) -> DeviceFullError:
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        longest = max(len(one.ids) for one in batch)
        return DeviceFullError(
            f"no memory left on {self.device} for {len(batch)} x {longest} tokens of student {self.name!r}"
            + ("" if len(batch) > 1 else "; lower its max_length, or choose dtype bfloat16 or a smaller model")
        )


def _make_gpu_ready() -> None:
    # cuDNN's attention plans anew for every shape, some 70 ms, and no two batches are alike.
    torch.backends.cuda.enable_cudnn_sdp(enabled=False)
    # Every launch of a kernel gives up the interpreter, and gets it back late while texts are laid out.
    sys.setswitchinterval(_SWITCH_S)
    # One look for garbage through all that torch and transformers brought takes as long as four batches.
    gc.freeze()
    gc.set_threshold(_GARBAGE)


def _out_of_memory(error: RuntimeError) -> bool:
    # On a CPU it is a plain RuntimeError.
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
