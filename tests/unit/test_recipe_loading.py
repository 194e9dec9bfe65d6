import shutil
from pathlib import Path

import pytest

from preflect.adapters.shipped import shipped
from preflect.errors import RecipeError
from preflect.recipes import check_order, load_recipe, read_recipe
from preflect.recipes.locate import Source
from preflect.schemas import JudgeAspects, OpenAIModel, Respond

GOOD = """\
name: demo
seed: 7
input: {path: seeds.jsonl}
models:
  teacher: {kind: openai, model: gpt-4.1-mini, concurrency: 8}
  judge:
    kind: openai
    model: gpt-4.1
  student: {kind: ppm}
stages:
  - {stage: respond, model: teacher, samples: 2}
  - stage: judge_aspects
    model: judge
  - {stage: pair, strategy: best_worst}
"""


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(text: str) -> Path:
    path = Path("recipe.yaml")
    path.write_text(text, encoding="utf-8")
    return path


def faults(text: str, *settings: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        read_recipe(write(text), settings)
    return str(caught.value).splitlines()


def order_faults(text: str, *, has_response: bool = False) -> list[str]:
    loaded = load_recipe(write(text))
    with pytest.raises(RecipeError) as caught:
        check_order(loaded.recipe, has_response=has_response, source=loaded.source)
    return str(caught.value).splitlines()


def notes(text: str, *, has_response: bool = False) -> tuple[str, ...]:
    loaded = load_recipe(write(text))
    return check_order(loaded.recipe, has_response=has_response, source=loaded.source)


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


# What is read


def test_a_good_recipe_becomes_the_record_it_says() -> None:
    recipe = read_recipe(write(GOOD))
    assert recipe.name == "demo"
    assert recipe.models["teacher"] == OpenAIModel(model="gpt-4.1-mini", concurrency=8)
    assert recipe.stages[:2] == (Respond(model="teacher", samples=2), JudgeAspects(model="judge"))


@pytest.mark.parametrize("name", ["quickstart", "selective_reflection", "ultrafeedback"])
def test_the_recipes_that_are_shipped_are_in_order(name: str) -> None:
    loaded = load_recipe(shipped(f"recipes/{name}.yaml"))
    assert check_order(loaded.recipe, has_response=False, source=loaded.source) == ()


def test_a_byte_order_mark_is_no_part_of_the_first_key() -> None:
    assert read_recipe(write("\ufeff" + GOOD)).name == "demo"


def test_a_merge_key_brings_its_values_along() -> None:
    text = changed(
        "    kind: openai\n    model: gpt-4.1\n", "    <<: {kind: openai, concurrency: 3}\n    model: gpt-4.1\n"
    )
    assert read_recipe(write(text)).models["judge"] == OpenAIModel(model="gpt-4.1", concurrency=3)


def test_yes_and_dates_are_text_as_they_stand() -> None:
    text = changed("name: demo", "name: 2024-01-31").replace("model: gpt-4.1\n", "model: yes\n")
    recipe = read_recipe(write(text))
    assert (recipe.name, recipe.models["judge"]) == ("2024-01-31", OpenAIModel(model="yes"))


# What is no recipe at all


def test_a_missing_file_is_named_with_the_command_that_writes_one() -> None:
    with pytest.raises(RecipeError) as caught:
        read_recipe(Path("recipe.yaml"))
    assert (
        str(caught.value)
        == "recipe.yaml: there is no such file; `preflect init recipe.yaml` writes a recipe to start from"
    )


def test_a_folder_is_refused() -> None:
    Path("recipe.yaml").mkdir()
    with pytest.raises(RecipeError, match=r"^recipe\.yaml: this is a folder; name the recipe file in it$"):
        read_recipe(Path("recipe.yaml"))


def test_bytes_that_are_not_utf8_are_refused() -> None:
    Path("recipe.yaml").write_bytes("name: dém".encode("latin-1"))
    with pytest.raises(RecipeError, match=r"^recipe\.yaml: byte 7 is not UTF-8; save the file as UTF-8$"):
        read_recipe(Path("recipe.yaml"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "recipe.yaml:1: a recipe is a mapping of keys such as `name:`, `input:` and `stages:`, got an empty file"),
        ("- a\n", "recipe.yaml:1: a recipe is a mapping of keys such as `name:`, `input:` and `stages:`, got a list"),
        (
            "x",
            "recipe.yaml:1: a recipe is a mapping of keys such as `name:`, `input:` and `stages:`, got a single value",
        ),
        (
            "name: a\nseed: [1\ninput: 2\n",
            (
                "recipe.yaml:3: not YAML: expected ',' or ']', but got ':'; "
                "look at indentation, brackets, quotes and colons here and just above"
            ),
        ),
        (
            "name: a\n seed: 1\n",
            (
                "recipe.yaml:2: not YAML: mapping values are not allowed here; "
                "look at indentation, brackets, quotes and colons here and just above"
            ),
        ),
        (
            "name: a\ninput:\n\tpath: x\n",
            "recipe.yaml:3: not YAML: a tab stands where a value should start; indent with spaces",
        ),
        (
            "name: a\n---\nname: b\n",
            "recipe.yaml:2: not YAML: there is a second document (`---`); a recipe is one document, remove the rest",
        ),
    ],
)
def test_what_is_not_one_yaml_mapping_is_refused_with_its_line(text: str, message: str) -> None:
    assert faults(text) == [message]


