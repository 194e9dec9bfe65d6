"""The student behind a server: any that says how likely each token of a prompt is, as vLLM and SGLang do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from preflect.adapters.environment import secret
from preflect.adapters.logprob_server import Address, LogprobServer, NotGivenError
from preflect.adapters.logprob_wire import WAYS
from preflect.adapters.request_pool import RequestPool
from preflect.adapters.scoring_service import ScoringService
from preflect.adapters.served_model import ServedModel, root_of, served_model
from preflect.adapters.student_check import check_losses, check_tokenizer, plain_texts
from preflect.adapters.tokenizer import HubTokenizer, load_known_ids, load_tokenizer
from preflect.errors import InputError, RunError
from preflect.ports import MadeBy, NllPair, ScoreQuery
from preflect.schemas import PromptLogprobsStudent
from preflect.scoring.sequences import Layout, longest, revision_at
from preflect.scoring.spans import Pass

_WINDOW_TOKENS: Final = 32_768
_UNKNOWN_REVISION: Final = "as-served"
_REMEDY: Final = (
    "serve the model with vLLM or SGLang (llama.cpp's server and Ollama keep a prompt's log-probabilities to "
    "themselves), or choose a student of kind transformers"
)


class PromptLogprobsScorer:
    """Implements `preflect.ports.Student`: texts are tokenised here and token ids sent, so that nothing is added."""

    def __init__(self, spec: PromptLogprobsStudent) -> None:
        """Look at the server, load the tokenizer, and see once that what comes back can be believed.

        Raises: MissingPartError: transformers is not installed; InputError: nothing answers, or not with
        log-probabilities; the tokenizer cannot be loaded or is not the model's; there is no chat template where one is
        wanted; or the server's context is too short for `max_length`.
        """
        served, layout, server = _checked(spec)
        made_by = _made_by(spec, served, layout)
        self.name: Final = made_by[0]
        self.revision: Final = made_by[1]
        self.template: Final = made_by[2]
        # A server in half precision is noisy, but would only say the same again.
        self.noise: Final = 0.0
        pool = RequestPool(server.http, server.mean_nll, concurrency=spec.concurrency)
        self._service = ScoringService(layout.passes, pool, window_tokens=_WINDOW_TOKENS)

    async def score(self, query: ScoreQuery) -> NllPair:
        """Score one pair. Raises: RunError: the server fails, or is gone."""
        return await self._service.score(query)


def check_prompt_logprobs(spec: PromptLogprobsStudent) -> MadeBy:
    """See before a run begins that the student can be asked.

    Returns: what tells its scores from others. Raises: as `PromptLogprobsScorer` does.
    """
    served, layout, _ = _checked(spec)
    return _made_by(spec, served, layout)


def _checked(spec: PromptLogprobsStudent) -> tuple[ServedModel, Layout, LogprobServer]:
    served = served_model(spec)
    tokenizer, known_ids = _tokenizer(spec, served)
    headroom = max(way.headroom for way in WAYS[spec.server])
    positions = served.positions and served.positions - headroom
    layout = Layout(
        encoder=tokenizer,
        template=spec.template,
        max_length=longest(served.name, spec.template, spec.max_length, positions),
        known_ids=known_ids,
    )
    check_tokenizer(served.name, tokenizer, known_ids)
    if spec.template == "chat":
        tokenizer.check_chat_template()
    address = Address(
        root=root_of(spec.base_url),
        model=served.name,
        key=secret(spec.api_key_env),
        timeout_s=spec.timeout_s,
    )
    server, losses = _probed(spec, address, tokenizer)
    check_losses(served.name, losses, known_ids)
    return served, layout, server


def _tokenizer(spec: PromptLogprobsStudent, served: ServedModel) -> tuple[HubTokenizer, int]:
    """The model's tokenizer, and how many ids the model knows."""
    name = spec.tokenizer or served.source
    try:
        tokenizer = load_tokenizer(name, spec.revision)
    except InputError as error:
        if spec.tokenizer:
            raise
        raise InputError(f"{error}, as `tokenizer` (--tokenizer); {spec.base_url} only says {name!r}") from error
    return tokenizer, load_known_ids(name, spec.revision) or tokenizer.ids


def _probed(
    spec: PromptLogprobsStudent, address: Address, tokenizer: HubTokenizer
) -> tuple[LogprobServer, Sequence[float]]:
    """The server, asked in the first way that it understands, and what plain English costs it.

    Raises: InputError.
    """
    plain = [Pass(tuple(ids), 1) for ids in plain_texts(tokenizer)]
    faults: list[str] = []
    for way in WAYS[spec.server]:
        server = LogprobServer(address, way)
        try:
            losses = [server.http.wait_for(server.mean_nll(one)) for one in plain]
        except NotGivenError as error:
            faults.append(str(error))
        except RunError as error:
            raise InputError(str(error)) from error
        else:
            if all(map(math.isfinite, losses)):
                return server, losses
            faults.append(f"the student's server {address.root} gives log-probabilities that are no finite numbers")
    raise InputError(f"{', and '.join(dict.fromkeys(faults))}; {_REMEDY}")


def _made_by(spec: PromptLogprobsStudent, served: ServedModel, layout: Layout) -> MadeBy:
    # A server may take less than its model does, so only the template says what is usual.
    usual = longest(served.name, spec.template, None, None)
    revision = revision_at(spec.revision or _UNKNOWN_REVISION, layout.max_length, usual=usual)
    return _public_name(served.name), revision, spec.template


def _public_name(model: str) -> str:
    # Servers name a model by its folder where they are given no name, which says more about the machine.
    return Path(model).name if Path(model).is_absolute() else model
