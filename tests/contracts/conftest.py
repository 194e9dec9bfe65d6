"""What several tests are built on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import pytest

from preflect.engine.run_folder import RunFolder

from .distilabel_runs import Home, Traps, run_of_five_rows, run_traps

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

TinyKind = Literal["llama", "gpt2"]

CORPUS = """The cat sat on the mat. A train leaves the station at nine in the morning and arrives before noon.
Below is an instruction that describes a task. Write a response that appropriately completes the request.
### Instruction: ### Input: ### Response: USER: ASSISTANT: What is the sum of 12 and 30? The sum is 42.
Most people drink a glass of water when they are thirsty. Generate the instruction for the above response."""

CHAT = (
    "{{ bos_token }}{% for message in messages %}[{{ message.role }}] {{ message.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant]\n{% endif %}"
)


@pytest.fixture(scope="session")
def tiny_lm(tmp_path_factory: pytest.TempPathFactory) -> Callable[[TinyKind], Path]:
    """Folders of tiny untrained language models: `llama` puts BOS first and has a chat template, `gpt2` has neither."""
    made: dict[TinyKind, Path] = {}

    def folder(kind: TinyKind) -> Path:
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp(kind)
            save_tiny_lm(kind, made[kind])
        return made[kind]

    return folder


@pytest.fixture(scope="session")
def both_ways(tiny_lm: Callable[[TinyKind], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny model that has learnt to look at the token it is to guess: it is not a causal one."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertLMHeadModel

    folder = tmp_path_factory.mktemp("both_ways")
    tokenizer = cast("Any", AutoTokenizer).from_pretrained(tiny_lm("llama"))
    tokenizer.save_pretrained(folder)
    cast("Any", torch).manual_seed(7)
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    config = cast("Any", BertConfig)(vocab_size=len(tokenizer), is_decoder=False, **size)
    model: Any = BertLMHeadModel(config)
    ids = tokenizer([CORPUS], return_tensors="pt")["input_ids"]
    optimizer = cast("Any", torch.optim).Adam(model.parameters(), lr=1e-2)
    for _ in range(10):
        optimizer.zero_grad()
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
    model.save_pretrained(folder)
    return folder


def save_tiny_lm(kind: TinyKind, folder: Path) -> None:
    """Write one of the models of `tiny_lm`."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

    tokenizer = _tokenizer(bos=kind == "llama")
    size = len(tokenizer)
    cast("Any", torch).manual_seed(7)
    # Wider initial weights than usual: an untrained model that says the same everywhere would prove nothing.
    model: Any = (
        LlamaForCausalLM(
            LlamaConfig(
                vocab_size=size,
                hidden_size=32,
                intermediate_size=64,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
                max_position_embeddings=512,
                initializer_range=0.06,
            )
        )
        if kind == "llama"
        else GPT2LMHeadModel(
            GPT2Config(vocab_size=size, n_embd=32, n_layer=2, n_head=4, n_positions=512, initializer_range=0.08)
        )
    )
    model.save_pretrained(folder)
    cast("Any", tokenizer).save_pretrained(folder)


def _tokenizer(*, bos: bool) -> PreTrainedTokenizerFast:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    # The bindings of `tokenizers` are only partly typed.
    core = cast("Any", Tokenizer(models.BPE()))
    core.pre_tokenizer = cast("Any", pre_tokenizers.ByteLevel)(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = cast("Any", trainers.BpeTrainer)(
        vocab_size=400,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator([CORPUS] * 3, trainer)
    if bos:
        core.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<s>", eos_token="</s>")
    if bos:
        tokenizer.chat_template = CHAT
    return tokenizer


@pytest.fixture(scope="session")
def traps(tmp_path_factory: pytest.TempPathFactory) -> Traps:
    """Distilabel alone, and runs of ours on it."""
    return run_traps(Home(tmp_path_factory.mktemp("traps")), Home(tmp_path_factory.mktemp("alone")))


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run of five rows, ready for the steps of its one phase."""
    return run_of_five_rows(tmp_path)
