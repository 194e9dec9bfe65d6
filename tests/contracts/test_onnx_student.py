"""The student without torch: its graph, its export, and what it refuses."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from preflect.adapters.causal_lm import CausalLm
from preflect.adapters.chat_template import ChatTemplate
from preflect.adapters.onnx import OnnxScorer, check_onnx
from preflect.adapters.onnx_export import check_graph, export_student
from preflect.adapters.onnx_folder import read_card, read_tokenizer
from preflect.adapters.onnx_graph import write_graph
from preflect.adapters.onnx_lm import OnnxLm
from preflect.adapters.tokenizer import HubTokenizer, load_tokenizer
from preflect.adapters.transformers import TransformersScorer
from preflect.cli import main
from preflect.errors import InputError
from preflect.schemas import OnnxStudent, TransformersStudent
from preflect.schemas.models import Template
from preflect.scoring.spans import Pass

from .onnx_exports import exported

TinyLm = Callable[[str], Path]
SHAPES: Final = [(1, 1), (1, 2), (3, 2), (1, 128), (1, 129), (1, 130), (2, 65), (5, 33), (1, 512), (9, 17)]
"""Around the 128 positions that the head takes at a time, too."""


def student(folder: Path, template: Template = "alpaca", **options: Any) -> OnnxScorer:
    return OnnxScorer(OnnxStudent.model_validate({"model": str(folder), "template": template, **options}))


def lm_of(folder: Path) -> CausalLm:
    return CausalLm("tiny", cast("Any", AutoModelForCausalLM).from_pretrained(folder).eval())


# The graph


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("apart", [True, False], ids=["head apart", "own logits"])
def test_the_graph_gives_each_tokens_cost_at_any_shape_and_nothing_else(
    tiny_lm: TinyLm, tmp_path: Path, kind: str, apart: bool
) -> None:
    folder = exported(tiny_lm(kind)) if apart else tmp_path
    if not apart:
        lm = lm_of(tiny_lm(kind))
        lm.use_own_logits()
        write_graph(lm, tmp_path)
    session = cast("Any", onnxruntime).InferenceSession(folder / "model.onnx")
    assert [(one.name, one.shape, one.type) for one in session.get_inputs()] == [
        ("input_ids", ["batch", "length"], "tensor(int64)")
    ]
    assert [(one.name, one.shape, one.type) for one in session.get_outputs()] == [
        ("nll", ["batch", "length - 1"], "tensor(float)")
    ]
    model = cast("Any", AutoModelForCausalLM).from_pretrained(tiny_lm(kind)).double().eval()
    for shape in SHAPES:
        ids = torch.randint(0, 400, shape, generator=torch.Generator().manual_seed(7))
        (nll,) = session.run(None, {"input_ids": ids.numpy()})
        with torch.no_grad():
            likelihoods = model(ids).logits[:, :-1].log_softmax(-1)
        expected = -likelihoods.gather(-1, ids[:, 1:, None])[..., 0].numpy()
        assert nll.shape == (shape[0], shape[1] - 1)
        np.testing.assert_allclose(nll, expected, atol=1e-5, rtol=0)


def test_matrices_stand_beside_the_graph_whatever_their_size(tiny_lm: TinyLm) -> None:
    weights = sum(weight.nbytes for weight in lm_of(tiny_lm("llama")).model.parameters() if weight.ndim > 1)
    assert (exported(tiny_lm("llama")) / "model.onnx.data").stat().st_size >= weights


def test_a_batch_without_room_says_so_and_what_is_smaller_goes_on(tiny_lm: TinyLm) -> None:
    code = """
        import resource, sys
        from pathlib import Path
        from preflect.adapters.onnx_lm import OnnxLm
        from preflect.errors import DeviceFullError
        from preflect.scoring.spans import Pass

        lm = OnnxLm("tiny", Path(sys.argv[1]), budget=1)
        one = Pass((5,) * 512, 1)
        lm.mean_nlls([one])
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 100_000_000, resource.RLIM_INFINITY))
        try:
            lm.mean_nlls([one] * 64)
        except DeviceFullError as error:
            print(error, lm.mean_nlls([one]) != [])
    """
    ended = _python(code, exported(tiny_lm("llama")))
    assert (ended.stdout, ended.stderr) == ("no memory left for 64 x 512 tokens of student 'tiny' True\n", "")


# Without torch


def test_no_torch_and_no_transformers_are_imported_to_score(tiny_lm: TinyLm) -> None:
    code = """
        import asyncio, sys
        from preflect.ports import ScoreQuery
        from preflect.recipes.students import build_student, parse_student

        student = build_student(parse_student("onnx:" + sys.argv[1], template="chat"))
        query = ScoreQuery(direction="forward", instruction="Sum of 12 and 30?", input=None, response="It is 42.")
        pair = asyncio.run(student.score(query))
        print(pair.reason, {"torch", "transformers", "onnx", "onnxscript"} & {*sys.modules})
    """
    assert _python(code, exported(tiny_lm("llama"))).stdout == "None set()\n"


@pytest.mark.parametrize(
    ("absent", "command", "remedy"),
    [
        ("onnxruntime", ["score", "answers.jsonl", "--student", "onnx:export"], "pip install 'preflect[onnx]'"),
        ("tokenizers", ["score", "answers.jsonl", "--student", "onnx:export"], "pip install 'preflect[onnx]'"),
        ("onnxscript", ["student", "export", "model", "new"], "pip install 'preflect[onnx-export]'"),
        ("torch", ["student", "export", "model", "new"], "pip install 'preflect[onnx-export]'"),
    ],
)
def test_a_missing_extra_is_named_with_its_remedy(absent: str, command: list[str], remedy: str, tmp_path: Path) -> None:
    (tmp_path / "answers.jsonl").write_text('{"instruction": "Add 1 and 2.", "response": "It is 3."}\n')
    code = f"""
        import os, sys
        from preflect.cli import main

        sys.modules[{absent!r}] = None
        os.chdir(sys.argv[1])
        sys.exit(main({command!r}))
    """
    ended = _python(code, tmp_path)
    assert ended.returncode == 4
    assert remedy in ended.stderr


def _python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", textwrap.dedent(code), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


# The tokenizer


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def tokenizers(request: pytest.FixtureRequest, tiny_lm: TinyLm) -> tuple[HubTokenizer, HubTokenizer]:
    """The exported one, and the model's own."""
    folder = exported(tiny_lm(request.param))
    return read_tokenizer(folder, read_card(folder)), load_tokenizer(str(tiny_lm(request.param)), None)