def test_every_repeated_key_is_named_with_both_lines() -> None:
    text = changed("seed: 7", "seed: 7\nseed: 8").replace("    model: gpt-4.1\n", "    model: a\n    model: b\n")
    assert faults(text) == [
        "recipe.yaml:3: key 'seed' is given twice, first on line 2; keep one of them",
        "recipe.yaml:10: key 'model' is given twice, first on line 9; keep one of them",
    ]


def test_tags_and_anchors_that_contain_themselves_are_refused() -> None:
    assert faults("name: !secret a\nseed: &s [*s]\n? [a]\n: 1\n") == [
        "recipe.yaml:1: the tag !secret is not known; leave it out",
        "recipe.yaml:2: this anchor contains itself; write the value out",
        "recipe.yaml:3: a key must be plain text; put it in quotes",
    ]


# What the schema refuses


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "stage: judge_aspects\n    model",
            "stage: judge_aspects\n    aspcts: [honesty]\n    model",
            "recipe.yaml:13: unknown key 'aspcts' in stage 'judge_aspects'; did you mean 'aspects'?",
        ),
        ("seed: 7", "sead: 7", "recipe.yaml:2: unknown key 'sead' in the recipe; did you mean 'seed'?"),
        (
            "{kind: ppm}",
            "{kind: ppm, zzz: 1}",
            (
                "recipe.yaml:9: unknown key 'zzz' in model 'student'; "
                "the keys there are ['kind', 'order', 'template', 'max_length', 'thresholds']"
            ),
        ),
        (
            "{stage: pair, strategy",
            "{stage: grade, grade",
            "recipe.yaml:14: unknown key 'grade' in stage 'grade'; the keys there are ['stage']",
        ),
        (
            "path: seeds.jsonl",
            "path: seeds.jsonl, columns: {instuction: question}",
            "recipe.yaml:3: unknown key 'instuction' in 'input.columns'; did you mean 'instruction'?",
        ),
        (
            "path: seeds.jsonl",
            "path: seeds.jsonl, columns: {id: {column: a, patern: b}}",
            "recipe.yaml:3: unknown key 'patern' in 'input.columns.id'; did you mean 'pattern'?",
        ),
        (
            "path: seeds.jsonl",
            "path: seeds.jsonl, columns: {id: 5}",
            "recipe.yaml:3: 'input.columns.id' must be text, got 5; put it in quotes",
        ),
        (
            "path: seeds.jsonl",
            "path: seeds.jsonl, grader: {type: number, tolerance: -1}",
            "recipe.yaml:3: 'input.grader.tolerance' must be at least 0, got -1",
        ),
        (
            "path: seeds.jsonl",
            "path: seeds.jsonl, grader: {type: numbr}",
            (
                "recipe.yaml:3: unknown type 'numbr'; "
                "known are ['string', 'choice', 'number', 'regex', 'json_schema', 'constraints']; "
                "did you mean 'number'?"
            ),
        ),
        (
            "stage: judge_aspects",
            "stage: judge_aspect",
            (
                "recipe.yaml:12: unknown stage 'judge_aspect'; known are ['self_instruct', 'dedup', 'filter', "
                "'respond', 'reflect_instruction', 'select_instruction', 'reflect_response', 'select_response', "
                "'judge_aspects', 'grade', 'pair', 'review']; did you mean 'judge_aspects'?"
            ),
        ),
        (
            "    kind: openai\n    model: gpt-4.1",
            "    model: gpt-4.1\n    kind: opnai",
            (
                "recipe.yaml:8: unknown kind 'opnai'; "
                "known are ['openai', 'sim', 'ppm', 'transformers', 'onnx', 'prompt-logprobs']; did you mean 'openai'?"
            ),
        ),
        (
            "    kind: openai\n",
            "    # kind: openai\n",
            (
                "recipe.yaml:6: 'models.judge' lacks 'kind'; "
                "add `kind: …`, one of ['openai', 'sim', 'ppm', 'transformers', 'onnx', 'prompt-logprobs']"
            ),
        ),
        (
            "{stage: pair, strategy: best_worst}",
            "{stage: self_instruct, model: teacher}",
            "recipe.yaml:14: stage 'self_instruct' lacks 'count'; add `count: …`",
        ),
        ("input: {path: seeds.jsonl}", "", "recipe.yaml:1: the recipe lacks 'input'; add `input: …`"),
        (
            "{stage: respond, model: teacher, samples: 2}",
            "{stage: respond, samples: 2}",
            "recipe.yaml:11: stage 'respond': give either `model` or `models`",
        ),
        (
            "samples: 2",
            "samples: two",
            "recipe.yaml:11: 'samples' of stage 'respond' must be a whole number, got \"two\"",
        ),
        ("samples: 2", "samples: 65", "recipe.yaml:11: 'samples' of stage 'respond' must be at most 64, got 65"),
        ("seed: 7", "seed: 1.5", "recipe.yaml:2: 'seed' must be a whole number, got 1.5"),
        (
            "concurrency: 8",
            "timeout_s: 0",
            "recipe.yaml:5: 'timeout_s' of model 'teacher' must be greater than 0, got 0",
        ),
        (
            "concurrency: 8",
            "timeout_s: .inf",
            "recipe.yaml:5: 'timeout_s' of model 'teacher' must be a finite number, got Infinity",
        ),
        (
            "    model: gpt-4.1\n",
            "    model: 4.1\n",
            "recipe.yaml:8: 'model' of model 'judge' must be text, got 4.1; put it in quotes",
        ),
        (
            "strategy: best_worst",
            "strategy: best_wrst",
            (
                "recipe.yaml:14: 'strategy' of stage 'pair' must be 'best_worst', 'best_random', 'rewrite_vs_draft' or "
                "'correct_incorrect', got \"best_wrst\"; did you mean 'best_worst'?"
            ),
        ),
        (
            "name: demo",
            "name: a b",
            "recipe.yaml:1: 'name' must be text that matches ^[A-Za-z0-9][A-Za-z0-9._-]*$, got \"a b\"",
        ),
        (
            "seed: 7",
            "export: {formats: trl}",
            "recipe.yaml:2: 'export.formats' must be a list, got \"trl\"; write [trl]",
        ),
        (
            "seed: 7",
            "limits:",
            "recipe.yaml:2: 'limits' must be a mapping of keys, got null; leave the key out for the default",
        ),
        (
            "{stage: pair, strategy: best_worst}",
            "pair",
            "recipe.yaml:14: 'stages.2' must be a mapping of keys, got \"pair\"",
        ),
        (
            "    model: judge\n",
            "    model: judge\n    aspects: []\n",
            "recipe.yaml:14: 'aspects' of stage 'judge_aspects' must be a list of at least 1, got []",
        ),
        (
            "    model: judge\n",
            "    model: judge\n    aspects: [honesty, depth]\n",
            (
                "recipe.yaml:14: 'aspects.1' of stage 'judge_aspects' must be 'instruction_following', 'honesty', "
                "'truthfulness' or 'helpfulness', got \"depth\""
            ),
        ),
        (
            "{stage: respond, model: teacher, samples: 2}",
            f"{{stage: respond, model: [{'a' * 80}]}}",
            f"recipe.yaml:11: 'model' of stage 'respond' must be text, got [\"{'a' * 58}…",
        ),
    ],
)
def test_a_fault_is_said_with_its_line_what_was_got_and_what_is_right(old: str, new: str, message: str) -> None:
    assert faults(changed(old, new)) == [message]


