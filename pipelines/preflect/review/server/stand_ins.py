"""What Argilla wants beside itself, and this server does without: to be put in place before Argilla is imported.

Redis runs in this process. Elasticsearch and OpenSearch, and the jobs that copy datasets from and to the Hugging Face
Hub, which an offline server cannot do, are left out: their packages take 300 MB of disk, 100 MB of memory and a second
of each start. So are coloured logs, httpx's command line, and the models of an OpenAPI document that nobody asks for.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any, NoReturn

import fakeredis
import redis
from pydantic import BaseModel


class _Absent:
    """Stands where a class was that needs the network."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self._refuse()

    @staticmethod
    def _refuse() -> NoReturn:
        raise RuntimeError("this server works offline: it has no Hugging Face Hub, Elasticsearch or OpenSearch")


def stand_in() -> None:
    """Put all stand-ins in place."""
    server = fakeredis.FakeServer()

    def connect(*_: Any, **__: Any) -> fakeredis.FakeRedis:
        return fakeredis.FakeRedis(server=server)

    redis.from_url = connect
    _leave_out("rich.logging", "httpx._main")
    _absent("argilla_server.search_engine.elasticsearch", "ElasticSearchEngine")
    _absent("argilla_server.search_engine.opensearch", "OpenSearchEngine")
    _absent("argilla_server.contexts.hub", "HubDataset", "HubDatasetExporter")
    _build_when_used("fastapi.openapi.models")


def _absent(module: str, *classes: str) -> None:
    sys.modules[module] = ModuleType(module)
    sys.modules[module].__dict__.update(dict.fromkeys(classes, _Absent))


def _leave_out(*modules: str) -> None:
    """Whoever imports these gets an ImportError, and goes on without."""
    sys.modules.update(dict.fromkeys(modules))  # type: ignore[arg-type]


def _build_when_used(module: str) -> None:
    """Import a module of pydantic models, each of which is built when it is first used."""
    BaseModel.model_config["defer_build"] = True
    import_module(module)
    del BaseModel.model_config["defer_build"]
