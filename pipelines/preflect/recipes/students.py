"""Students by name or by a recipe's word: checked before a run begins, built where they score."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from pydantic import TypeAdapter, ValidationError

from preflect.curation.choice import Filter, FilterName
from preflect.errors import InputError, MissingPartError
from preflect.ports import Embedder, MadeBy, Student
from preflect.recipes.locate import Source
from preflect.schemas import (
    ModelSpec,
    OnnxStudent,
    PpmStudent,
    PromptLogprobsStudent,
    Recipe,
    StudentSpec,
    TransformersStudent,
)
from preflect.schemas.base import Schema

_SPEC: Final[TypeAdapter[StudentSpec]] = TypeAdapter(StudentSpec)
_KINDS: Final = "ppm, transformers:FOLDER, transformers:ORG/NAME, onnx:DIR, vllm:URL or sglang:URL"
_SERVERS: Final = frozenset({"vllm", "sglang"})
_SCHEMAS: Final[Mapping[str, type[Schema]]] = {
    "ppm": PpmStudent,
    "transformers": TransformersStudent,
    "onnx": OnnxStudent,
    **dict.fromkeys(_SERVERS, PromptLogprobsStudent),
}

Option = str | int | None


def parse_students(texts: Iterable[str], **options: Option) -> list[StudentSpec]:
    """Each student once, with those of the options that its kind has; raises as `parse_student`.

    An option that none of them has is refused as if there were one student alone.
    """
    own = {text: frozenset(_SCHEMAS[_kind(text)].model_fields) for text in texts}
    of_any = frozenset[str]().union(*own.values())
    return [
        parse_student(text, **{option: value for option, value in options.items() if option not in of_any - fields})
        for text, fields in own.items()
    ]


def parse_student(text: str, **options: Option) -> StudentSpec:
    """The student that `KIND:MODEL` names, with those options that are not None.

    Raises: InputError: an unknown kind, a missing model, or an option that this kind does not have.
    """
    kind, model = _kind(text), text.partition(":")[2]
    named = {"kind": kind, "model": model or None}
    if kind in _SERVERS:
        named = {"kind": "prompt-logprobs", "server": kind, "base_url": model}
    try:
        given = {**named, **options}
        return _SPEC.validate_python({key: value for key, value in given.items() if value is not None})
    except ValidationError as error:
        raise InputError("; ".join(_complaint(kind, e["loc"], e["msg"], e["input"]) for e in error.errors())) from error


def build_student(spec: StudentSpec) -> Student:
    """The student itself; one that is a language model is loaded or asked, and checked, here, which takes seconds.

    Raises: MissingPartError: its packages are not installed; InputError: its model or its server is not usable.
    """
    if isinstance(spec, PpmStudent):
        from preflect.adapters.ppm import PpmScorer  # noqa: PLC0415  # not every run has a student

        return PpmScorer(spec)
    if isinstance(spec, PromptLogprobsStudent):
        from preflect.adapters.prompt_logprobs import PromptLogprobsScorer  # noqa: PLC0415  # most runs have no use

        return PromptLogprobsScorer(spec)
    if isinstance(spec, OnnxStudent):
        from preflect.adapters.onnx import OnnxScorer  # noqa: PLC0415  # its libraries are an extra

        return OnnxScorer(spec)
    from preflect.adapters.transformers import TransformersScorer  # noqa: PLC0415  # its libraries are an extra

    return TransformersScorer(spec)


def build_embedder(text: str) -> Embedder:
    """What turns texts into vectors: `hashed`, which needs nothing, or `transformers:MODEL`.

    Raises: InputError: it is neither, or the model is not usable; MissingPartError: its packages are not installed.
    """
    kind, _, model = text.partition(":")
    if text == "hashed":
        from preflect.scoring.hashed_text import HashedText  # noqa: PLC0415  # numpy

        return HashedText()
    if kind != "transformers" or not model:
        raise InputError(f"embeddings {text!r} are not one of hashed, transformers:FOLDER or transformers:ORG/NAME")
    from preflect.adapters.mean_pooling import MeanPooling  # noqa: PLC0415  # its libraries are an extra

    return MeanPooling(model)


def build_filter(by: FilterName, keep: float, pool: float, embeddings: str) -> Filter:
    """The filter, with these embeddings where it compares texts: others may take seconds to load for nothing.

    Raises: as `build_embedder`.
    """
    embedder = build_embedder(embeddings if by == "superfiltering_d" else "hashed")
    return Filter(by=by, keep=keep, pool=pool, embedder=embedder)


def check_students(recipe: Recipe, source: Source) -> None:
    """See that every student which a stage will ask can be had: without loading weights, but servers are asked.

    Raises: MissingPartError: its packages are not installed; InputError: model, server, tokenizer or template is
    unusable, or nothing would tell two students' scores apart.
    """
    used = {name for stage in recipe.stages for name in stage.model_names}
    known: dict[MadeBy, tuple[str, str]] = {}
    for name, model in recipe.models.items():
        if name not in used:
            continue
        try:
            if made_by := _check(model):
                origin = _origin(model)
                _see_that_scores_differ(made_by, known.setdefault(made_by, (name, origin)), origin)
        except (InputError, MissingPartError) as error:
            key = "base_url" if isinstance(model, PromptLogprobsStudent) else "model"
            place = source.named(("models", name, key), ("models", name))
            raise type(error)(f"{place}: {error}") from error


def _see_that_scores_differ(made_by: MadeBy, first: tuple[str, str], origin: str) -> None:
    """Raise InputError where the same stands beside the scores of the `first` one, which comes from elsewhere."""
    name, revision, template = made_by
    if first[1] != origin:
        raise InputError(
            f"nothing tells its scores from those of models.{first[0]}: both are by {name!r} ({revision}, {template}); "
            "give each a `revision:` of its own, or one another name (--served-model-name of vLLM and SGLang)"
        )


def _origin(model: ModelSpec) -> str:
    """Where a model is: the same one there gives the same scores."""
    if isinstance(model, PromptLogprobsStudent):
        from preflect.adapters.served_model import root_of  # noqa: PLC0415  # most runs have no use

        return root_of(model.base_url)
    return model.model if isinstance(model, TransformersStudent) else ""


def _check(model: ModelSpec) -> MadeBy | None:
    """Look at it, and see what would tell its scores apart; None where that comes from its contents."""
    if isinstance(model, TransformersStudent):
        from preflect.adapters.transformers import check_transformers  # noqa: PLC0415  # its libraries are an extra

        return check_transformers(model)
    if isinstance(model, OnnxStudent):
        from preflect.adapters.onnx import check_onnx  # noqa: PLC0415  # its libraries are an extra

        check_onnx(model)
    if isinstance(model, PromptLogprobsStudent):
        from preflect.adapters.prompt_logprobs import check_prompt_logprobs  # noqa: PLC0415  # most runs have no use

        return check_prompt_logprobs(model)
    return None


def _kind(text: str) -> str:
    kind, _, model = text.partition(":")
    if kind not in _SCHEMAS or (kind == "ppm") == bool(model):
        raise InputError(f"student {text!r} is not one of {_KINDS}")
    return kind


def _complaint(kind: str, place: tuple[int | str, ...], message: str, got: object) -> str:
    # The first part of the place is the kind, which the user did not write as a key.
    option = ".".join(str(part) for part in place[1:]) or "student"
    if message.startswith("Extra inputs"):
        return f"a student of kind {kind} has no option {option}, got {got!r}; leave it out"
    return f"{option} of a student of kind {kind}: {message}, got {got!r}"
