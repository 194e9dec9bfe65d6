"""One look at each endpoint before a run, so that a wrong address or key is found before the first call."""

from __future__ import annotations

from typing import Final

import requests

from preflect.adapters.environment import secret
from preflect.errors import InputError
from preflect.schemas import OpenAIModel

WAIT_S: Final = 10.0


def check_endpoint(name: str, spec: OpenAIModel) -> None:
    """Ask for the endpoint's list of models; any answer but a refused key will do.

    Raises: InputError when the key's variable is not set, the address does not answer, or the key is refused.
    """
    key = secret_of(name, spec)
    url = spec.base_url.rstrip("/") + "/models"
    try:
        answer = requests.get(url, headers={"Authorization": f"Bearer {key}"} if key else {}, timeout=WAIT_S)
    except requests.RequestException as error:
        raise InputError(
            f"models.{name}.base_url: {spec.base_url} does not answer ({type(error).__name__}); start the server or "
            f"mend the address: --set models.{name}.base_url=http://127.0.0.1:8000/v1"
        ) from error
    if answer.status_code in (requests.codes.unauthorized, requests.codes.forbidden):
        variable = f"the key in {spec.api_key_env}" if spec.api_key_env else "a request without a key (api_key_env)"
        raise InputError(f"models.{name}: {spec.base_url} refuses {variable}: HTTP {answer.status_code}")


def secret_of(name: str, spec: OpenAIModel) -> str:
    """The model's key, empty where it needs none. Raises: InputError that names the model and its variable."""
    try:
        return secret(spec.api_key_env)
    except InputError as error:
        raise InputError(f"models.{name}.api_key_env: {error}") from error
