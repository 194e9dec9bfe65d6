"""Whether the stages of a recipe can follow one another, with the models they name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from preflect.errors import RecipeError
from preflect.recipes.locate import KeyPath, Source
from preflect.recipes.nearest import did_you_mean, listed
from preflect.recipes.review_options import gate_fault
from preflect.schemas import ChatModelSpec, ModelSpec, OpenAIModel, PairStage, Recipe
from preflect.schemas.stages import AnyStage, ReviewStage, SelectInstruction, SelectResponse, SelfInstruct, StudentStage

_SELECTIONS: Final = (SelectInstruction, SelectResponse)
_CHAT_ONLY: Final = ("concurrency", "rpm", "tpm", "limit", "hedge_after_s", "timeout_s")
_PAIR_NEEDS: Final = {
    "best_worst": ("judge_aspects", "grade"),
    "best_random": ("judge_aspects", "grade"),
    "rewrite_vs_draft": ("reflect_response",),
    "correct_incorrect": ("grade",),
}


def check_order(recipe: Recipe, *, has_response: bool, source: Source | None = None) -> tuple[str, ...]:
    """Check models and order of the stages before anything is called.

    Args: has_response says whether the input brings responses; source, from `load_recipe`, gives messages their lines.
    Returns: lines about what is allowed, and probably not meant.
    Raises: RecipeError with one line for every fault.
    """
    where = source or Source("recipe", {})
    of_stages = (
        fault
        for index in range(len(recipe.stages))
        for fault in (*_model_faults(recipe, index), *_order_faults(recipe, index, has_response, where))
    )
    faults = [f"{where.place(path)}: {text}" for path, text in (*_limit_faults(recipe), *of_stages)]
    if faults:
        raise RecipeError("\n".join(faults))
    return tuple(f"{where.place(path)}: {text}" for path, text in _notes(recipe, has_response))


def _limit_faults(recipe: Recipe) -> Iterator[tuple[KeyPath, str]]:
    shared = recipe.limits.shared
    for name, model in recipe.models.items():
        if isinstance(model, ChatModelSpec) and model.limit is not None and model.limit not in shared:
            yield (
                ("models", name, "limit"),
                (
                    f"model '{name}' names limit '{model.limit}', which is not defined; the limits under limits.shared "
                    f"are {listed(shared)}{did_you_mean(model.limit, shared)}"
                ),
            )


def _model_faults(recipe: Recipe, index: int) -> Iterator[tuple[KeyPath, str]]:
    stage = recipe.stages[index]
    students = isinstance(stage, StudentStage)
    fitting = [name for name, spec in recipe.models.items() if isinstance(spec, ChatModelSpec) != students]
    yield from _repeated(stage, index)
    for path, name in _named_models(stage, index):
        text = f"stage '{stage.stage}' names model '{name}', which "
        if name not in recipe.models:
            yield (
                path,
                f"{text}is not defined; the models are {listed(recipe.models)}{did_you_mean(name, recipe.models)}",
            )
        elif name not in fitting:
            yield path, text + _wrong_sort(recipe.models[name], students, fitting)


def _named_models(stage: AnyStage, index: int) -> Iterator[tuple[KeyPath, str]]:
    several = next((key for key in ("models", "students") if getattr(stage, key, ())), None)
    for number, name in enumerate(stage.model_names):
        yield ("stages", str(index), *((several, str(number)) if several else ("model",))), name


def _repeated(stage: AnyStage, index: int) -> Iterator[tuple[KeyPath, str]]:
    names = stage.model_names if isinstance(stage, StudentStage) else ()
    for number, name in enumerate(names):
        if name in names[:number]:
            path = ("stages", str(index), "students", str(number))
            yield path, f"stage '{stage.stage}' names student '{name}' twice; leave one out"


def _wrong_sort(spec: ModelSpec, students: bool, fitting: list[str]) -> str:
    wanted, is_now = ("a student", "a chat model") if students else ("a chat model", "a student")
    kinds = "kind: ppm, transformers, onnx or prompt-logprobs" if students else "kind: openai or kind: sim"
    right = f"those defined are {listed(fitting)}" if fitting else f"define one under models: with {kinds}"
    return f"is {is_now} (kind: {spec.kind}); the stage needs {wanted}, {right}"


def _order_faults(recipe: Recipe, index: int, has_response: bool, where: Source) -> Iterator[tuple[KeyPath, str]]:
    stage, path = recipe.stages[index], ("stages", str(index))
    if isinstance(stage, ReviewStage) and (first := _first_review(recipe)) != index:
        line = where.line(("stages", str(first)))
        yield path, f"there is a stage 'review' on line {line} already; a run is reviewed once, leave one of them out"
    if isinstance(stage, ReviewStage) and (shut := gate_fault(recipe.limits, stage)):
        yield path, shut
    start = _counts_from(recipe, index)
    before = [s.stage for s in recipe.stages[start:index]]
    given = {*before, "response"} if has_response and not _made_anew(recipe, index) else {*before}
    for group in _needs(stage):
        if not given & {*group}:
            yield (
                path,
                (
                    f"stage '{stage.stage}' needs {_one_of(group)} before it; the stages "
                    f"{_since(recipe, start, where)}before it are {listed(before)}{_later(recipe, index, group, where)}"
                ),
            )


def _first_review(recipe: Recipe) -> int:
    return next(i for i, stage in enumerate(recipe.stages) if isinstance(stage, ReviewStage))


def _later(recipe: Recipe, index: int, group: tuple[str, ...], where: Source) -> str:
    """Where the missing stage stands instead."""
    for i, stage in enumerate(recipe.stages[index + 1 :], start=index + 1):
        if stage.stage in group:
            return f"; '{stage.stage}' stands after it, on line {where.line(('stages', str(i)))}"
    return ""


def _needs(stage: AnyStage) -> tuple[tuple[str, ...], ...]:
    if isinstance(stage, ReviewStage) and stage.kind == "rft":
        return ()
    own = tuple(tuple(sorted(group)) for group in stage.needs)
    return (*own, _PAIR_NEEDS[stage.strategy]) if isinstance(stage, PairStage) else own


def _counts_from(recipe: Recipe, index: int) -> int:
    """The first of the earlier stages whose work this stage can use.

    New instructions have no responses yet, whatever came before; and what one selection has decided is not open to a
    second one.
    """
    stage = recipe.stages[index]
    ends = {stage.stage} if isinstance(stage, _SELECTIONS) else set[str]()
    return max((i + 1 for i in range(index) if recipe.stages[i].stage in {*ends, "self_instruct"}), default=0)


def _made_anew(recipe: Recipe, index: int) -> bool:
    return any(s.stage == "self_instruct" for s in recipe.stages[:index])


def _since(recipe: Recipe, start: int, where: Source) -> str:
    return (
        f"after '{recipe.stages[start - 1].stage}' on line {where.line(('stages', str(start - 1)))} and "
        if start
        else ""
    )


def _one_of(group: tuple[str, ...]) -> str:
    names = [f"'{name}'" for name in group if name != "response"]
    return " or ".join([*names, "a response column in the input"] if "response" in group else names)


def _notes(recipe: Recipe, has_response: bool) -> Iterator[tuple[KeyPath, str]]:
    stages = {stage.stage for stage in recipe.stages}
    asked = recipe.export.kinds if "kinds" in recipe.export.model_fields_set else ()
    if "dpo" in asked and "pair" not in stages:
        yield ("export", "kinds"), "'dpo' rows are made of pairs, and no stage is 'pair'; there will be none"
    if "sft" in asked and "respond" not in stages and not has_response:
        yield ("export", "kinds"), "'sft' rows are made of responses, and no stage is 'respond'; there will be none"
    for name, model in recipe.models.items():
        if isinstance(model, OpenAIModel):
            yield from _useless(name, model)
    yield from _small_batches(recipe)


def _useless(name: str, model: OpenAIModel) -> Iterator[tuple[KeyPath, str]]:
    """Options that the model's mode has no use for."""
    other, keys = ("batch", ("batch",)) if model.mode == "chat" else ("chat", _CHAT_ONLY)
    for key in keys:
        if key in model.model_fields_set:
            yield ("models", name, key), f"'{key}' of model '{name}' counts in `mode: {other}` only; leave it out"


def _small_batches(recipe: Recipe) -> Iterator[tuple[KeyPath, str]]:
    for index, stage in enumerate(recipe.stages):
        model = recipe.models[stage.model] if isinstance(stage, SelfInstruct) else None
        if isinstance(model, OpenAIModel) and model.mode == "batch":
            text = (
                f"stage '{stage.stage}' reads its replies a few at a time, and waits for a whole batch each time; give "
                "it a model in `mode: chat`"
            )
            yield ("stages", str(index)), text
