"""One exported language model in `onnxruntime`: sequences of token ids to likelihoods."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import onnxruntime

from preflect.adapters.onnx_folder import GRAPH, INPUT, OUTPUT
from preflect.adapters.padding import padded
from preflect.errors import DeviceFullError, InputError
from preflect.scoring.spans import Pass

# The library brings no types.
_RUNTIME: Final = cast("Any", onnxruntime)
_STATE: Final = _RUNTIME.capi.onnxruntime_pybind11_state
_FAILURES: Final[tuple[type[Exception], ...]] = (
    _STATE.Fail,
    _STATE.InvalidArgument,
    _STATE.InvalidGraph,
    _STATE.InvalidProtobuf,
    _STATE.NoSuchFile,
    _STATE.NotImplemented,
    _STATE.RuntimeException,
)
_SILENT: Final = 4
"""Below fatal errors nothing goes to stderr: all of it is raised too."""


class OnnxLm:
    """Implements `preflect.adapters.device_pool.Device`: padded on the right without a mask, as causal models allow."""

    lanes = 1

    def __init__(self, name: str, folder: Path, *, budget: int) -> None:
        """Load the graph. Raises: InputError: it cannot be loaded."""
        self._name = name
        self.budget = budget
        options = _RUNTIME.SessionOptions()
        options.log_severity_level = _SILENT
        # It keeps a plan for each shape, and hardly two batches have the same.
        options.enable_mem_pattern = False
        try:
            self._session = _RUNTIME.InferenceSession(folder / GRAPH, options, providers=["CPUExecutionProvider"])
        except _FAILURES as error:
            raise InputError(
                f"{str(folder / GRAPH)!r} cannot be loaded: {error}; export the model again into another folder"
            ) from error

    def mean_nlls(self, batch: Sequence[Pass]) -> list[float]:
        """As `Device.mean_nlls`. Raises: DeviceFullError."""
        try:
            (costs,) = self._session.run([OUTPUT], {INPUT: padded(batch)})
        except _FAILURES as error:
            if not _out_of_memory(error):
                raise
            raise self._refusal(batch) from error.with_traceback(None)
        return [_mean(row, one) for row, one in zip(costs, batch, strict=True)]

    def _refusal(self, batch: Sequence[Pass]) -> DeviceFullError:
        longest = max(len(one.ids) for one in batch)
        return DeviceFullError(
            f"no memory left for {len(batch)} x {longest} tokens of student {self._name!r}"
            + ("" if len(batch) > 1 else "; lower its max_length, or choose a smaller model")
        )


def _mean(costs: np.ndarray, one: Pass) -> float:
    # What a token costs stands where the one before it is read.
    return float(costs[one.first - 1 : len(one.ids) - 1].mean(dtype=np.float64))


def _out_of_memory(error: Exception) -> bool:
    # It has no exception of its own.
    return any(words in str(error) for words in ("bad_alloc", "bad allocation", "Failed to allocate memory"))
