"""Curator of Bespoke Labs: one `LLM` a stage, chained as documented; each waits for all rows of the one before."""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path

# Read when its modules are imported: no reports to its makers; the price table and the tokens that litellm brings, not
# the newest ones from the network; no replies from an earlier run; and its files in the current folder.
os.environ |= {
    "TIKTOKEN_CACHE_DIR": sysconfig.get_path("purelib") + "/litellm/litellm_core_utils/tokenizers",
    "TELEMETRY_ENABLED": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "CURATOR_DISABLE_CACHE": "true",
    "CURATOR_CACHE_DIR": str(Path("cache").absolute()),
    "CURATOR_DISABLE_RICH_DISPLAY": "1",
    "HF_HOME": str(Path("hub").absolute()),
}

from bespokelabs import curator
from task import FOLLOW_UP, MAX_TOKENS, Task, given, timed


class First(curator.LLM):
    """Answers each instruction."""

    def prompt(self, row: dict) -> str:
        return row["instruction"]

    def parse(self, row: dict, response: str) -> dict:
        return {"reply": response}


class Next(First):
    """Shows the reply before."""

    def prompt(self, row: dict) -> str:
        return FOLLOW_UP.format(row["reply"])


def stage(kind: type[curator.LLM], task: Task) -> curator.LLM:
    """The rates are out of the way: without them it would keep to 200 requests a minute."""
    return kind(
        model_name="mock",
        backend="openai",
        generation_params={"max_tokens": MAX_TOKENS},
        backend_params={
            "base_url": task.base_url,
            "api_key": "-",
            "max_concurrent_requests": task.concurrency,
            "max_requests_per_minute": 10_000_000,
            "max_tokens_per_minute": 100_000_000_000,
        },
    )


if __name__ == "__main__":
    with timed():
        work = given()
        rows = [{"instruction": text} for text in work.instructions()]
        for number in range(work.stages):
            rows = stage(Next if number else First, work)(rows).dataset
    if len(rows) != work.samples or None in rows["reply"]:
        raise SystemExit("Curator lost rows")
