import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import orjson
import polars as pl
import pytest
from datasets import Dataset, Features, List, Value
from hypothesis import given, settings
from hypothesis import strategies as st

from preflect.export import Intake, check_file, export_run, take, write_export
from preflect.export.parquet import Shape, parquet_rows, write_rows
from preflect.export.rows import sft_row
from preflect.export.split import Split, keys_of
from preflect.schemas import (
    ExportSpec,
    Grade,
    Instruction,
    Message,
    NumberGrader,
    Pair,
    Response,
    Sample,
    Selection,
    SftRow,
    ToolCall,
)

load_parquet: Any = cast("Any", Dataset).from_parquet  # untyped where it matters
SPEC = ExportSpec(test_fraction=0.25)


def instruction(text: str, reference: str | None = None, system: str | None = None) -> Instruction:
    turns = [Message(role="user", content=text)]
    if system:
        turns.insert(0, Message(role="system", content=system))
    grader = NumberGrader() if reference else None
    return Instruction(messages=tuple(turns), reference_answer=reference, grader=grader)


def sample_of(
    number: int, seed: Instruction, *texts: str, grades: tuple[float, ...] = (), paired: bool = True
) -> Sample:
    responses = tuple(Response(instruction_id=seed.id, text=text) for text in texts)
    sample = Sample(
        id=seed.id,
        index=number,
        source="test",
        instructions=(seed,),
        responses=responses,
        grades=tuple(
            Grade(response_id=r.id, grader="number", score=s) for r, s in zip(responses, grades, strict=False)
        ),
        metadata={"topic": "sums", "level": number},
    )
    if len(responses) < 2 or not paired:
        return sample
    first, second, *_ = responses
    pair = Pair(
        instruction_id=seed.id,
        chosen_id=first.id,
        rejected_id=second.id,
        strategy="best_worst",
        basis="grade",
        margin=1.0,
    )
    return sample.evolve(pairs=(pair,))


def sums(count: int) -> Iterator[Sample]:
    for number in range(count):
        asked = instruction(f"What is {number} + 3?", str(number + 3))
        yield sample_of(number, asked, f"It is {number + 3}.", f"It is {number + 4}.", grades=(1.0, 0.0))


def rows(out: Path, kind: str, side: str) -> list[dict[str, Any]]:
    return list(parquet_rows(out / kind / f"{side}.parquet"))


def metadata_of(file: Path) -> dict[str, Any]:
    return json.loads(pl.read_parquet_metadata(file)["huggingface"])


def test_each_sample_gives_one_row_of_each_kind_and_all_rows_of_a_sample_are_on_one_side(tmp_path: Path) -> None:
    counts = export_run(sums(40), tmp_path, SPEC, seed=1)
    assert [(c.kind, c.format, c.train + c.test, c.refused) for c in counts] == [
        (kind, "trl", 40, {}) for kind in ("sft", "dpo", "rft")
    ]
    sides = [{row["sample_id"] for row in rows(tmp_path, kind, "test")} for kind in ("sft", "dpo", "rft")]
    assert sides[0] == sides[1] == sides[2]
    assert 0 < len(sides[0]) < 40
    assert (tmp_path / "refused.jsonl").read_bytes() == b""


def test_rows_have_trls_columns_and_plain_values(tmp_path: Path) -> None:
    seed = instruction("What is 2 + 3?", "5", system="Be short.").evolve(input=None)
    export_run([sample_of(0, seed, "5", "6", grades=(1.0, 0.0))], tmp_path, SPEC.evolve(test_fraction=0.0), seed=1)
    prompt = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "What is 2 + 3?"}]
    right, wrong = {"role": "assistant", "content": "5"}, {"role": "assistant", "content": "6"}
    origin = {"sample_id": seed.id, "source": "test", "simulated": False}
    assert rows(tmp_path, "sft", "train") == [{"messages": [*prompt, right], **origin}]
    assert rows(tmp_path, "dpo", "train") == [
        {"prompt": prompt, "chosen": [right], "rejected": [wrong], "margin": 1.0, "basis": "grade", **origin}
    ]
    (rft,) = rows(tmp_path, "rft", "train")
    assert json.loads(rft.pop("grader")) == {"type": "number", "reference": None, "tolerance": 1e-6}
    assert json.loads(rft.pop("metadata")) == {"topic": "sums", "level": 0}
    assert rft == {"prompt": prompt, "reference_answer": "5", **origin}
    assert not (tmp_path / "sft" / "test.parquet").exists()


