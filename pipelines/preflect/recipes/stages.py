"""From a recipe's stage entries to stages joined to open models."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TypedDict

from preflect.adapters.openai import open_chat
from preflect.adapters.reachability import secret_of
from preflect.adapters.replay import ReplayedChat
from preflect.adapters.sim_process import simulated_name
from preflect.engine.plan import Connected, Phase, Wiring, stage_names
from preflect.engine.run_folder import RunFolder
from preflect.ports import CallMeter, CallStore, ChatModel, Gate, Purse, Stage, Student, WholeSetStage
from preflect.recipes.admission import admission_of, scoring_students, threshold_of
from preflect.recipes.students import build_filter, build_student
from preflect.recipes.telemetry import calls_exported
from preflect.schemas import ChatModelSpec, OpenAIModel, Recipe
from preflect.schemas import stages as spec
from preflect.scoring.voting import Voter
from preflect.stages.grade import Grade
from preflect.stages.judge_aspects import JudgeAspects
from preflect.stages.pair import Pair
from preflect.stages.reflect_instruction import ReflectInstruction
from preflect.stages.reflect_response import ReflectResponse
from preflect.stages.respond import Respond
from preflect.stages.select_instruction import SelectInstruction
from preflect.stages.select_response import SelectResponse


class Models:
    """The open models of a phase, by name and sort."""

    def __init__(self, chat: Mapping[str, ChatModel], students: Mapping[str, Student]) -> None:
        self.chat = chat
        self.students = students


class _Means(TypedDict):
    """What all chat models are opened with."""

    addresses: Mapping[str, tuple[str, str, str]]
    journal: CallStore
    purse: Purse
    gate: Gate
    meter: CallMeter


@asynccontextmanager
async def connect(recipe: Recipe, phase: Phase, wiring: Wiring) -> AsyncGenerator[Connected]:
    """The stages of a phase, with the models they use open until the block ends, and their calls exported if wanted."""
    with calls_exported(recipe, phase, wiring) as meter:
        async with _opened(recipe, phase, replace(wiring, meter=meter)) as connected:
            yield connected


@asynccontextmanager
async def _opened(recipe: Recipe, phase: Phase, wiring: Wiring) -> AsyncGenerator[Connected]:
    places = (*phase.stages, *(() if phase.closing is None else (phase.closing,)))
    used = {name for place in places for name in recipe.stages[place].model_names}
    if phase.closing is not None and isinstance(recipe.stages[phase.closing], spec.ReviewStage):
        used |= {*scoring_students(recipe)}
    chat = {n: m for n, m in recipe.models.items() if n in used and isinstance(m, ChatModelSpec)}
    students = {n: build_student(m) for n, m in recipe.models.items() if n in used and not isinstance(m, ChatModelSpec)}
    async with _open_models(recipe, chat, wiring) as open_models:
        models = Models(open_models, students)
        names = stage_names(recipe)
        closing = None if phase.closing is None else whole_set_stage(recipe, phase.closing, models, wiring.folder)
        yield Connected(tuple(per_sample_stage(recipe, p, names[p], models) for p in phase.stages), closing)


@asynccontextmanager
async def _open_models(
    recipe: Recipe, chat: Mapping[str, ChatModelSpec], wiring: Wiring
) -> AsyncGenerator[Mapping[str, ChatModel]]:
    if wiring.replay:
        yield {name: _replayed(name, model, wiring) for name, model in chat.items()}
        return
    in_batches = {n: m for n, m in chat.items() if isinstance(m, OpenAIModel) and m.mode == "batch"}
    means: _Means = {
        "addresses": {name: _address(name, model, wiring) for name, model in chat.items()},
        "journal": wiring.journal,
        "purse": wiring.purse,
        "gate": wiring.gate,
        "meter": wiring.meter,
    }
    async with AsyncExitStack() as stack:
        at_once = open_chat(
            {name: model for name, model in chat.items() if name not in in_batches},
            shared=recipe.limits.shared,
            stages=stage_names(recipe),
            **means,
        )
        models: dict[str, ChatModel] = {**await stack.enter_async_context(at_once)}
        if in_batches:
            # The openai client behind it takes a second and 40 MB to import.
            from preflect.adapters.batch_chat import open_batch_chat  # noqa: PLC0415

            later = open_batch_chat(in_batches, batches=wiring.batches, **means)
            models |= await stack.enter_async_context(later)
        yield models


def _replayed(name: str, model: ChatModelSpec, wiring: Wiring) -> ReplayedChat:
    served = _served_model(name, model)
    return ReplayedChat(name=name, served_model=served, spec=model, journal=wiring.journal, meter=wiring.meter)


def _address(name: str, model: ChatModelSpec, wiring: Wiring) -> tuple[str, str, str]:
    if isinstance(model, OpenAIModel):
        return model.base_url, secret_of(name, model), _served_model(name, model)
    return wiring.endpoints[name], "", _served_model(name, model)


def _served_model(name: str, model: ChatModelSpec) -> str:
    return model.model if isinstance(model, OpenAIModel) else simulated_name(name)


def per_sample_stage(  # noqa: PLR0911  (one return a stage)
    recipe: Recipe, place: int, name: str, models: Models
) -> Stage:
    """The stage at this place of the recipe."""
    match recipe.stages[place]:
        case spec.Respond() as s:
            return Respond(
                name=name,
                models=tuple(models.chat[model] for model in s.model_names),
                samples=s.samples,
                temperature=s.temperature,
                top_p=s.top_p,
                max_tokens=s.max_tokens,
                seed=recipe.seed,
            )
        case spec.ReflectInstruction() as s:
            return ReflectInstruction(
                name=name, teacher=models.chat[s.model], temperature=s.temperature, max_tokens=s.max_tokens
            )
        case spec.SelectInstruction() as s:
            first, *others = _voters(recipe, s, models)
            return SelectInstruction(
                name=name, student=first.student, others=tuple(others), model=first.name, metric=s.metric
            )
        case spec.ReflectResponse() as s:
            return ReflectResponse(
                name=name, teacher=models.chat[s.model], temperature=s.temperature, max_tokens=s.max_tokens
            )
        case spec.SelectResponse() as s:
            first, *others = _voters(recipe, s, models)
            return SelectResponse(
                name=name,
                student=first.student,
                others=tuple(others),
                model=first.name,
                mode=s.mode,
                metric=s.metric,
                threshold=first.threshold,
                reverse_threshold=first.reverse_threshold,
            )
        case spec.JudgeAspects() as s:
            return JudgeAspects(
                name=name,
                judge=models.chat[s.model],
                aspects=s.aspects,
                temperature=s.temperature,
                max_tokens=s.max_tokens,
            )
        case spec.GradeStage():
            return Grade(name=name)
        case spec.PairStage() as s:
            return Pair(name=name, strategy=s.strategy, min_margin=s.min_margin, seed=recipe.seed)
        case other:
            raise AssertionError(f"{other.stage} is a whole-set stage")


def _voters(recipe: Recipe, stage: spec.StudentStage, models: Models) -> Iterator[Voter]:
    for name in stage.model_names:
        voter = Voter(name=name, student=models.students[name])
        if isinstance(stage, spec.SelectResponse):
            forward, reverse = (threshold_of(recipe.models[name], stage, m) for m in (stage.metric, "r_ifd_ppl"))
            voter = replace(voter, threshold=forward, reverse_threshold=reverse)
        yield voter


def whole_set_stage(recipe: Recipe, place: int, models: Models, folder: RunFolder) -> WholeSetStage:
    """The whole-set stage at this place of the recipe."""
    name = stage_names(recipe)[place]
    match recipe.stages[place]:
        case spec.SelfInstruct() as s:
            from preflect.stages.self_instruct import SelfInstruct  # noqa: PLC0415  # `rapidfuzz`

            return SelfInstruct(
                name=name,
                teacher=models.chat[s.model],
                count=s.count,
                exemplars=s.exemplars,
                per_call=s.per_call,
                max_similarity=s.max_similarity,
                keep_seeds=s.keep_seeds,
                max_calls=s.max_calls,
                temperature=s.temperature,
                max_tokens=s.max_tokens,
                seed=recipe.seed,
            )
        case spec.Dedup() as s:
            from preflect.curation.dedup import Dedup  # noqa: PLC0415  # `rapidfuzz`

            return Dedup(name=name, max_similarity=s.max_similarity)
        case spec.FilterStage() as s:
            from preflect.curation.filter_stage import FilterSamples  # noqa: PLC0415  # numpy, where it is used

            chosen = build_filter(s.by, s.keep, s.pool, s.embeddings)
            first, *others = _voters(recipe, s, models)
            return FilterSamples(
                name=name, student=first.student, others=tuple(others), model=first.name, filter=chosen
            )
        case spec.ReviewStage():
            from preflect.recipes.review_answers import answered_of  # noqa: PLC0415  # few runs are reviewed
            from preflect.review.take_back import TakeBack  # noqa: PLC0415

            return TakeBack(name=name, answered=answered_of(folder), admission=admission_of(recipe, models.students))
        case other:
            raise AssertionError(f"{other.stage} is a per-sample stage")
