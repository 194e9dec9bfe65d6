"""Grader specifications, vendor-neutral: what makes an answer right."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from preflect.schemas.base import Schema


class StringGrader(Schema):
    """Compares the answer with the reference as text."""

    type: Literal["string"] = "string"
    operation: Literal["eq", "ne", "like", "ilike"] = "eq"
    """`like` and `ilike`: the reference occurs in the answer (`ilike` in any case)."""
    reference: str | None = None
    """None: the instruction's own reference answer."""


class ChoiceGrader(Schema):
    """The answer names exactly the right one of the choices."""

    type: Literal["choice"] = "choice"
    choices: tuple[str, ...] = Field(min_length=2)
    reference: str | None = None


class NumberGrader(Schema):
    """The last number of the answer equals the reference within a tolerance."""

    type: Literal["number"] = "number"
    reference: str | None = None
    tolerance: float = Field(default=1e-6, ge=0)
    """Relative where |reference| > 1, absolute below."""


class RegexGrader(Schema):
    """The pattern is found in the answer."""

    type: Literal["regex"] = "regex"
    pattern: str
    full_match: bool = False
    ignore_case: bool = False


class JsonSchemaGrader(Schema):
    """The answer holds one JSON document that the schema accepts, and that equals the reference where there is one."""

    type: Literal["json_schema"] = "json_schema"
    json_schema: dict[str, JsonValue]
    reference: str | None = None


class Constraint(Schema):
    """One verifiable demand on the form of an answer, by its IFEval instruction id."""

    id: str
    arguments: dict[str, JsonValue] = Field(default_factory=dict)


class ConstraintsGrader(Schema):
    """The share of the constraints that the answer meets."""

    type: Literal["constraints"] = "constraints"
    constraints: tuple[Constraint, ...] = Field(min_length=1)


GraderSpec = Annotated[
    StringGrader | ChoiceGrader | NumberGrader | RegexGrader | JsonSchemaGrader | ConstraintsGrader,
    Field(discriminator="type"),
]
