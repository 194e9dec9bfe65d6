"""The fields of one input row, each checked: a row that no model should be asked about is refused here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast

import orjson
from pydantic import JsonValue, TypeAdapter, ValidationError

from preflect.adapters.input_columns import MISSING, Column, UnusableValueError
from preflect.adapters.input_messages import conversation, first_error
from preflect.adapters.input_row import BadRow, InputRow, RawRow
from preflect.adapters.json_values import deeper_than, is_object, kind_of
from preflect.grading import is_blank, validate_grader
from preflect.schemas import ChoiceGrader, Conversation, GraderSpec, Message, NumberGrader, StringGrader

if TYPE_CHECKING:
    from preflect.schemas.recipe import InputField

_GRADER: Final[TypeAdapter[GraderSpec]] = TypeAdapter(GraderSpec)
_MAX_DEPTH: Final = 64
"""Well below the depth at which samples can no longer be written and read as JSON."""
_MAX_EXACT: Final = 2.0**63
"""Larger integers were rounded when the JSON was read."""
_NEEDS_REFERENCE: Final = (ChoiceGrader, NumberGrader, StringGrader)


def input_row(raw: RawRow, columns: tuple[Column, ...]) -> InputRow | BadRow:
    """The row with its fields checked, or why it cannot be used."""
    if not is_object(raw.value):
        return raw.refused("not_an_object", f"is {kind_of(raw.value)}; a row is an object with named fields")
    try:
        return _checked(raw, _Fields(raw.value, columns))
    except UnusableValueError as error:
        return raw.refused(error.reason, error.remedy)


def _checked(raw: RawRow, fields: _Fields) -> InputRow:
    messages, last_turn = fields.conversation()
    response = fields.text("response")
    if last_turn and response:
        raise UnusableValueError(
            "two_responses", "has a response column and messages that end with the assistant's turn; keep one of them"
        )
    reference = fields.text("reference_answer")
    return InputRow(
        number=raw.number,
        messages=messages,
        input=fields.text("input"),
        response=response or last_turn,
        reference_answer=reference,
        grader=fields.grader(reference),
        source=fields.text("source"),
        source_id=fields.text("id"),
        metadata=fields.metadata(),
    )


class _Fields:
    """One row's values by field; every method raises UnusableValueError."""

    def __init__(self, row: Mapping[str, object], columns: tuple[Column, ...]) -> None:
        self._row = row
        self._columns = {column.field: column for column in columns}

    def _value(self, name: InputField) -> object:
        """None where the row has nothing there."""
        value = self._columns[name].value(self._row)
        return None if value is MISSING else value

    def text(self, name: InputField) -> str | None:
        """Text or a number as text; blank text is None, as an empty cell of a table is."""
        match self._value(name):
            case None:
                return None
            case str() as text:
                return None if is_blank(text) else text
            case bool() as flag:
                raise _wrong_type(name, flag, "text")
            case float() as number if abs(number) >= _MAX_EXACT:
                raise UnusableValueError(
                    "wrong_type", f"{name} is too large a number to be kept exactly; put it in quotes"
                )
            case int() | float() as number:
                return None if math.isnan(number) else str(number)
            case other:
                raise _wrong_type(name, other, "text")

    def conversation(self) -> tuple[Conversation, str | None]:
        """The prompt, and the assistant's last turn where the messages end with one."""
        instruction, messages = self._value("instruction"), self._value("messages")
        # A mapped column is what the recipe means; the other one, under its own name, is then some other column.
        if instruction is not None and messages is not None:
            if self._columns["instruction"].mapped == self._columns["messages"].mapped:
                raise UnusableValueError(
                    "two_instructions", "has both an instruction and messages; map one of them with input.columns"
                )
            messages = messages if self._columns["messages"].mapped else None
        if messages is not None:
            return conversation(_structure("messages", messages))
        return (Message(role="user", content=_instruction(instruction)),), None

    def grader(self, reference: str | None) -> GraderSpec | None:
        value = _object("grader", self._value("grader"))
        if not value:
            return None
        try:
            spec = _GRADER.validate_json(orjson.dumps({key: part for key, part in value.items() if part is not None}))
        except ValidationError as error:
            raise UnusableValueError("bad_grader", f"the grader is wrong: {first_error(error)}") from error
        complaint = validate_grader(spec)
        if complaint:
            raise UnusableValueError("bad_grader", f"the grader is wrong: {complaint}")
        if isinstance(spec, _NEEDS_REFERENCE) and spec.reference is None and reference is None:
            raise UnusableValueError(
                "grader_without_reference",
                f"the {spec.type} grader has nothing to compare with; add a reference_answer",
            )
        return spec

    def metadata(self) -> dict[str, JsonValue]:
        return cast("dict[str, JsonValue]", _object("metadata", self._value("metadata")))


def _instruction(value: object) -> str:
    if value is None:
        raise UnusableValueError("no_instruction", "has no instruction; give it one, or map the column that holds it")
    if not isinstance(value, str):
        raise _wrong_type("instruction", value, "text")
    if is_blank(value):
        raise UnusableValueError("empty_instruction", "the instruction is empty; give it text or delete the row")
    return value


def _object(name: InputField, value: object) -> dict[str, object]:
    """An object, empty where there is none; tables hold it as JSON text or as a struct."""
    structure = None if value is None else _structure(name, value)
    if structure is None:
        return {}
    if not is_object(structure):
        raise _wrong_type(name, structure, "an object")
    return structure


def _structure(name: InputField, value: object) -> object:
    structure = _parsed(name, value) if isinstance(value, str) else value
    if deeper_than(_MAX_DEPTH, structure):
        raise UnusableValueError("too_deep", f"{name} is nested more than {_MAX_DEPTH} levels deep; make it flatter")
    # Dates and the like, which JSON does not know, become text; NaN becomes null.
    return orjson.loads(orjson.dumps(structure, default=str))


def _parsed(name: InputField, text: str) -> object:
    try:
        return orjson.loads(text) if text.strip() else None
    except orjson.JSONDecodeError as error:
        raise UnusableValueError("bad_json", f"{name} is text that is not JSON: {error.msg}") from error


def _wrong_type(name: InputField, value: object, wanted: str) -> UnusableValueError:
    return UnusableValueError("wrong_type", f"{name} is {kind_of(value)}; it should be {wanted}")
