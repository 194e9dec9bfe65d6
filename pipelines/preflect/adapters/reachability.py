"""One look at each endpoint before a run, so that a wrong address or key is found before the first call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any, Final, TypeVar

import aiohttp

from preflect.adapters.environment import secret
from preflect.adapters.http_post import Look, look_at
from preflect.errors import InputError
from preflect.schemas import OpenAIModel

T = TypeVar("T")

WAIT_S: Final = 10.0
NO_ANSWER: Final = (aiohttp.ClientError, OSError, ValueError)
"""What is raised where nothing answers, or the address is none."""

SIMULATED: Final = "x-preflect-simulated"
"""The header by which the simulated endpoint marks all that it says, wherever it runs."""


def check_endpoint(name: str, spec: OpenAIModel, place: Callable[[str], str]) -> bool:
    """Ask for the endpoint's list of models; any answer but a refused key will do.

    Args: place names a key of this model, such as `base_url`, and where the recipe gives it.
    Returns: whether what answers is the simulated endpoint.
    Raises: InputError when the key's variable is not set, the address does not answer, or the key is refused.
    """
    try:
        key = secret(spec.api_key_env)
    except InputError as error:
        raise InputError(f"{place('api_key_env')}: {error}") from error
    code, headers, _ = _answer_of(name, spec, key, place)
    if code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        where, said = place("api_key_env"), f"{spec.base_url} refuses"
        status = f"HTTP {code}"
        if not spec.api_key_env:
            raise InputError(
                f"{where}: {said} a request without a key ({status}); name the variable that holds one with api_key_env"
            )
        raise InputError(f"{where}: {said} the key in {spec.api_key_env} ({status}); put a valid one there")
    return SIMULATED in headers


def _answer_of(name: str, spec: OpenAIModel, key: str, place: Callable[[str], str]) -> Look:
    try:
        return get(spec.base_url.rstrip("/") + "/models", key)
    except NO_ANSWER as error:
        raise InputError(
            f"{place('base_url')}: {spec.base_url} does not answer ({type(error).__name__}); "
            f"start the server or mend the address: --set models.{name}.base_url=http://127.0.0.1:8000/v1"
        ) from error


def get(url: str, key: str) -> Look:
    """What an endpoint answers there, whatever its status. Raises: one of `NO_ANSWER`."""
    return _result_of(asyncio.wait_for(look_at(url, key), WAIT_S))


def _result_of(look: Coroutine[Any, Any, T]) -> T:
    """Run it here, where Ctrl-C ends it at once; in another thread where an event loop runs here, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(look)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, look).result()


def secret_of(name: str, spec: OpenAIModel) -> str:
    """The model's key, empty where it needs none. Raises: InputError that names the model and its variable."""
    try:
        return secret(spec.api_key_env)
    except InputError as error:
        raise InputError(f"models.{name}.api_key_env: {error}") from error