@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=5))
@settings(max_examples=50)
def test_any_text_is_read_as_the_models_own_tokenizer_reads_it(
    tokenizers: tuple[HubTokenizer, HubTokenizer], texts: list[str]
) -> None:
    bare, own = tokenizers
    for special in (False, True):
        assert bare.encode(texts, special=special) == own.encode(texts, special=special)
    (ids, *_) = own.encode(texts)
    assert bare.decode(ids) == own.decode(ids)
    assert (bare.leading, bare.ids, bare.vocabulary) == (own.leading, own.ids, own.vocabulary)


TURNS: Final = [{"role": "user", "content": "a <b> & 'c' é"}, {"role": "assistant", "content": "\nd "}]


@pytest.mark.parametrize(
    "text",
    [
        "{% for m in messages %}\n    {% if m.role == 'user' %}\n{{ m.content | trim }}{% endif %}\n{% endfor %}",
        "{{ bos_token }}{% for m in messages %}{% if loop.index > 1 %}{% break %}{% endif %}{{ m|tojson }}{% endfor %}",
        "{{ messages | tojson(indent=2) }}{{ tools is none }}{{ documents is none }}{{ pad_token is defined }}",
        "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}.",
        "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}",
        "{{ strftime_now('%Y') }}{% if add_generation_prompt %}[assistant]{% endif %}",
    ],
)
def test_a_chat_template_gives_what_it_gives_in_transformers(tiny_lm: TinyLm, text: str) -> None:
    library = cast("Any", PreTrainedTokenizerFast).from_pretrained(tiny_lm("llama"))
    theirs = library.apply_chat_template(TURNS, chat_template=text, tokenize=False, add_generation_prompt=True)
    assert ChatTemplate(text, library.special_tokens_map).render(TURNS, add_generation_prompt=True) == theirs


