"""What `preflect student export` writes into a folder, and reading it back; neither torch nor onnx is needed for it.

model.onnx            from token ids, (batch, length), to what each but the first costs in nats, (batch, length - 1)
model.onnx.data       its weights
tokenizer.json        as the `tokenizers` package reads it
chat_template.jinja   where the tokenizer has one
student.json          `ExportCard`
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal, cast

from pydantic import ValidationError

from preflect.adapters.bare_tokenizer import BareTokenizer
from preflect.adapters.tokenizer import HubTokenizer
from preflect.errors import InputError
from preflect.schemas.base import Schema

GRAPH: Final = "model.onnx"
TOKENIZER: Final = "tokenizer.json"
CHAT_TEMPLATE: Final = "chat_template.jinja"
CARD: Final = "student.json"
INPUT: Final = "input_ids"
OUTPUT: Final = "nll"


class CheckedText(Schema):
    """What one text costs the model that was exported: whoever loads the export must get the same."""

    text: str
    nats: float
    """Per token, behind what the tokenizer puts before a text."""


class ExportCard(Schema):
    """What is known of an exported model."""

    format: Literal[1] = 1
    """Of the folder; raised when an older reader would read it wrong."""
    model: str
    revision: str
    embeddings: int
    """Ids that it knows: 0 to this, exclusive."""
    positions: int | None
    """Longest sequence in tokens; None where the model states none."""
    dtype: Literal["float32"] = "float32"
    special_tokens: dict[str, str]
    """By the names that a chat template knows them under."""
    check: tuple[CheckedText, ...]


def read_card(folder: Path) -> ExportCard:
    """What the folder says of itself. Raises: InputError: it is no export, or one of another format."""
    missing = [name for name in (CARD, GRAPH, TOKENIZER) if not (folder / name).is_file()]
    if missing:
        raise InputError(
            f"{str(folder)!r} is no exported student, it holds no {missing[0]}; "
            "write one with `preflect student export MODEL DIR`"
        )
    try:
        return ExportCard.model_validate_json((folder / CARD).read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InputError(
            f"{str(folder / CARD)!r} is no card of an exported student: {place}: {first['msg']}; "
            "export the model again with this version of preflect"
        ) from error


def read_tokenizer(folder: Path, card: ExportCard) -> HubTokenizer:
    """The tokenizer in the folder. Raises: InputError: it is damaged."""
    from tokenizers import Tokenizer  # noqa: PLC0415  # an extra

    template = folder / CHAT_TEMPLATE
    try:
        core = cast("Any", Tokenizer).from_file(str(folder / TOKENIZER))
    # Nothing more special is raised there.
    except Exception as error:
        raise InputError(
            f"{str(folder / TOKENIZER)!r} cannot be read: {error}; export the model again into another folder"
        ) from error
    chat = template.read_text(encoding="utf-8") if template.is_file() else None
    return HubTokenizer(card.model, BareTokenizer(core, chat, card.special_tokens))
