"""What a recipe may hold where: the schema's types followed from the top down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, cast, get_args, get_origin

from pydantic import BaseModel

from preflect.recipes.locate import KeyPath
from preflect.schemas import Recipe

TAGS: Final = ("stage", "kind", "type")
"""Keys that tell the members of a union apart."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A place that pydantic names, without the union members that it mixes in among the keys."""

    path: KeyPath
    holder: Any
    """Type of what holds the last key; None where the schema knows no type."""
    branch: Literal["plain", "mapping"] | None
    """Which sort of member of an untagged union the error lies in: `plain` or `mapping`."""

    def known_keys(self) -> tuple[str, ...]:
        """The keys that may stand where the last one does."""
        if fields := _fields(self.holder):
            return tuple(fields)
        arguments = get_args(self.holder)
        return get_args(arguments[0]) if arguments and get_origin(arguments[0]) is Literal else ()


def find(location: Iterable[str | int]) -> Spot:
    """The spot that a pydantic error location stands for."""
    here: Any = Recipe
    spot = Spot((), None, None)
    for piece in location:
        members = members_of(here)
        if len(members) > 1:
            here = _member(members, piece)
            spot = Spot(spot.path, spot.holder, None if _tag(here) else "mapping" if _fields(here) else "plain")
        elif piece != "[key]":
            holder = members[0] if members else None
            spot = Spot((*spot.path, str(piece)), holder, None)
            here = _inside(holder, piece)
    return spot


def tags_at(location: Iterable[str | int]) -> tuple[str, ...]:
    """The tags that the union at a pydantic error location knows."""
    spot = find(location)
    return tuple(tag for member in members_of(_inside(spot.holder, spot.path[-1])) if (tag := _tag(member)))


def members_of(annotation: Any) -> tuple[Any, ...]:
    """The types that a value may have, None left out: one, but for unions."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return members_of(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return tuple(member for part in get_args(annotation) for member in members_of(part))
    return () if annotation in (NoneType, None) else (annotation,)


def _member(members: Iterable[Any], label: str | int) -> Any:
    named = (m for m in members if label in (_tag(m), m.__name__))
    # Pydantic's label of a text with limits (`constrained-str`) is no type's name.
    return next(named, next((m for m in members if not _fields(m)), None))


def _tag(member: Any) -> str | None:
    """The value that marks a member of a tagged union."""
    fields = _fields(member)
    return next((cast("str", fields[tag].default) for tag in TAGS if tag in fields), None)


def _fields(annotation: Any) -> Mapping[str, Any]:
    return annotation.model_fields if isinstance(annotation, type) and issubclass(annotation, BaseModel) else {}


def _inside(annotation: Any, piece: str | int) -> Any:
    """Type of one entry of a value of this type."""
    if piece in (fields := _fields(annotation)):
        return fields[str(piece)].annotation
    origin, arguments = get_origin(annotation), get_args(annotation)
    return arguments[1] if origin is dict else arguments[0] if origin is tuple else None
