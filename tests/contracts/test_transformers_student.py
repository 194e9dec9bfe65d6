"""The real student against an independent reference in float64, and what it refuses."""

from __future__ import annotations

import json
import logging
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

import pytest
import torch

from preflect.adapters.causal_lm import CausalLm
from preflect.adapters.causal_lm_check import check_causal_lm
from preflect.adapters.causal_lm_loading import with_quick_parts
from preflect.adapters.tokenizer import load_tokenizer
from preflect.adapters.transformers import TransformersScorer, check_transformers
from preflect.errors import InputError, MissingPartError
from preflect.ports import ScoreQuery
from preflect.schemas import Instruction, Message, Response, TransformersStudent
from preflect.schemas.models import Template
from preflect.scoring import ifd_ppl, query_for
from preflect.scoring.spans import Pass

from .reference_student import ReferenceStudent

TinyLm = Callable[[str], Path]

PAIRS = [
    ("What is the sum of 12 and 30?", None, "The sum of 12 and 30 is 42."),
    ("Sum up the text.", "A train leaves the station at nine in the morning.", "Train at nine."),
    ("Translate into German: the cat sat on the mat", None, "Die Katze saß auf der Matte."),
    ("Write a long list.", None, "A cat, a mat, a train, a station, a glass of water; " * 12),
    ("List both.", None, "\n- one\n- two\n"),
]


def student(folder: Path, template: Template, max_length: int | None = None) -> TransformersScorer:
    return TransformersScorer(
        TransformersStudent(model=str(folder), template=template, max_length=max_length, device="cpu")
    )


async def test_the_turns_of_a_conversation_keep_their_roles_in_the_chat_template(tiny_lm: TinyLm) -> None:
    turns = [("system", "Be short."), ("user", "Sum of 12 and 30?"), ("assistant", "42."), ("user", "And of 9?")]
    asked = Instruction(
        messages=tuple(Message.model_validate({"role": role, "content": said}) for role, said in turns), input="12 and"
    )
    query = query_for(asked, Response(instruction_id=asked.id, text="The sum is 42."), "forward")
    reference = ReferenceStudent(tiny_lm("llama"), "chat", 512)
    prompt = reference.tokenizer.apply_chat_template(
        [{"role": role, "content": said} for role, said in turns[:-1]]
        + [{"role": "user", "content": "And of 9?\n\n12 and"}],
        tokenize=False,
        add_generation_prompt=True,
    )
    assert prompt.count("[user]") == 2
    pair = await student(tiny_lm("llama"), "chat").score(query)
    assert (pair.conditioned, pair.unconditioned) == pytest.approx(
        reference.texts(prompt, "The sum is 42.").losses, abs=1e-5
    )


async def test_a_conversation_that_the_chat_template_refuses_has_no_score_and_the_rest_has(
    tiny_lm: TinyLm, tmp_path: Path
) -> None:
    strict = shutil.copytree(tiny_lm("llama"), tmp_path / "strict")
    template = (strict / "chat_template.jinja").read_text(encoding="utf-8")
    refusal = "{% if messages[0].role == 'system' %}{{ raise_exception('no system turn') }}{% endif %}"
    (strict / "chat_template.jinja").write_text(refusal + template, encoding="utf-8")
    scorer = student(strict, "chat")
    user, system = Message(role="user", content="Sum of 12 and 30?"), Message(role="system", content="Be short.")

    async def reason(*messages: Message) -> str | None:
        asked = Instruction(messages=messages)
        answer = Response(instruction_id=asked.id, text="The sum is 42.")
        return (await scorer.score(query_for(asked, answer, "forward"))).reason

    assert await reason(system, user) == "unscorable:chat_template"
    assert await reason(user) is None


async def test_a_line_break_that_merges_with_the_prompts_is_left_out_where_nothing_stands_before_it(
    tiny_lm: TinyLm,
) -> None:
    # Behind `gpt2`'s closing line break, a response that begins with one is cut into other tokens than alone.
    query = ScoreQuery(direction="forward", instruction="List both.", input=None, response="\n\n\n- one\n- two\n")
    pair = await student(tiny_lm("gpt2"), "gpt2").score(query)
    assert pair.conditioned_tokens == pair.unconditioned_tokens > 0


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
async def test_half_precision_is_near_and_says_so_in_the_revision(
    tiny_lm: TinyLm, dtype: Literal["bfloat16", "float16"]
) -> None:
    folder = tiny_lm("llama")
    query = ScoreQuery(direction="forward", instruction=PAIRS[0][0], input=None, response=PAIRS[0][2])
    full = student(folder, "alpaca")
    half = TransformersScorer(TransformersStudent(model=str(folder), template="alpaca", dtype=dtype, device="cpu"))
    assert ifd_ppl(await half.score(query)) == pytest.approx(ifd_ppl(await full.score(query)), abs=0.05)
    assert half.revision.endswith(f"+{dtype}")