def test_all_faults_are_listed_in_the_order_of_the_file() -> None:
    text = changed("seed: 7", "seed: x").replace("samples: 2", "sampels: 2").replace("{kind: ppm}", "{kind: ppn}")
    assert faults(text) == [
        "recipe.yaml:2: 'seed' must be a whole number, got \"x\"",
        (
            "recipe.yaml:9: unknown kind 'ppn'; "
            "known are ['openai', 'sim', 'ppm', 'transformers', 'onnx', 'prompt-logprobs']; did you mean 'ppm'?"
        ),
        "recipe.yaml:11: unknown key 'sampels' in stage 'respond'; did you mean 'samples'?",
    ]


# --set


def test_an_override_changes_the_value_it_names() -> None:
    recipe = read_recipe(
        write(GOOD),
        ["seed=11", "stages.0.samples=4", "input.columns={instruction: question}", "limits.budget_usd=2.5", "seed=12"],
    )
    assert (recipe.seed, recipe.limits.budget_usd) == (12, 2.5)
    assert recipe.stages[0] == Respond(model="teacher", samples=4)
    assert recipe.input.columns == {"instruction": "question"}


def test_an_override_leaves_the_file_as_it_is() -> None:
    path = write(GOOD)
    read_recipe(path, ["seed=11"])
    assert path.read_text(encoding="utf-8") == GOOD