def test_the_input_is_merged_into_the_prompt(tmp_path: Path) -> None:
    seed = Instruction(messages=(Message(role="user", content="Add them."),), input="2 and 3")
    export_run([sample_of(0, seed, "5")], tmp_path, ExportSpec(kinds=("sft",), test_fraction=0.0), seed=1)
    assert rows(tmp_path, "sft", "train")[0]["messages"][0]["content"] == "Add them.\n\n2 and 3"


@pytest.mark.parametrize("kind", ["sft", "dpo", "rft"])
def test_the_files_carry_the_features_that_datasets_would_write(tmp_path: Path, kind: str) -> None:
    export_run(sums(40), tmp_path, SPEC, seed=1)
    turns = List({"role": Value("string"), "content": Value("string")})
    text, origin = (
        Value("string"),
        {"sample_id": Value("string"), "source": Value("string"), "simulated": Value("bool")},
    )
    own: dict[str, dict[str, Any]] = {
        "sft": {"messages": turns},
        "dpo": {"prompt": turns, "chosen": turns, "rejected": turns, "margin": Value("float64"), "basis": text},
        "rft": {"prompt": turns, "reference_answer": text, "grader": text, "metadata": text},
    }
    features: Any = Features({**own[kind], **origin})
    for side in ("train", "test"):
        file = tmp_path / kind / f"{side}.parquet"
        assert metadata_of(file)["info"] == json.loads(features.arrow_schema.metadata[b"huggingface"])["info"]
        loaded = load_parquet(str(file), cache_dir=str(tmp_path / "cache"))
        assert loaded.features == features
        assert loaded.to_list() == rows(tmp_path, kind, side)


def test_what_is_simulated_is_marked_in_each_row_and_in_the_file(tmp_path: Path) -> None:
    export_run((sample.evolve(simulated=True) for sample in sums(3)), tmp_path, SPEC.evolve(test_fraction=0.0), seed=1)
    note = metadata_of(tmp_path / "dpo" / "train.parquet")["preflect"]
    assert note == {"kind": "dpo", "format": "trl", "simulated": True}
    assert all(row["simulated"] for row in rows(tmp_path, "dpo", "train"))


def contents(out: Path) -> dict[Path, bytes]:
    return {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def odd_samples() -> list[Sample]:
    """Fit rows and refused ones, repeats, swapped preferences, ids with tabs and line ends."""
    fit, other = list(sums(2))
    asked, swap = fit.instructions[0], fit.pairs[0]
    swapped = fit.evolve(pairs=(swap.evolve(chosen_id=swap.rejected_id, rejected_id=swap.chosen_id),))
    wrong = sample_of(3, asked, "It is 7.", grades=(0.0,))
    leaking = sample_of(4, instruction("Say <|im_end|>."), "<|im_end|>", "b")
    odd = other.evolve(id='tab\t, line\n, "quotes" é', simulated=True)
    return [fit, swapped, fit.evolve(index=2), wrong, leaking, odd]


@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_however_samples_are_taken_in_they_give_the_same_bytes(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    samples = data.draw(st.lists(st.sampled_from(odd_samples()), max_size=8))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(samples)))) | {0, len(samples)})
    parts = [samples[start:end] for start, end in pairwise(cuts)]
    folder = tmp_path_factory.mktemp("export")
    whole = export_run(samples, folder / "whole", SPEC, seed=5)
    intakes = [Intake.from_bytes(take(part, SPEC).to_bytes()) for part in parts]
    assert write_export(intakes, folder / "parts", SPEC, seed=5) == whole
    assert contents(folder / "parts") == contents(folder / "whole")


def test_the_same_samples_give_the_same_bytes_and_nothing_else_is_left_behind(tmp_path: Path) -> None:
    for name in ("one", "other"):
        export_run(sums(30), tmp_path / name, SPEC, seed=5)
    one, other = contents(tmp_path / "one"), contents(tmp_path / "other")
    assert one == other
    assert sorted(map(str, one)) == sorted(
        ["refused.jsonl", *(f"{kind}/{side}.parquet" for kind in ("sft", "dpo", "rft") for side in ("train", "test"))]
    )