def test_only_a_length_that_is_not_the_usual_one_stands_in_the_revision(tiny_lm: TinyLm) -> None:
    def revision(length: int | None) -> str:
        spec = TransformersStudent(model=str(tiny_lm("llama")), template="alpaca", max_length=length, device="cpu")
        return TransformersScorer(spec).revision

    usual = revision(None)
    assert "max_length" not in usual
    # As many as the tiny model has positions.
    assert revision(512) == usual
    assert revision(100) == f"{usual}+max_length=100"


def test_weights_that_differ_have_different_revisions(tiny_lm: TinyLm) -> None:
    assert student(tiny_lm("llama"), "alpaca").revision != student(tiny_lm("gpt2"), "alpaca").revision


def test_a_folder_is_named_without_its_path(tiny_lm: TinyLm) -> None:
    folder = tiny_lm("llama")
    assert student(folder, "alpaca").name == folder.name


@pytest.mark.parametrize("absent", ["torch", "transformers"])
def test_a_missing_extra_is_named_with_its_remedy(
    tiny_lm: TinyLm, monkeypatch: pytest.MonkeyPatch, absent: str
) -> None:
    folder = tiny_lm("llama")
    monkeypatch.setitem(sys.modules, absent, None)
    with pytest.raises(MissingPartError, match=r"pip install 'preflect\[student\]'"):
        student(folder, "alpaca")


def test_a_tokenizer_without_a_chat_template_is_refused_for_template_chat(tiny_lm: TinyLm) -> None:
    with pytest.raises(InputError, match="has no chat template; choose template vicuna, alpaca, wiz or gpt2"):
        student(tiny_lm("gpt2"), "chat")


def test_a_chat_template_that_fails_is_refused(tiny_lm: TinyLm, tmp_path: Path) -> None:
    broken = shutil.copytree(tiny_lm("llama"), tmp_path / "broken")
    (broken / "chat_template.jinja").write_text("{{ raise_exception('no user turns') }}", encoding="utf-8")
    with pytest.raises(InputError, match=r"chat template of student .* fails: no user turns"):
        student(broken, "chat")


def test_a_model_that_is_not_there_is_the_users_affair(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"student '.*nowhere' cannot be loaded on cpu: .*; give the folder"):
        student(tmp_path / "nowhere", "alpaca")


def test_damaged_weights_are_the_users_affair(tiny_lm: TinyLm, tmp_path: Path) -> None:
    damaged = shutil.copytree(tiny_lm("llama"), tmp_path / "damaged")
    weights = damaged / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(InputError, match="cannot be loaded"):
        student(damaged, "alpaca")


def test_a_length_beyond_the_models_positions_is_refused(tiny_lm: TinyLm) -> None:
    with pytest.raises(InputError, match="max_length 600 is more than the 512 positions"):
        student(tiny_lm("gpt2"), "gpt2", 600)


def test_a_tokenizer_with_more_ids_than_the_model_knows_is_refused(tiny_lm: TinyLm, tmp_path: Path) -> None:
    smaller = _changed(tiny_lm("llama"), tmp_path, lambda model: model.resize_token_embeddings(60))
    with pytest.raises(InputError, match="put the tokenizer that the model was trained with beside it"):
        student(smaller, "alpaca")


def test_losses_above_those_of_guessing_are_refused(tiny_lm: TinyLm, tmp_path: Path) -> None:
    # Sure of the wrong thing, as a trained model is when its tokens mean something else to the tokenizer.
    wrong = _changed(tiny_lm("llama"), tmp_path, lambda model: model.lm_head.weight.data.mul_(20))
    with pytest.raises(InputError, match="tokenizer and model do not belong together"):
        student(wrong, "alpaca")