def test_an_empty_override_is_null_and_text_with_an_equals_sign_stays_whole() -> None:
    recipe = read_recipe(write(GOOD), ["limits.budget_usd=", "input.path=a=b.jsonl"])
    assert (recipe.limits.budget_usd, recipe.input.path) == (None, "a=b.jsonl")


def test_a_key_with_dots_in_its_name_can_be_reached() -> None:
    text = GOOD.replace("teacher", "gpt-4.1")
    recipe = read_recipe(write(text), ["models.gpt-4.1.concurrency=3"])
    assert recipe.models["gpt-4.1"] == OpenAIModel(model="gpt-4.1-mini", concurrency=3)


def test_a_value_that_an_override_made_wrong_is_laid_to_the_override() -> None:
    assert faults(GOOD, "stages.0.samples=many", "models.judge={kind: openai, modl: x}", "limts.budget_usd=1") == [
        "--set limts.budget_usd: unknown key 'limts' in the recipe; did you mean 'limits'?",
        "--set models.judge: model 'judge' lacks 'model'; add `model: …`",
        "--set models.judge: unknown key 'modl' in model 'judge'; did you mean 'model'?",
        "--set stages.0.samples: 'samples' of stage 'respond' must be a whole number, got \"many\"",
    ]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("seed", "--set seed: write it as a.b.c=VALUE, such as seed=7 or models.teacher.concurrency=8"),
        ("a..b=1", "--set a..b=1: write it as a.b.c=VALUE, such as seed=7 or models.teacher.concurrency=8"),
        (
            "seed=[1",
            (
                "--set seed: '[1' is not YAML: expected ',' or ']', but got '<stream end>'; "
                "look at indentation, brackets, quotes and colons here and just above"
            ),
        ),
        (
            "stages.3.samples=1",
            "--set stages.3.samples: 'stages' is a list, '3' names no entry of it; right is a number from 0 to 2",
        ),
        (
            "stages.pair.min_margin=1",
            (
                "--set stages.pair.min_margin: 'stages' is a list, 'pair' names no entry of it; "
                "right is a number from 0 to 2"
            ),
        ),
        ("seed.x=1", "--set seed.x: 'seed' is 7, which has no keys; set 'seed' as a whole"),
    ],
)
def test_an_override_that_names_nothing_says_what_it_could_name(setting: str, message: str) -> None:
    assert faults(GOOD, setting) == [message]


# Models and order


def test_a_recipe_in_order_has_nothing_to_be_told() -> None:
    assert notes(GOOD) == ()


def test_a_model_that_is_not_defined_is_named_with_the_nearest() -> None:
    assert order_faults(changed("    model: judge\n", "    model: judg\n")) == [
        (
            "recipe.yaml:13: stage 'judge_aspects' names model 'judg', which is not defined; "
            "the models are ['teacher', 'judge', 'student']; did you mean 'judge'?"
        )
    ]


def test_each_of_several_models_is_looked_up() -> None:
    text = changed("model: teacher, samples: 2", "models: [teacher, zzz, student]")
    assert order_faults(text) == [
        (
            "recipe.yaml:11: stage 'respond' names model 'zzz', which is not defined; "
            "the models are ['teacher', 'judge', 'student']"
        ),
        (
            "recipe.yaml:11: stage 'respond' names model 'student', which is a student (kind: ppm); "
            "the stage needs a chat model, those defined are ['teacher', 'judge']"
        ),
    ]


