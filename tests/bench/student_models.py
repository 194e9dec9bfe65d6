"""Models with random weights, a tokenizer, and texts of realistic lengths for the benchmark of the student."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from functools import cache
from typing import Any, Literal, cast

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, PreTrainedTokenizerFast

from preflect.ports import ScoreQuery

Shape = Literal["50M", "GPT-2", "7B", "wide", "capped"]
SYLLABLES = [a + b for a in "bcdfghjklmnprstvwz" for b in "aeiou"]
CAP = 1.0


def words(rng: random.Random, count: int) -> list[str]:
    """Made-up words of one to four syllables."""
    return ["".join(rng.choices(SYLLABLES, k=rng.randint(1, 4))) for _ in range(count)]


class Prose:
    """Text whose words are as unevenly common as real ones."""

    def __init__(self, seed: int = 7) -> None:
        self._rng = random.Random(seed)
        self._words = words(self._rng, 30_000)
        self._weights = [1 / (rank + 3) for rank in range(len(self._words))]

    def text(self, count: int) -> str:
        return " ".join(self._rng.choices(self._words, self._weights, k=count))

    def length(self, median: int, sigma: float, most: int) -> int:
        return min(most, max(4, round(math.exp(self._rng.gauss(math.log(median), sigma)))))

    def queries(self, rows: int) -> Iterator[ScoreQuery]:
        """Both directions of each row: some 15 words of instruction and 110 of response, with a long tail."""
        for _ in range(rows):
            instruction, response = self.text(self.length(15, 0.6, 120)), self.text(self.length(110, 0.8, 700))
            for direction in ("forward", "reverse"):
                yield ScoreQuery(direction=direction, instruction=instruction, input=None, response=response)


def tokenizer(*, bos: bool = True) -> Any:
    """A byte-level BPE of 32,000 tokens, trained on prose; by choice it puts a token before each text."""
    core = cast("Any", Tokenizer).from_str(_trained())
    if bos:
        core.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<s>", eos_token="</s>")


@cache
def _trained() -> str:
    core = cast("Any", Tokenizer(models.BPE()))
    core.pre_tokenizer = cast("Any", pre_tokenizers.ByteLevel)(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = cast("Any", trainers.BpeTrainer)(
        vocab_size=32_000,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    prose = Prose(1)
    core.train_from_iterator((prose.text(1000) for _ in range(200)), trainer)
    return core.to_str()


def model(shape: Shape, device: str, dtype: torch.dtype) -> Any:
    """A model of that shape with random weights, on its device."""
    cast("Any", torch).manual_seed(7)
    with torch.device(device):
        made = cast("Any", AutoModelForCausalLM).from_config(_config(shape), dtype=dtype)
    return made.eval()


def _config(shape: Shape) -> Any:
    # Random weights this small say nearly the same everywhere, as the check of a student wants them to.
    match shape:
        case "50M":
            return _llama(512, 1408, 6, 8)
        case "7B":
            return _llama(4096, 11_008, 32, 32)
        case "wide":
            return _llama(1024, 2816, 4, 8, vocabulary=151_936)
        case "GPT-2":
            return GPT2Config(initializer_range=0.014)
        case "capped":
            from transformers import Gemma2Config

            return Gemma2Config(
                vocab_size=32_000, hidden_size=256, intermediate_size=512, num_hidden_layers=4, num_attention_heads=4,
                num_key_value_heads=2, head_dim=64, final_logit_softcapping=CAP, attn_logit_softcapping=None,
                initializer_range=0.04, sliding_window=128,
            )  # fmt: skip


def _llama(width: int, inner: int, layers: int, heads: int, vocabulary: int = 32_000) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=8192,
        initializer_range=0.4 / width**0.5,
    )


def inner_parameters(made: Any) -> int:
    """All but the embeddings, which are looked up, and the head, which only scored positions go through."""
    outer = {id(made.get_input_embeddings().weight), id(made.get_output_embeddings().weight)}
    return sum(weight.numel() for weight in made.parameters() if id(weight) not in outer)