def test_a_chat_template_that_gives_something_else_by_itself_is_left_out(
    tiny_lm: TinyLm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = shutil.copytree(tiny_lm("gpt2"), tmp_path / "model")
    # Microseconds: no two renderings are alike.
    (model / "chat_template.jinja").write_text("{{ strftime_now('%f') }}", encoding="utf-8")
    export_student(str(model), tmp_path / "export")
    assert "the chat template of model gives something else" in caplog.text
    with pytest.raises(InputError, match="has no chat template; choose template vicuna"):
        student(tmp_path / "export", "chat")


# The export


def test_the_command_writes_a_student_that_bears_the_models_name_and_revision(
    tiny_lm: TinyLm, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, target = tiny_lm("llama"), tmp_path / "deep" / "export"
    assert main(["student", "export", str(model), str(target), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    own = TransformersScorer(TransformersStudent(model=str(model), template="alpaca", device="cpu"))
    ours = student(target)
    assert (ours.name, ours.revision) == (own.name, own.revision) == (said["model"], said["revision"])
    assert sorted(path.name for path in target.iterdir()) == [
        "chat_template.jinja", "model.onnx", "model.onnx.data", "student.json", "tokenizer.json",
    ]  # fmt: skip
    assert said["bytes"] == sum(path.stat().st_size for path in target.iterdir())
    assert [path.name for path in target.parent.iterdir()] == ["export"]


def test_its_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["student", "export", "--help"]) == 0
    assert "Example: preflect student export " in capsys.readouterr().out


@pytest.mark.parametrize(("place", "message"), [("full", "is not empty; name a folder"), ("full/file", "is a file")])
def test_a_place_that_is_in_use_is_refused_before_anything_is_loaded(place: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("kept")
    with pytest.raises(InputError, match=message):
        export_student(str(tmp_path / "nowhere"), tmp_path / place)
    assert (tmp_path / "full" / "file").read_text() == "kept"


def test_a_model_that_cannot_be_had_or_is_not_causal_leaves_nothing_behind(both_ways: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="it is not a causal language model"):
        export_student(str(both_ways), tmp_path / "export")
    with pytest.raises(InputError, match=r"student '.*nowhere' cannot be loaded on cpu: "):
        export_student(str(tmp_path / "nowhere"), tmp_path / "export")
    assert [*tmp_path.iterdir()] == []


def test_a_graph_that_differs_from_its_model_is_refused_with_the_figure(tiny_lm: TinyLm) -> None:
    folder = exported(tiny_lm("llama"))
    lm, tokenizer = lm_of(tiny_lm("llama")), read_tokenizer(folder, read_card(folder))
    check_graph(folder, lm, tokenizer)
    with torch.no_grad():
        lm.model.lm_head.weight.mul_(1.01)
    with pytest.raises(InputError, match=r"is off by \d\.\de-0[23] nats per token, more than 1e-04; score with"):
        check_graph(folder, lm, tokenizer)


def test_what_onnx_has_no_counterpart_for_is_refused_in_one_line(tiny_lm: TinyLm, tmp_path: Path) -> None:
    class Either(torch.nn.Module):
        def forward(self, states: torch.Tensor) -> torch.Tensor:
            return states if states.sum().item() > 0 else -states

    lm = lm_of(tiny_lm("llama"))
    lm.model.model.norm = Either()
    with pytest.raises(InputError, match="student 'tiny' cannot be written as ONNX: ") as refused:
        write_graph(lm, tmp_path)
    assert "\n" not in str(refused.value)


# What is refused when it is read


def test_a_folder_that_is_no_export_is_refused(tiny_lm: TinyLm, tmp_path: Path) -> None:
    for folder in (tmp_path, tiny_lm("llama"), tmp_path / "nowhere"):
        with pytest.raises(InputError, match=r"is no exported student, it holds no student\.json; write one with"):
            student(folder)


@pytest.mark.parametrize(
    ("name", "kept", "message"),
    [
        ("student.json", 20, "is no card of an exported student"),
        ("tokenizer.json", 200, r"tokenizer\.json' cannot be read"),
        ("model.onnx", 200, r"model\.onnx' cannot be loaded"),
        ("model.onnx.data", 200, r"model\.onnx' cannot be loaded"),
    ],
)
def test_files_that_end_too_early_are_refused(
    tiny_lm: TinyLm, tmp_path: Path, name: str, kept: int, message: str
) -> None:
    copy = shutil.copytree(exported(tiny_lm("llama")), tmp_path / "copy")
    (copy / name).write_bytes((copy / name).read_bytes()[:kept])
    with pytest.raises(InputError, match=message):
        student(copy)


def test_weights_that_are_not_those_exported_are_refused(tiny_lm: TinyLm, tmp_path: Path) -> None:
    copy = shutil.copytree(exported(tiny_lm("llama")), tmp_path / "copy")
    weights = (copy / "model.onnx.data").read_bytes()
    (copy / "model.onnx.data").write_bytes(weights[:4000] + bytes(len(weights) - 4000))
    with pytest.raises(InputError, match=r"per token and cost .* its files are damaged or changed; export it again"):
        student(copy)


def test_an_export_of_a_later_format_is_refused(tiny_lm: TinyLm, tmp_path: Path) -> None:
    copy = shutil.copytree(exported(tiny_lm("llama")), tmp_path / "copy")
    card = json.loads((copy / "student.json").read_text())
    (copy / "student.json").write_text(json.dumps({**card, "format": 2}))
    with pytest.raises(InputError, match="format: Input should be 1; export the model again with this version"):
        student(copy)


@pytest.mark.parametrize(
    ("template", "options", "message"),
    [
        ("chat", {}, "has no chat template; choose template vicuna"),
        ("gpt2", {"max_length": 600}, "max_length 600 is more than the 512 positions of student"),
    ],
)
def test_what_is_wrong_is_found_without_the_weights_being_read(
    tiny_lm: TinyLm, tmp_path: Path, template: Template, options: dict[str, int], message: str
) -> None:
    copy = shutil.copytree(exported(tiny_lm("gpt2")), tmp_path / "copy")
    (copy / "model.onnx.data").write_bytes(b"not read yet")
    check_onnx(OnnxStudent(model=str(copy), template="gpt2"))
    with pytest.raises(InputError, match=message):
        check_onnx(OnnxStudent.model_validate({"model": str(copy), "template": template, **options}))


def test_a_sequence_costs_the_mean_of_its_scored_tokens(tiny_lm: TinyLm) -> None:
    lm = OnnxLm("tiny", exported(tiny_lm("llama")), budget=1)
    whole, first, rest = lm.mean_nlls([Pass((0, 5, 9, 7), 1), Pass((0, 5), 1), Pass((0, 5, 9, 7), 2)])
    assert 3 * whole == pytest.approx(first + 2 * rest, abs=1e-5)