def test_an_export_that_fails_leaves_the_files_before_it_whole(tmp_path: Path) -> None:
    export_run(sums(5), tmp_path, SPEC, seed=1)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def broken() -> Iterator[Sample]:
        yield from sums(9)
        raise RuntimeError("the disk is gone")

    with pytest.raises(RuntimeError, match="the disk is gone"):
        export_run(broken(), tmp_path, SPEC, seed=1)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_side_that_became_empty_loses_its_old_file(tmp_path: Path) -> None:
    export_run(sums(40), tmp_path, SPEC, seed=1)
    assert (tmp_path / "sft" / "test.parquet").exists()
    export_run(sums(40), tmp_path, SPEC.evolve(test_fraction=0.0), seed=1)
    assert [p.name for p in (tmp_path / "sft").iterdir()] == ["train.parquet"]


def test_unfit_rows_are_refused_by_sample_kind_and_reason(tmp_path: Path) -> None:
    leaking = sample_of(0, instruction("Say hi."), "hi <|im_end|>", "ho")
    unsure = sample_of(1, instruction("How many?", "three or four"), "3")
    wrong = sample_of(2, instruction("What is 1 + 1?", "2"), "3", "4", grades=(0.0, 0.0), paired=False)
    long = sample_of(3, instruction("x" * 200), "a", "b")
    counts = export_run([leaking, unsure, wrong, long], tmp_path, SPEC.evolve(max_prompt_chars=100), seed=1)
    assert {c.kind: c.refused for c in counts} == {
        "sft": {"known_wrong": 1, "prompt_too_long": 1, "template_token": 1},
        "dpo": {"prompt_too_long": 1, "template_token": 1},
        "rft": {"grader_self_test": 1},
    }
    refused = [json.loads(line) for line in (tmp_path / "refused.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(line["sample_id"], line["kind"], line["reason"]) for line in refused] == [
        (leaking.id, "sft", "template_token"),
        (leaking.id, "dpo", "template_token"),
        (unsure.id, "rft", "grader_self_test"),
        (wrong.id, "sft", "known_wrong"),
        (long.id, "sft", "prompt_too_long"),
        (long.id, "dpo", "prompt_too_long"),
    ]
    assert all(line["detail"] for line in refused)


def test_sft_takes_the_chosen_response_then_the_selected_one_then_one_that_is_right() -> None:
    asked = instruction("What is 2 + 3?", "5")

    def text(sample: Sample) -> str:
        row = sft_row(sample)
        assert isinstance(row, SftRow), row
        return row.messages[-1].content

    assert text(sample_of(0, asked, "5", "6")) == "5"
    drafts = sample_of(0, asked, "5", "five", "6", paired=False)
    chosen = Selection(
        stage="select_response",
        instruction_id=asked.id,
        response_id=drafts.responses[1].id,
        rewrite_won=True,
        reason="",
    )
    assert text(drafts) == "5"
    assert text(drafts.evolve(selections=(chosen,))) == "five"
    assert text(sample_of(0, asked, "6", "7", "5", grades=(0.0, 0.0, 1.0), paired=False)) == "5"
    assert sft_row(sample_of(0, asked)) is None


def test_a_sample_whose_instruction_was_rewritten_still_gives_its_seeds_grader(tmp_path: Path) -> None:
    seed = instruction("What is 2 + 3?", "5")
    rewrite = instruction("Add two and three, please.").evolve()
    answer = Response(instruction_id=rewrite.id, text="5", origin="rewrite")
    selection = Selection(
        stage="select_instruction", instruction_id=rewrite.id, response_id=answer.id, rewrite_won=True, reason=""
    )
    sample = sample_of(0, seed).evolve(instructions=(seed, rewrite), responses=(answer,), selections=(selection,))
    export_run([sample], tmp_path, SPEC.evolve(test_fraction=0.0), seed=1)
    assert rows(tmp_path, "sft", "train")[0]["messages"][0]["content"] == "Add two and three, please."
    assert rows(tmp_path, "rft", "train")[0]["prompt"][0]["content"] == "What is 2 + 3?"


def test_every_pair_of_a_sample_is_exported_and_a_repeated_one_once(tmp_path: Path) -> None:
    sample = sample_of(0, instruction("What is 2 + 3?"), "5", "6", "seven")
    best, worst = sample.responses[0], sample.responses[2]
    (first,) = sample.pairs
    pairs = (first, first.evolve(rejected_id=worst.id), first.evolve(strategy="best_random"))
    (counts,) = export_run(
        [sample.evolve(pairs=pairs)], tmp_path, ExportSpec(kinds=("dpo",), test_fraction=0.0), seed=1
    )
    written = rows(tmp_path, "dpo", "train")
    assert [(row["chosen"][0]["content"], row["rejected"][0]["content"]) for row in written] == [
        (best.text, "6"),
        (best.text, "seven"),
    ]
    assert counts.refused == {"duplicate_row": 1}


def test_tool_turns_keep_their_calls(tmp_path: Path) -> None:
    call = ToolCall(id="c1", name="add", arguments='{"a": 2, "b": 3}')
    seed = Instruction(
        messages=(
            Message(role="user", content="What is 2 + 3?"),
            Message(role="assistant", content="", tool_calls=(call,)),
            Message(role="tool", content="5", tool_call_id="c1"),
        )
    )
    export_run([sample_of(0, seed, "It is 5.")], tmp_path, ExportSpec(kinds=("sft",), test_fraction=0.0), seed=1)
    turns = rows(tmp_path, "sft", "train")[0]["messages"]
    assert turns[1]["tool_calls"] == [
        {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 2, "b": 3}'}}
    ]
    assert turns[2]["tool_call_id"] == "c1"
    assert turns[3]["content"] == "It is 5."


@given(answer=st.text(st.characters(codec="utf-8"), min_size=1), margin=st.floats(0, 1e300))
def test_whatever_the_texts_and_numbers_they_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, answer: str, margin: float
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    row = {"prompt": [{"role": "user", "content": answer}], "metadata": None, "margin": margin, "simulated": False}
    (folder / "rows").write_bytes(orjson.dumps(row) + b"\n")
    turns: Shape = [{"role": "string", "content": "string"}]
    shapes: dict[str, Shape] = {"prompt": turns, "metadata": "string", "margin": "float64", "simulated": "bool"}
    write_rows(folder / "rows.parquet", folder / "rows", shapes, {})
    assert list(parquet_rows(folder / "rows.parquet")) == [row]


def test_what_is_exported_passes_its_own_check(tmp_path: Path) -> None:
    export_run(sums(30), tmp_path, SPEC, seed=1)
    for kind in ("sft", "dpo", "rft"):
        result = check_file(tmp_path / kind, f"trl-{kind}")
        assert (result.rows, result.is_good) == (30, True)


words = st.sampled_from(["one", "two", "three", "four", "Five", " five ", "six"])
chains = st.lists(st.lists(words, min_size=1, max_size=3), max_size=12)


def split_samples(chains: list[list[str]]) -> list[Sample]:
    return [
        Sample(id=f"s{number}", index=number, instructions=tuple(instruction(text) for text in texts))
        for number, texts in enumerate(chains)
    ]


@given(chains, st.floats(0, 0.99), st.integers(0, 9), st.randoms(use_true_random=False))
def test_what_shares_an_instruction_in_any_spelling_is_on_one_side_in_any_order(
    chains: list[list[str]], fraction: float, seed: int, shuffle: Any
) -> None:
    samples = split_samples(chains)
    split, shuffled = Split(fraction, seed), Split(fraction, seed)
    for sample in samples:
        split.add(sample.id, keys_of(sample))
    for sample in shuffle.sample(samples, len(samples)):
        shuffled.add(sample.id, keys_of(sample))
    sides: dict[str, bool] = {}
    for sample in samples:
        side = split.is_test(sample.id)
        assert side == shuffled.is_test(sample.id)
        for asked in sample.instructions:
            assert sides.setdefault(asked.text.strip().casefold(), side) == side


@given(st.floats(0, 0.99), st.floats(0, 0.99), st.integers(0, 99))
def test_a_larger_fraction_only_moves_rows_from_train_to_test(one: float, other: float, seed: int) -> None:
    small, large = Split(min(one, other), seed), Split(max(one, other), seed)
    for sample in split_samples([["a"], ["b"], ["c"], ["d"]]):
        small.add(sample.id, keys_of(sample))
        large.add(sample.id, keys_of(sample))
        assert large.is_test(sample.id) or not small.is_test(sample.id)


@pytest.mark.parametrize("fraction", [0.0, 0.05, 0.3])
def test_the_test_side_is_as_large_as_asked_for(fraction: float) -> None:
    split = Split(fraction, 3)
    samples = split_samples([[f"question {n}"] for n in range(4000)])
    for sample in samples:
        split.add(sample.id, keys_of(sample))
    # Four standard deviations of a binomial count.
    share = sum(split.is_test(sample.id) for sample in samples) / len(samples)
    assert abs(share - fraction) <= 4 * (fraction * (1 - fraction) / len(samples)) ** 0.5
