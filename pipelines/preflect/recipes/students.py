"""Students by name or by a recipe's word: checked before a run begins, built where they score."""

from __future__ import annotations

from typing import Final

from pydantic import TypeAdapter, ValidationError

from preflect.errors import InputError, MissingPartError
from preflect.ports import Embedder, Student
from preflect.recipes.locate import Source
from preflect.schemas import PpmStudent, Recipe, StudentSpec, TransformersStudent

_SPEC: Final[TypeAdapter[StudentSpec]] = TypeAdapter(StudentSpec)
_KINDS: Final = "ppm, transformers:FOLDER or transformers:ORG/NAME"


def parse_student(
    text: str, *, template: str | None = None, dtype: str | None = None, max_length: int | None = None
) -> StudentSpec:
    """The student that `KIND:MODEL` names, with those options that are not None.

    Raises: InputError: an unknown kind, a missing model, or an option that this kind does not have.
    """
    kind, _, model = text.partition(":")
    if kind not in {"ppm", "transformers"} or (kind == "transformers") != bool(model):
        raise InputError(f"student {text!r} is not one of {_KINDS}")
    given = {"model": model or None, "template": template, "dtype": dtype, "max_length": max_length}
    try:
        return _SPEC.validate_python({"kind": kind, **{k: v for k, v in given.items() if v is not None}})
    except ValidationError as error:
        raise InputError("; ".join(_complaint(kind, e["loc"], e["msg"], e["input"]) for e in error.errors())) from error


def build_student(spec: StudentSpec) -> Student:
    """The student itself; one of kind `transformers` is loaded and checked here, which takes seconds.

    Raises: MissingPartError: its packages are not installed; InputError: its model is not usable.
    """
    if isinstance(spec, PpmStudent):
        from preflect.adapters.ppm import PpmScorer  # noqa: PLC0415  # not every run has a student

        return PpmScorer(spec)
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


def check_students(recipe: Recipe, source: Source) -> None:
    """See that every student which a stage will ask can be had, without loading its weights.

    Raises: MissingPartError: its packages are not installed; InputError: model, tokenizer or template is unusable.
    """
    used = {name for stage in recipe.stages for name in stage.model_names}
    for name, model in recipe.models.items():
        if name not in used or not isinstance(model, TransformersStudent):
            continue
        from preflect.adapters.transformers import check_transformers  # noqa: PLC0415  # its libraries are an extra

        try:
            check_transformers(model)
        except (InputError, MissingPartError) as error:
            raise type(error)(f"{source.place(('models', name, 'model'))}: models.{name}: {error}") from error


def _complaint(kind: str, place: tuple[int | str, ...], message: str, got: object) -> str:
    # The first part of the place is the kind, which the user did not write as a key.
    option = ".".join(str(part) for part in place[1:]) or "student"
    if message.startswith("Extra inputs"):
        return f"a student of kind {kind} has no option {option}, got {got!r}; leave it out"
    return f"{option} of a student of kind {kind}: {message}, got {got!r}"
