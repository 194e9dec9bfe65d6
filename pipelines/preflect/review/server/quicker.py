"""What Argilla computes again for each record, although it is the same each time.

Three quarters of the time that logging takes go into pydantic's adapters; webhook events are made, with all that they
tell, even where nobody listens.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, Final

from argilla_server.database import SyncSessionLocal
from argilla_server.models import Webhook, database
from argilla_server.webhooks.v1 import datasets, records, responses
from pydantic import TypeAdapter
from sqlalchemy import event, select

Build = Callable[..., Awaitable[Any]]
_BUILDERS: Final = (
    (datasets, "build_dataset_event"),
    (records, "build_record_event"),
    (responses, "build_response_event"),
)


def quicken() -> None:
    """Put the quicker ways in place; what comes out is the same."""
    database.TypeAdapter = cache(TypeAdapter)
    listeners = _Listeners()
    for module, name in _BUILDERS:
        setattr(module, name, listeners.asked_first(getattr(module, name)))


class _Listeners:
    """Whether there may be a webhook; once there was one, always, since it may be one that is in use."""

    def __init__(self) -> None:
        with SyncSessionLocal() as session:
            self._any = session.scalar(select(Webhook.id).limit(1)) is not None
        event.listen(Webhook, "after_insert", self._note)

    def _note(self, *_: Any) -> None:
        self._any = True

    def asked_first(self, build: Build) -> Build:
        async def build_if_heard(*arguments: Any) -> Any:
            return await build(*arguments) if self._any else _Unheard()

        return build_if_heard


class _Unheard:
    """An event that nobody listens to."""

    async def notify(self, _: Any) -> list[Any]:
        return []
