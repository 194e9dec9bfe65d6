"""One look at each endpoint before a run, so that a wrong address or key is found before the first call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import requests

from preflect.adapters.environment import proxy_for, secret
from preflect.errors import InputError
from preflect.schemas import OpenAIModel

WAIT_S: Final = 10.0

SIMULATED: Final = "x-preflect-simulated"
"""The header by which the simulated endpoint marks all that it says, wherever it runs."""


def check_endpoint(name: str, spec: OpenAIModel, place: Callable[[str], str]) -> bool:
    """Ask for the endpoint's list of models; any answer but a refused key will do.

    Args: place says where the recipe gives a key of this model, such as `base_url`.
    Returns: whether what answers is the simulated endpoint.
    Raises: InputError when the key's variable is not set, the address does not answer, or the key is refused.
    """
    try:
        key = secret_of(name, spec)
    except InputError as error:
        raise InputError(f"{place('api_key_env')}: {error}") from error
    answer = _answer_of(name, spec, key, place)
    if answer.status_code in (requests.codes.unauthorized, requests.codes.forbidden):
        where, said = place("api_key_env"), f"models.{name}: {spec.base_url} refuses"
        status = f"HTTP {answer.status_code}"
        if not spec.api_key_env:
            raise InputError(
                f"{where}: {said} a request without a key ({status}); name the variable that holds one with api_key_env"
            )
        raise InputError(f"{where}: {said} the key in {spec.api_key_env} ({status}); put a valid one there")
    return SIMULATED in answer.headers


def _answer_of(name: str, spec: OpenAIModel, key: str, place: Callable[[str], str]) -> requests.Response:
    try:
        return get(spec.base_url.rstrip("/") + "/models", key)
    except requests.RequestException as error:
        raise InputError(
            f"{place('base_url')}: models.{name}.base_url: {spec.base_url} does not answer ({type(error).__name__}); "
            f"start the server or mend the address: --set models.{name}.base_url=http://127.0.0.1:8000/v1"
        ) from error


def get(url: str, key: str) -> requests.Response:
    """What an endpoint answers there, whatever its status. Raises: requests.RequestException: nothing."""
    with requests.Session() as session:
        session.trust_env = False  # else a line of ~/.netrc would take the key's place
        proxy = proxy_for(url)
        return session.get(
            url,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            proxies={"http": proxy, "https": proxy} if proxy else {},
            timeout=WAIT_S,
        )


def secret_of(name: str, spec: OpenAIModel) -> str:
    """The model's key, empty where it needs none. Raises: InputError that names the model and its variable."""
    try:
        return secret(spec.api_key_env)
    except InputError as error:
        raise InputError(f"models.{name}.api_key_env: {error}") from error