def test_a_limit_that_is_not_defined_is_named_with_the_nearest() -> None:
    text = changed("  teacher: {", "  teacher: {limit: tier, ") + "limits: {shared: {tier3: {rpm: 60}}}\n"
    assert order_faults(text) == [
        (
            "recipe.yaml:5: model 'teacher' names limit 'tier', which is not defined; the limits under limits.shared "
            "are ['tier3']; did you mean 'tier3'?"
        )
    ]


def gated(options: str, least: object = 0.7) -> str:
    review = f"  - {{stage: review, {options}}}\n  - {{stage: pair"
    return GOOD.replace("  - {stage: pair", review) + f"limits: {{judge_min_accuracy: {least}}}\n"


def test_a_gate_that_no_answers_could_open_is_a_fault_of_the_recipe() -> None:
    assert order_faults(gated("size: 6, random: 0, gold: 0")) == [
        (
            "recipe.yaml:14: size 6 and random 0 have 0 samples drawn by chance, and limits.judge_min_accuracy needs "
            "at least 5; raise size or random"
        )
    ]
    assert "size 10 and random 0.44 have 4 samples" in order_faults(gated("size: 10, random: 0.44"))[0]
    assert "recipe.yaml:14: a review of `kind: sft` says nothing of the judge" in order_faults(gated("kind: sft"))[0]


def test_a_gate_that_five_samples_by_chance_may_open_is_in_order() -> None:
    assert notes(gated("size: 10, random: 0.5")) == ()
    assert notes(gated("size: 6, random: 0", "null")) == ()


REFLECTION = """\
name: demo
input: {path: seeds.jsonl}
models: {teacher: {kind: sim}, student: {kind: ppm}}
stages:
  - {stage: respond, model: teacher}
  - {stage: reflect_instruction, model: teacher}
  - {stage: select_instruction, model: student}
  - {stage: reflect_response, model: teacher}
  - {stage: select_response, model: student}
  - {stage: pair, strategy: rewrite_vs_draft}
"""


def test_a_selection_by_a_chat_model_is_refused() -> None:
    text = REFLECTION.replace("select_response, model: student", "select_response, model: teacher")
    assert order_faults(text) == [
        (
            "recipe.yaml:9: stage 'select_response' names model 'teacher', which is a chat model (kind: sim); "
            "the stage needs a student, those defined are ['student']"
        )
    ]
    without = text.replace(", student: {kind: ppm}", "").replace("model: student", "model: teacher")
    assert order_faults(without)[0] == (
        "recipe.yaml:7: stage 'select_instruction' names model 'teacher', which is a chat model (kind: sim); "
        "the stage needs a student, define one under models: with kind: ppm, transformers, onnx or prompt-logprobs"
    )


def test_a_stage_before_what_it_needs_is_told_where_that_stands() -> None:
    text = GOOD.replace("  - stage: judge_aspects\n    model: judge\n  - {stage: pair, strategy: best_worst}\n", "")
    text += "  - {stage: pair}\n  - {stage: judge_aspects, model: judge}\n"
    assert order_faults(text) == [
        (
            "recipe.yaml:12: stage 'pair' needs 'judge_aspects' or 'grade' before it; "
            "the stages before it are ['respond']; 'judge_aspects' stands after it, on line 13"
        )
    ]


@pytest.mark.parametrize(
    ("strategy", "needed"),
    [
        ("best_random", "'judge_aspects' or 'grade'"),
        ("rewrite_vs_draft", "'reflect_response'"),
        ("correct_incorrect", "'grade'"),
    ],
)
def test_a_strategy_needs_the_stage_that_it_decides_by(strategy: str, needed: str) -> None:
    head = "name: d\ninput: {path: x}\nmodels: {m: {kind: sim}}\nstages:\n  - {stage: respond, model: m}\n"
    text = f"{head}  - {{stage: pair, strategy: {strategy}}}\n"
    assert order_faults(text) == [
        f"recipe.yaml:6: stage 'pair' needs {needed} before it; the stages before it are ['respond']"
    ]


def test_a_response_column_stands_in_for_respond() -> None:
    text = REFLECTION.replace("  - {stage: respond, model: teacher}\n", "")
    assert notes(text, has_response=True) == ()
    assert order_faults(text) == [
        (
            "recipe.yaml:5: stage 'reflect_instruction' needs 'respond' or a response column in the input before it; "
            "the stages before it are []"
        ),
        (
            "recipe.yaml:7: stage 'reflect_response' needs 'respond' or a response column in the input before it; "
            "the stages before it are ['reflect_instruction', 'select_instruction']"
        ),
    ]


