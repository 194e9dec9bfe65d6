"""The head of a causal language model, applied to a few positions at a time.

A whole batch times a whole vocabulary takes gigabytes, and most positions are not scored.
"""

from __future__ import annotations

import copy
from functools import cached_property
from typing import Any, Final, cast

import torch
from torch import nn
from torch.nn.functional import linear, pad

_MOST_BYTES: Final = 240_000_000
"""For all that the head makes at a time; with what torch rounds up it stays under 256 MB."""
_CPU_ROWS: Final = 128
"""On a CPU more rows at a time are no faster, and leave its caches."""
_LARGE: Final = 1000.0
"""Nats; models cap their logits at 30 or 50, and a cap hardly shows where logits are small."""
_ALIGNED: Final = 64
"""GPUs multiply matrices several times faster whose sides are multiples of this; GPT-2's vocabulary is not."""


class Head:
    """All that a model does to hidden states: its head, and what caps or scales the logits after it.

    It is the model itself around a body that returns the hidden states it is given, so nothing has to be known of the
    architecture. Whether that gives the model's own likelihoods is seen when the model is checked. Where nothing caps
    or scales the logits, which is tried out, the layer alone is asked: the model around it takes longer than a GPU.
    """

    def __init__(self, model: Any, *, rows: int | None = None) -> None:
        """Args: rows is how many positions are taken at a time; None: as many as the memory is meant to hold."""
        self._given = _Given()
        weight: torch.Tensor = model.get_output_embeddings().weight
        self._vocabulary, width = weight.shape
        self._tried = torch.linspace(-1, 1, width, dtype=weight.dtype, device=weight.device)[None]
        exact = _gpu_heads(model)
        self._layer: Final = next(iter(exact.values()), model.get_output_embeddings())
        self._model = copy.copy(model)
        # A table of its own: the parts themselves are shared with the model.
        self._model._modules = {**model._modules, **exact, model.base_model_prefix: self._given}  # noqa: SLF001
        # The logits, a copy of them in float32 where they are not, and the softmax.
        bytes_each = 8 if exact or model.dtype == torch.float32 else model.dtype.itemsize + 8
        most = max(1, _MOST_BYTES // (self._vocabulary * bytes_each))
        self.rows: Final = rows or (min(most, _CPU_ROWS) if model.device.type == "cpu" else most)
        """Positions that are taken at a time."""

    def costs(self, states: Any, places: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Negative log-likelihood of each target in nats, float32, shape (n,).

        Args: states is what the body returned for a batch, places counts its positions row by row, shape (n,).
        """
        hidden = self.hidden(states).flatten(0, 1).index_select(0, places)
        chunks = [slice(start, start + self.rows) for start in range(0, len(targets), self.rows)]
        return torch.cat([token_costs(self.logits(hidden[chunk]), targets[chunk]) for chunk in chunks])

    def hidden(self, states: Any) -> torch.Tensor:
        """The hidden states in what the body returned, shape (sequences, tokens, width)."""
        self._given.kind = type(states)
        return states.last_hidden_state

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Those of some positions, shape (positions, vocabulary), from their hidden states."""
        # Some bodies give float32 whatever the precision of the weights.
        logits = self._layer(hidden.to(self._tried.dtype)) if self._plain else self._whole(hidden)
        if logits.shape[-1] > self._vocabulary:
            # What stands behind the vocabulary is no token.
            logits[:, self._vocabulary :] = -torch.inf
        return logits

    @cached_property
    def _plain(self) -> bool:
        """Whether the logits are what the layer gives: seen on one position whose logits are larger than any cap."""
        hidden = self._tried * (_LARGE / self._layer(self._tried).abs().max()).to(self._tried.dtype)
        return torch.allclose(self._layer(hidden).float(), self._whole(hidden).float(), rtol=0.01, atol=1)

    def _whole(self, hidden: torch.Tensor) -> torch.Tensor:
        return self._model(inputs_embeds=hidden[None], use_cache=False).logits[0]


class _Given(nn.Module):
    """Stands where a model's body was."""

    kind: type[Any]
    """What the body returns."""

    def forward(self, *_: object, inputs_embeds: torch.Tensor, **__: object) -> Any:
        return self.kind(last_hidden_state=inputs_embeds)


def _gpu_heads(model: Any) -> dict[str, nn.Module]:
    """On a GPU, what takes the place of the head's layer."""
    heads = {name: part for name, part in model.named_children() if part is model.get_output_embeddings()}
    plain = {name: part for name, part in heads.items() if isinstance(part, nn.Linear)}
    return {name: _GpuLinear(part) for name, part in plain.items()} if model.device.type == "cuda" else {}


class _GpuLinear(nn.Module):
    """A linear layer whose sums are not rounded to half precision, with logits of 0 behind those of the vocabulary."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        more = -layer.out_features % _ALIGNED
        self._weight = pad(layer.weight.detach(), (0, 0, 0, more)) if more else layer.weight.detach()
        bias = cast("torch.Tensor | None", layer.bias)
        self._bias = None if bias is None else pad(bias.detach(), (0, more)).float()

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        if states.dtype == torch.float32:
            return linear(states, self._weight, self._bias)
        sums: torch.Tensor = torch.mm(states.flatten(0, -2), self._weight.T, torch.float32)
        if self._bias is not None:
            sums += self._bias
        return sums.view(*states.shape[:-1], -1)


def head_of(model: Any) -> Head | None:
    """The model's head apart from its body; None where it is not built of two such parts."""
    apart = model.base_model is not model and model.get_output_embeddings() is not None
    return Head(model) if apart else None


def token_costs(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Negative log-likelihood of each target in nats, by a softmax in float32 over logits of shape (n, vocabulary)."""
    likelihoods = torch.log_softmax(logits, dim=-1, dtype=torch.float32)
    return -likelihoods.gather(-1, targets[:, None])[:, 0]
