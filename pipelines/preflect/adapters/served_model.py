"""What a model server says of the model that it serves, in the list of models that vLLM and SGLang have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from pydantic import BaseModel, ValidationError

from preflect.adapters.environment import secret
from preflect.adapters.reachability import NO_ANSWER, get
from preflect.errors import InputError
from preflect.schemas import PromptLogprobsStudent

_NO_ENTRY: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model at a server."""

    name: str
    source: str
    """Where the server has it from: a name on the Hub, or a folder of its own."""
    positions: int | None
    """Longest sequence in tokens; None where the server does not say."""


class _Entry(BaseModel):
    id: str
    root: str | None = None
    parent: str | None = None
    """The model that this one is an adapter of."""
    max_model_len: int | None = None


class _List(BaseModel):
    data: list[_Entry]


def root_of(base_url: str) -> str:
    """The server's address without the `/v1` that OpenAI's API is under."""
    return base_url.rstrip("/").removesuffix("/v1")


def served_model(spec: PromptLogprobsStudent) -> ServedModel:
    """The model that a student is asked of: by its name, or the one that is there.

    Raises: InputError: the key is not set or refused, nothing answers, or there is no such model.
    """
    entries = _entries(spec)
    if spec.model is None:
        if not entries:
            raise InputError(f"{spec.base_url} does not say which model it serves; name it with model:")
        # Beside a model there may be adapters of it.
        entry = next((entry for entry in entries if entry.parent is None), entries[0])
    else:
        entry = next((entry for entry in entries if entry.id == spec.model), None)
        if entries and entry is None:
            names = ", ".join(entry.id for entry in entries)
            raise InputError(f"{spec.base_url} serves no model {spec.model!r}, but {names}; name one of these")
        entry = entry or _Entry(id=spec.model)
    return ServedModel(entry.id, entry.parent or entry.root or entry.id, entry.max_model_len)


def _entries(spec: PromptLogprobsStudent) -> Sequence[_Entry]:
    """The models that the server lists; none where it has no list."""
    key = secret(spec.api_key_env)
    try:
        answer = get(root_of(spec.base_url) + "/v1/models", key)
    except NO_ANSWER as error:
        raise InputError(
            f"{spec.base_url} does not answer ({type(error).__name__}); start the server or mend the address"
        ) from error
    if answer.status in _NO_ENTRY:
        refused = f"the key in {spec.api_key_env}" if spec.api_key_env else "a request without a key"
        raise InputError(
            f"{spec.base_url} refuses {refused} (HTTP {answer.status}); "
            "name the variable that holds a valid one with api_key_env in a recipe, --api-key-env on the command line"
        )
    try:
        return _List.model_validate_json(answer.body).data
    except ValidationError:
        return ()
