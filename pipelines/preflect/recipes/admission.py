"""What a recipe's own selection asks of a response, for responses that come from elsewhere: people's edits."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from preflect.ports import Student
from preflect.review.take_back import Admission
from preflect.schemas import ModelSpec, PpmStudent, Recipe
from preflect.schemas.stages import SelectResponse, StudentStage
from preflect.scoring import ScoreMetric


def threshold_of(student: ModelSpec, stage: SelectResponse, metric: ScoreMetric) -> float:
    """What the stage says, or else the student, or else 1."""
    own = student.thresholds.get(metric, 1.0) if isinstance(student, PpmStudent) else 1.0
    return own if stage.threshold is None else stage.threshold


def scoring_students(recipe: Recipe) -> tuple[str, ...]:
    """The name of the student that scores what comes from elsewhere: the last selection's; none without a student."""
    stage = _last_selection(recipe)
    return () if stage is None else stage.model_names[:1]


def admission_of(recipe: Recipe, students: Mapping[str, Student]) -> Admission | None:
    """The last selection of a response with its thresholds; of other stages the student alone, which admits all."""
    stage = _last_selection(recipe)
    if stage is None:
        return None
    first = stage.model_names[0]
    if not isinstance(stage, SelectResponse):
        return Admission(student=students[first], metric="ifd_ppl", threshold=inf, reverse_threshold=inf)
    return Admission(
        student=students[first],
        metric=stage.metric,
        threshold=threshold_of(recipe.models[first], stage, stage.metric),
        reverse_threshold=threshold_of(recipe.models[first], stage, "r_ifd_ppl"),
    )


def _last_selection(recipe: Recipe) -> StudentStage | None:
    found = [stage for stage in recipe.stages if isinstance(stage, StudentStage)]
    admitting = [stage for stage in found if isinstance(stage, SelectResponse)]
    return next(reversed(admitting or found), None)
