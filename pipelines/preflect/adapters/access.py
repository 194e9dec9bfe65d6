"""Answers that no request of a model gets past: the key, the account or the address is not what lets it in."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Self

from preflect.adapters.refusals import Refusal
from preflect.errors import AccessDeniedError
from preflect.schemas import ChatModelSpec, OpenAIModel
from preflect.traffic.told import wants_money

_KEY: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """The way to a model as the user has set it, for messages."""

    model: str
    """Its name in the recipe."""
    served_model: str
    base_url: str
    api_key_env: str | None

    @classmethod
    def of(cls, name: str, spec: ChatModelSpec, base_url: str, served_model: str) -> Self:
        """The way that this model of a recipe is asked by."""
        variable = spec.api_key_env if isinstance(spec, OpenAIModel) else None
        return cls(model=name, served_model=served_model, base_url=base_url, api_key_env=variable)

    def check(self, refusal: Refusal, *, answered: bool) -> None:
        """Let a refusal pass that is of one request.

        Args: answered says that the model has answered before: then a 403 or 404 means something in the request.
        Raises: AccessDeniedError where every other request would hear the same.
        """
        if remedy := self._remedy(refusal, answered=answered):
            key = f"with the key in {self.api_key_env}" if self.api_key_env else "without a key"
            raise AccessDeniedError(
                f"model '{self.model}' ({self.served_model}) is refused at {self.base_url}, {key}: {refusal}; {remedy}"
            )

    def _remedy(self, refusal: Refusal, *, answered: bool) -> str:
        if refusal.status == HTTPStatus.PAYMENT_REQUIRED or wants_money(refusal.status, refusal.text.encode()):
            return "top up the account that the key belongs to"
        if answered and refusal.status != HTTPStatus.UNAUTHORIZED:
            return ""
        if refusal.status in _KEY and self.api_key_env:
            return f"put a valid key into {self.api_key_env}"
        if refusal.status in _KEY:
            return f"name the variable that holds a key with --set models.{self.model}.api_key_env=NAME"
        if refusal.status == HTTPStatus.NOT_FOUND:
            way = f"mend the address with --set models.{self.model}.base_url=URL"
            return f"{way}, or begin a new run with a model that is there"
        return ""
