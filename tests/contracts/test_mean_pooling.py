"""Embeddings by a real model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from preflect.adapters.mean_pooling import MeanPooling
from preflect.errors import InputError
from preflect.recipes.students import build_embedder

TEXTS = ["The cat sat on the mat.", "A train leaves the station.", "The cat sat on the mat, and the sum is 42.", ""]


def test_a_text_is_the_mean_of_its_tokens_whatever_stands_beside_it(tiny_lm: Callable[[str], Path]) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = tiny_lm("gpt2")
    tokenizer, model = (
        cast("Any", AutoTokenizer).from_pretrained(folder),
        cast("Any", AutoModel).from_pretrained(folder),
    )
    with torch.inference_mode():
        states = model(input_ids=torch.tensor([tokenizer(TEXTS[0])["input_ids"]])).last_hidden_state[0].double()
    expected = states.mean(dim=0) / states.mean(dim=0).norm()
    embedder = MeanPooling(str(folder))
    together, alone = embedder.embed(TEXTS), embedder.embed(TEXTS[:1])
    assert together.shape == (4, 32)
    assert together[0].tolist() == pytest.approx(expected.tolist(), abs=1e-5)
    assert alone[0].tolist() == pytest.approx(together[0].tolist(), abs=1e-5)
    assert np.linalg.norm(together, axis=1).tolist() == pytest.approx([1.0] * 4)


def test_a_model_that_is_not_there_is_the_users_affair(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"embeddings by transformers:.*it cannot be loaded"):
        build_embedder(f"transformers:{tmp_path}")


def test_the_default_needs_no_model() -> None:
    assert build_embedder("hashed").name == "hashed"