def test_losses_a_little_above_those_of_guessing_are_refused_too(tiny_lm: TinyLm, tmp_path: Path) -> None:
    wrong = _changed(tiny_lm("llama"), tmp_path, lambda model: model.lm_head.weight.data.mul_(2))
    with pytest.raises(InputError, match=r"plain English costs 6\.\d\d nats per token, guessing costs 5\.99"):
        student(wrong, "alpaca")


def test_a_model_that_is_no_better_than_guessing_is_used_with_a_warning(
    tiny_lm: TinyLm, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="preflect"):
        student(tiny_lm("llama"), "alpaca")
    assert "no better than guessing" in caplog.text


def test_a_tokenizer_that_does_not_read_back_its_text_is_refused(tiny_lm: TinyLm, tmp_path: Path) -> None:
    lower = shutil.copytree(tiny_lm("llama"), tmp_path / "lower")
    definition = json.loads((lower / "tokenizer.json").read_text(encoding="utf-8"))
    definition["normalizer"] = {"type": "Lowercase"}
    (lower / "tokenizer.json").write_text(json.dumps(definition), encoding="utf-8")
    with pytest.raises(InputError, match=r"reads 'The train .*' back as 'the train"):
        student(lower, "alpaca")


def test_a_model_that_reads_in_both_directions_is_refused(both_ways: Path) -> None:
    with pytest.raises(InputError, match="it is not a causal language model"):
        student(both_ways, "alpaca")


def _changed(folder: Path, tmp_path: Path, change: Callable[[Any], object]) -> Path:
    from transformers import AutoModelForCausalLM

    changed = shutil.copytree(folder, tmp_path / "changed")
    model = cast("Any", AutoModelForCausalLM).from_pretrained(folder)
    change(model)
    model.save_pretrained(changed)
    return changed


# Before a run begins


