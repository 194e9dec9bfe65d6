"""Placeholder until the search engine lands: the server comes up, and nothing is found."""

from __future__ import annotations

from typing import Any

from argilla_server.search_engine.base import SearchEngine, SearchResponses


def register() -> None:
    async def nothing(*_: Any, **__: Any) -> Any:
        return SearchResponses(items=[], total=0)

    async def new_instance(*_: Any) -> Any:
        return engine()

    async def ping(_: Any) -> bool:
        return True

    hooks = dict.fromkeys(SearchEngine.__abstractmethods__, nothing)
    engine = type("Placeholder", (SearchEngine,), hooks | {"new_instance": classmethod(new_instance), "ping": ping})
    SearchEngine.register("sqlite")(engine)
