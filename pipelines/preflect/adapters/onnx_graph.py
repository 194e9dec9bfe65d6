"""A causal language model as an ONNX graph from token ids to what each token costs: no logits leave it."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, cast

import torch
from torch import nn
from torch._higher_order_ops.scan import scan
from torch.export import Dim
from torch.nn.functional import pad

from preflect.adapters.causal_lm import CausalLm
from preflect.adapters.lm_head import Head, token_costs
from preflect.adapters.onnx_folder import GRAPH, INPUT, OUTPUT
from preflect.errors import InputError

_EXAMPLE: Final = torch.zeros((2, 9), dtype=torch.int64)
"""Any shape will do whose sides are neither alike nor 1."""
# The library's stubs leave them partly untyped.
_SCAN: Final = cast("Any", scan)
_EXPORT: Final = cast("Any", torch.onnx).export


def write_graph(lm: CausalLm, folder: Path) -> None:
    """Write the graph, and its weights beside it, for any number of sequences of any length.

    Raises: InputError: something in the model has no counterpart in ONNX.
    """
    shapes = ({0: Dim("batch"), 1: Dim("length")},)
    try:
        with torch.no_grad(), _quiet():
            program = _EXPORT(
                _NllGraph(lm).eval(),
                (_EXAMPLE,),
                dynamo=True,
                verbose=False,
                dynamic_shapes=shapes,
                input_names=[INPUT],
                output_names=[OUTPUT],
            )
    except torch.onnx.OnnxExporterError as error:
        # What follows the first lines is the exporter's advice to its developers.
        cause = str(error.__cause__ or error).strip().splitlines()[0]
        raise InputError(
            f"student {lm.name!r} cannot be written as ONNX: {cause}; score with --student transformers:MODEL"
        ) from error
    # One file holds no more than 2 GB.
    program.save(folder / GRAPH, external_data=True)


class _NllGraph(nn.Module):
    """From ids, shape (batch, length), to nats, shape (batch, length - 1)."""

    def __init__(self, lm: CausalLm) -> None:
        super().__init__()
        self._model = lm.model
        self._head = lm.head

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        targets = input_ids[:, 1:]
        return self._costs(input_ids, targets.flatten()).reshape(targets.shape)

    def _costs(self, input_ids: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        if self._head is None:
            logits = self._model(input_ids=input_ids, use_cache=False).logits
            return token_costs(logits[:, :-1].flatten(0, 1), targets)
        states = self._model.base_model(input_ids=input_ids, use_cache=False)
        return _costs_in_turn(self._head, self._head.hidden(states)[:, :-1].flatten(0, 1), targets)


def _costs_in_turn(head: Head, hidden: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """A few positions at a time, as a loop of the graph's own: all at once take gigabytes.

    Args: hidden has shape (positions, width), targets (positions,).
    """
    rows, positions = head.rows, targets.shape[0]
    more = rows - positions % rows
    hidden = pad(hidden, (0, 0, 0, more)).reshape(-1, rows, hidden.shape[-1])
    targets = pad(targets, (0, more)).reshape(-1, rows)

    def step(carried: torch.Tensor, chunk: tuple[torch.Tensor, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        # A loop has to carry something.
        return carried.clone(), token_costs(head.logits(chunk[0]), chunk[1])

    _, costs = _SCAN(step, torch.zeros(1), (hidden, targets))
    # Not a slice: its length would be a formula that nobody knows to be `positions`.
    return costs.flatten().index_select(0, torch.arange(positions))


@contextmanager
def _quiet() -> Generator[None]:
    """Without what the exporter tells its developers."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
