"""Causal language models from a folder or the Hub onto their devices, through `transformers`."""

from __future__ import annotations

import copy
import logging
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, cast

import torch
from safetensors import SafetensorError
from torch.nn import GELU
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.activations import NewGELUActivation
from transformers.utils import logging as library

from preflect.adapters.causal_lm import CausalLm
from preflect.errors import InputError
from preflect.schemas import TransformersStudent

_log = logging.getLogger(__name__)
# The library's stubs leave it partly untyped.
_MODELS: Final = cast("Any", AutoModelForCausalLM)
_CONFIGS: Final = cast("Any", AutoConfig)


def load_causal_lms(spec: TransformersStudent, *, weights: bool = True) -> list[CausalLm]:
    """The student's model, ready to compute: one copy on each device.

    Args: without weights the model has its shapes alone, which takes no memory and cannot score.
    Raises: InputError: no such model, not a causal one, or no room for it.
    """
    _log.info("loading student %s", spec.model)
    devices = _devices(spec.device)
    try:
        with _no_progress_bars():
            models = _copies(_weighty(spec), devices) if weights else [_weightless(spec, devices[0])]
    # torch that was built for other devices raises AssertionError.
    except (AssertionError, ImportError, OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise InputError(
            f"student {spec.model!r} cannot be loaded on {devices[0]}: {error}; give the folder of a causal language "
            "model with its tokenizer, or its name on the Hub"
        ) from error
    return [CausalLm(spec.model, model, budget=spec.batch_tokens) for model in models]


def _devices(device: str) -> Sequence[str]:
    """Those that `device` names; `auto` is every GPU, and the CPU where there is none."""
    if device != "auto":
        return (device,)
    return tuple(f"cuda:{number}" for number in range(torch.cuda.device_count())) or ("cpu",)


def _copies(model: Any, devices: Sequence[str]) -> list[Any]:
    others = [copy.deepcopy(model).to(device) for device in devices[1:]]
    return [model.to(devices[0]), *others]


def _weighty(spec: TransformersStudent) -> Any:
    attention = {"attn_implementation": spec.attention} if spec.attention else {}
    model = _MODELS.from_pretrained(spec.model, revision=spec.revision, dtype=spec.dtype, **attention).eval()
    return with_quick_parts(model)


def with_quick_parts(model: Any) -> Any:
    """The model, its GELU in one step where it takes eight, as GPT-2's does: the same formula."""
    for part in list(model.modules()):
        for name, inner in part.named_children():
            if isinstance(inner, NewGELUActivation):
                setattr(part, name, GELU(approximate="tanh"))
    return model


def _weightless(spec: TransformersStudent, device: str) -> Any:
    folder = Path(spec.model)
    if folder.is_dir() and not any(path.suffix in {".safetensors", ".bin"} for path in folder.iterdir()):
        raise ValueError("the folder holds no weights, neither .safetensors nor .bin")
    torch.empty(0, device=device)
    config = _CONFIGS.from_pretrained(spec.model, revision=spec.revision)
    with torch.device("meta"):
        return _MODELS.from_config(config)


@contextmanager
def _no_progress_bars() -> Generator[None]:
    shown = library.is_progress_bar_enabled()
    library.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            library.enable_progress_bar()