def test_a_second_selection_needs_a_rewrite_of_its_own() -> None:
    text = REFLECTION.replace(
        "  - {stage: pair, strategy: rewrite_vs_draft}\n", "  - {stage: select_response, model: student}\n"
    )
    assert order_faults(text) == [
        (
            "recipe.yaml:10: stage 'select_response' needs 'reflect_response' before it; "
            "the stages after 'select_response' on line 9 and before it are []"
        )
    ]


def test_new_instructions_need_responses_of_their_own() -> None:
    text = GOOD.replace("  - stage: judge", "  - {stage: self_instruct, model: teacher, count: 5}\n  - stage: judge")
    assert order_faults(text, has_response=True) == [
        (
            "recipe.yaml:13: stage 'judge_aspects' needs 'respond' or a response column in the input before it; "
            "the stages after 'self_instruct' on line 12 and before it are []"
        )
    ]


def test_an_export_that_cannot_come_about_is_pointed_out() -> None:
    text = "name: d\ninput: {path: x}\nmodels: {m: {kind: sim}}\nstages: [{stage: self_instruct, model: m, count: 2}]\n"
    assert notes(text) == ()
    assert notes(text + "export: {kinds: [sft, dpo]}\n") == (
        "recipe.yaml:5: 'dpo' rows are made of pairs, and no stage is 'pair'; there will be none",
        "recipe.yaml:5: 'sft' rows are made of responses, and no stage is 'respond'; there will be none",
    )


def test_without_a_file_the_order_is_checked_all_the_same() -> None:
    recipe = read_recipe(write(GOOD)).evolve(models={})
    with pytest.raises(
        RecipeError, match="stage 'respond' names model 'teacher', which is not defined; the models are"
    ):
        check_order(recipe, has_response=False)


def test_the_recipe_may_lie_in_another_folder() -> None:
    Path("deep").mkdir()
    shutil.move(write(changed("seed: 7", "seed: x")), "deep/recipe.yaml")
    with pytest.raises(RecipeError, match=r"^deep/recipe\.yaml:2: 'seed' must be a whole number"):
        read_recipe(Path("deep/recipe.yaml"))


BATCH = changed("gpt-4.1-mini, concurrency: 8", "gpt-4.1-mini, mode: batch")


def test_a_model_may_ask_in_batches() -> None:
    model = read_recipe(write(BATCH), ["models.teacher.batch.max_requests=100"]).models["teacher"]
    assert isinstance(model, OpenAIModel)
    assert (model.mode, model.batch.max_requests) == ("batch", 100)
    assert notes(BATCH) == ()


def test_a_simulated_model_has_no_batches() -> None:
    (fault,) = faults(changed("kind: openai, model: gpt-4.1-mini, concurrency: 8", "kind: sim, mode: batch"))
    assert fault.startswith("recipe.yaml:5: unknown key 'mode' in model 'teacher'")


def test_options_of_the_other_mode_are_pointed_out() -> None:
    text = changed("concurrency: 8", "mode: batch, rpm: 60, hedge_after_s: 5").replace(
        "    model: gpt-4.1\n", "    model: gpt-4.1\n    batch: {poll_s: 5}\n"
    )
    assert notes(text) == (
        "recipe.yaml:5: 'rpm' of model 'teacher' counts in `mode: chat` only; leave it out",
        "recipe.yaml:5: 'hedge_after_s' of model 'teacher' counts in `mode: chat` only; leave it out",
        "recipe.yaml:9: 'batch' of model 'judge' counts in `mode: batch` only; leave it out",
    )


def test_instructions_that_are_made_a_few_at_a_time_want_no_batches() -> None:
    text = BATCH.replace("stages:\n", "stages:\n  - {stage: self_instruct, model: teacher, count: 5}\n")
    (note,) = notes(text)
    assert note.startswith("recipe.yaml:11: stage 'self_instruct' reads its replies a few at a time")


@pytest.mark.parametrize(
    ("option", "named"),
    [
        ("seed", "recipe.yaml:4: models.student"),
        ("models.student", "--set models.student"),
        ("models.student.model", "--set models.student.model"),
        ("models.student2.model", "recipe.yaml:4: models.student"),
    ],
)
def test_a_key_is_named_beside_its_place_unless_the_place_says_it(option: str, named: str) -> None:
    lines = {("models", "student"): 4}
    source = Source("recipe.yaml", {}, lines, {tuple(option.split(".")): option})
    assert source.named(("models", "student", "model"), ("models", "student")) == named