def test_a_usable_student_passes_without_its_weights_being_read(tiny_lm: TinyLm, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny_lm("llama"), tmp_path / "copy")
    (copy / "model.safetensors").write_bytes(b"not read yet")
    check_transformers(TransformersStudent(model=str(copy), template="chat", device="cpu"))


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("gpt2", {"template": "chat"}, "has no chat template; choose template vicuna"),
        ("gpt2", {"template": "gpt2", "max_length": 4096}, "max_length 4096 is more than the 512 positions"),
        ("llama", {"device": "cuda:99"}, "cannot be loaded on cuda:99: "),
        ("nowhere", {}, r"student '.*nowhere' cannot be loaded on cpu: .*; give the folder"),
        ("empty", {}, "cannot be loaded on cpu: "),
        ("weightless", {}, "the folder holds no weights, neither .safetensors nor .bin"),
    ],
)
def test_what_is_wrong_with_a_student_is_found_without_its_weights(
    kind: str, options: dict[str, Any], message: str, tiny_lm: TinyLm, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    ignored = shutil.ignore_patterns("*.safetensors")
    shutil.copytree(tiny_lm("llama"), tmp_path / "weightless", ignore=ignored)
    folder = tiny_lm("llama" if kind == "llama" else "gpt2") if kind in {"llama", "gpt2"} else tmp_path / kind
    spec = TransformersStudent.model_validate({"model": str(folder), "device": "cpu", **options})
    with pytest.raises(InputError, match=message):
        check_transformers(spec)


# Half precision, and heads that are more than a matrix


async def test_in_half_precision_an_exact_question_is_answered_in_float32(tiny_lm: TinyLm) -> None:
    folder = str(tiny_lm("llama"))
    half = TransformersScorer(TransformersStudent(model=folder, template="alpaca", dtype="bfloat16", device="cpu"))
    full = student(tiny_lm("llama"), "alpaca")
    query = ScoreQuery(direction="forward", instruction=PAIRS[0][0], input=None, response=PAIRS[0][2], exact=True)
    exact, usual = await half.score(query), await half.score(replace(query, exact=False))
    assert exact.conditioned == pytest.approx((await full.score(query)).conditioned, abs=1e-6)
    assert exact.conditioned != usual.conditioned
    assert (half.noise, full.noise) == (0.05, 0.0)


def test_logits_that_are_capped_after_the_head_are_the_models_own(tiny_lm: TinyLm) -> None:
    from transformers import Gemma2Config, Gemma2ForCausalLM

    config = Gemma2Config(
        vocab_size=400, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, final_logit_softcapping=0.5, initializer_range=0.2, sliding_window=16,
    )  # fmt: skip
    cast("Any", torch).manual_seed(0)  # of some random weights plain English costs more than guessing
    lm = CausalLm("capped", cast("Any", Gemma2ForCausalLM(config)).eval())
    check_causal_lm(lm, load_tokenizer(str(tiny_lm("llama")), None))
    assert lm.head is not None
    _costs_as_alone(lm)


def test_a_cap_far_above_the_logits_of_the_models_first_texts_is_not_overlooked() -> None:
    from transformers import Gemma2Config, Gemma2ForCausalLM

    config = Gemma2Config(
        vocab_size=400, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, final_logit_softcapping=30.0, initializer_range=0.02,
    )  # fmt: skip
    lm = CausalLm("capped", cast("Any", Gemma2ForCausalLM(config)).eval())
    lm.mean_nlls([Pass((2, 3, 4), 1)])
    assert lm.head is not None
    with torch.inference_mode():
        assert lm.head.logits(torch.full((1, 32), 1e4)).abs().max() <= 30


def test_a_body_that_gives_float32_whatever_its_weights_are_keeps_the_quick_head() -> None:
    from transformers import MambaConfig, MambaForCausalLM

    config = MambaConfig(vocab_size=400, hidden_size=32, state_size=4, num_hidden_layers=1, residual_in_fp32=True)
    model = cast("Any", MambaForCausalLM(config)).to(torch.bfloat16).eval()
    lm = CausalLm("mamba", model)
    ids = tuple(range(2, 20))
    (cost,) = lm.mean_nlls([Pass(ids, 1)])
    own = torch.nn.functional.cross_entropy(lm.logits([ids])[0, :-1].float(), torch.tensor(ids[1:]))
    assert cost == pytest.approx(own.item(), abs=0.05)


def test_a_tokenizer_that_was_saved_to_cut_and_pad_does_neither(tiny_lm: TinyLm, tmp_path: Path) -> None:
    from tokenizers import Tokenizer

    folder = shutil.copytree(tiny_lm("llama"), tmp_path / "cuts")
    whole = load_tokenizer(str(folder), None).encode(["The sum of 12 and 30 is 42.", "Train"])
    core = cast("Any", Tokenizer).from_file(str(folder / "tokenizer.json"))
    core.enable_truncation(3)
    core.enable_padding(length=20)
    core.save(str(folder / "tokenizer.json"))
    assert load_tokenizer(str(folder), None).encode(["The sum of 12 and 30 is 42.", "Train"]) == whole
    assert len(whole[0]) > 3
    assert len(whole[1]) < 20


def test_a_model_whose_head_is_not_understood_gives_its_own_logits(tiny_lm: TinyLm) -> None:
    from transformers import LlamaForCausalLM

    def halved(_: Any, _args: Any, given: Any, out: Any) -> Any:
        out.logits = out.logits * (0.5 if "input_ids" in given else 1.0)
        return out

    model = cast("Any", LlamaForCausalLM).from_pretrained(tiny_lm("llama")).eval()
    model.register_forward_hook(halved, with_kwargs=True)
    lm = CausalLm("halved", model)
    check_causal_lm(lm, load_tokenizer(str(tiny_lm("llama")), None))
    assert lm.head is None
    _costs_as_alone(lm)


def _costs_as_alone(lm: CausalLm) -> None:
    passes = [Pass(tuple(range(2, end)), first) for end, first in ((40, 1), (30, 12), (12, 7))]
    logits = [lm.logits([one.ids])[0, one.first - 1 : -1].double() for one in passes]
    ids = [torch.tensor(one.ids[one.first :]) for one in passes]
    alone = [torch.nn.functional.cross_entropy(rows, there).item() for rows, there in zip(logits, ids, strict=True)]
    assert lm.mean_nlls(passes) == pytest.approx(alone, abs=1e-5, rel=0)


def test_gpt2s_activation_in_one_step_is_the_same_function() -> None:
    from transformers.activations import NewGELUActivation

    slow: Any = torch.nn.Sequential(NewGELUActivation())
    points = torch.linspace(-6, 6, 500, dtype=torch.float64)
    expected = slow(points)
    assert torch.allclose(with_quick_parts(slow)(points), expected, atol=1e-12)
    assert not isinstance(slow[0], NewGELUActivation)
