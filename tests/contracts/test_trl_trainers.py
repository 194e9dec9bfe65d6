"""TRL's real trainers take what is exported: two steps each on a tiny model made here, on the CPU, offline."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import TypeAdapter

from preflect.export import export_run
from preflect.grading import grade
from preflect.schemas import (
    ExportSpec,
    Grade,
    GraderSpec,
    Instruction,
    Message,
    NumberGrader,
    Pair,
    Response,
    Sample,
)

# TRL sets what transformers calls by another name by now.
pytestmark = pytest.mark.filterwarnings(
    "ignore:`(is_)?gradient_checkpointing(_disable|_enable)?` is deprecated:FutureWarning"
)

TEMPLATE = (
    "{% for message in messages %}<{{ message['role'] }}>{{ message['content'] }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "HF_DATASETS_DISABLE_PROGRESS_BARS"):
        monkeypatch.setenv(name, "1")


def samples() -> Iterator[Sample]:
    for number in range(24):
        asked = Instruction(
            messages=(Message(role="user", content=f"What is {number} + 3?"),),
            reference_answer=str(number + 3),
            grader=NumberGrader(),
        )
        right, wrong = (Response(instruction_id=asked.id, text=f"It is {number + more}.") for more in (3, 4))
        pair = Pair(
            instruction_id=asked.id,
            chosen_id=right.id,
            rejected_id=wrong.id,
            strategy="correct_incorrect",
            basis="grade",
            margin=1.0,
        )
        yield Sample(
            id=asked.id,
            index=number,
            instructions=(asked,),
            responses=(right, wrong),
            grades=(
                Grade(response_id=right.id, grader="number", score=1.0),
                Grade(response_id=wrong.id, grader="number", score=0.0),
            ),
            pairs=(pair,),
        )


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    export_run(samples(), tmp_path / "export", ExportSpec(test_fraction=0.25), seed=1)
    return tmp_path / "export"


@pytest.fixture
def load(exported: Path, tmp_path: Path) -> Callable[[str], Any]:
    import datasets

    def read(kind: str) -> Any:
        files = {side: str(exported / kind / f"{side}.parquet") for side in ("train", "test")}
        return cast("Any", datasets).load_dataset("parquet", data_files=files, cache_dir=str(tmp_path / "cache"))

    return read


@pytest.fixture
def tokenizer() -> Any:
    import tokenizers
    from transformers import PreTrainedTokenizerFast

    model = cast("Any", tokenizers).Tokenizer(tokenizers.models.BPE(unk_token="<unk>"))
    model.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = tokenizers.decoders.ByteLevel()
    special = ["<unk>", "<s>", "</s>", "<pad>", "<user>", "<assistant>", "<system>"]
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet()
    )
    model.train_from_iterator((f"{s.instruction.text} {s.responses[0].text}" for s in samples()), trainer)
    fast = cast("Any", PreTrainedTokenizerFast)(
        tokenizer_object=model, unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )
    fast.chat_template = TEMPLATE
    return fast


@pytest.fixture
def model(tokenizer: Any) -> Any:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    cast("Any", torch).manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=256,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return cast("Any", LlamaForCausalLM)(config)


def options(out: Path, **more: Any) -> dict[str, Any]:
    return {
        "output_dir": str(out / "trained"),
        "max_steps": 2,
        "per_device_train_batch_size": 4,
        "report_to": "none",
        "use_cpu": True,
        "bf16": False,
        "save_strategy": "no",
        "logging_steps": 1,
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
        **more,
    }


def losses(trainer: Any) -> list[float]:
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def test_the_sft_trainer_trains_on_the_assistants_words(
    load: Callable[[str], Any], model: Any, tokenizer: Any, tmp_path: Path
) -> None:
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    data = load("sft")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trainer: Any = cast("Any", SFTTrainer)(
        model=model,
        args=cast("Any", SFTConfig)(**options(tmp_path, max_length=64)),
        train_dataset=data["train"],
        eval_dataset=data["test"],
        processing_class=tokenizer,
    )
    trainer.train()
    assert trainer.state.global_step == 2
    assert all(math.isfinite(loss) and loss > 0 for loss in losses(trainer))
    assert any(not value.equal(before[name]) for name, value in model.state_dict().items())


def test_the_dpo_trainer_reads_prompt_chosen_and_rejected(
    load: Callable[[str], Any], model: Any, tokenizer: Any, tmp_path: Path
) -> None:
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.dpo_trainer import DPOTrainer

    data = load("dpo")
    trainer: Any = cast("Any", DPOTrainer)(
        model=model,
        ref_model=copy.deepcopy(model),
        args=cast("Any", DPOConfig)(**options(tmp_path, max_length=64, learning_rate=1e-2)),
        train_dataset=data["train"],
        eval_dataset=data["test"],
        processing_class=tokenizer,
    )
    trainer.train()
    assert trainer.state.global_step == 2
    # Before the first step the policy is its own reference: the loss is that of a coin.
    assert losses(trainer)[0] == pytest.approx(math.log(2), abs=1e-3)
    assert losses(trainer)[1] != pytest.approx(math.log(2), abs=1e-6)


def test_the_grpo_trainer_rewards_by_the_exported_grader(
    load: Callable[[str], Any], model: Any, tokenizer: Any, tmp_path: Path
) -> None:
    from trl.trainer.grpo_config import GRPOConfig
    from trl.trainer.grpo_trainer import GRPOTrainer

    specs = TypeAdapter[GraderSpec](GraderSpec)
    asked: list[tuple[str, str, float | None]] = []

    def reward(completions: list[Any], grader: list[str], reference_answer: list[str], **_: Any) -> list[float | None]:
        texts = [completion[0]["content"] for completion in completions]
        scores = [
            grade(specs.validate_json(spec), text, reference).score
            for spec, text, reference in zip(grader, texts, reference_answer, strict=True)
        ]
        asked.extend(zip(texts, reference_answer, scores, strict=True))
        return scores

    data = load("rft")
    trainer: Any = cast("Any", GRPOTrainer)(
        model=model,
        args=cast("Any", GRPOConfig)(**options(tmp_path, num_generations=2, max_completion_length=8)),
        reward_funcs=reward,
        train_dataset=data["train"],
        processing_class=tokenizer,
    )
    trainer.train()
    assert trainer.state.global_step == 2
    assert len(asked) == 8
    references = set(data["train"]["reference_answer"])
    assert all(reference in references and score in {0.0, 1.0} for _, reference, score in asked)
    row = data["train"][0]
    right = [{"role": "assistant", "content": f"The answer is {row['reference_answer']}."}]
    assert reward([right], [row["grader"]], [row["reference_answer"]]) == [1.0]


def test_datasets_loads_the_folder_as_it_is_even_where_no_row_is_tested_on(tmp_path: Path) -> None:
    import datasets

    export_run(samples(), tmp_path, ExportSpec(test_fraction=0.0), seed=1)
    data: Any = cast("Any", datasets).load_dataset(str(tmp_path / "dpo"), cache_dir=str(tmp_path / "cache"))
    assert {side: rows.num_rows for side, rows in data.items()} == {"train": 24}
    assert data["train"][0]["chosen"] == [{"role": "assistant", "content": "It is 3."}]
