"""The journal: a million calls, look-ups, a replay of 100,000 samples through three stages, and the memory it takes.

    python tests/bench/journal.py

The calls that the replay asks for are made by the stages themselves, of a model that invents its replies; the others
only take room. Plain are the same rows fetched by sqlite3 without being read, and a loop that looks each reply up in a
dictionary and writes it as a line of JSON: what nothing could be quicker than.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import preflect, print_table, write_recipe, write_rows
from memory import peak_pss_mb

from preflect.adapters.journalled import identified, reply_of
from preflect.adapters.reading import read_samples
from preflect.engine.journal import open_journal
from preflect.engine.journal_file import INSERT, LISTED, connect, row_of
from preflect.engine.plan import stage_names
from preflect.ports import ChatReply, ChatRequest, StoredCall
from preflect.recipes import read_recipe
from preflect.recipes.stages import Models, per_sample_stage
from preflect.schemas import ChatModelSpec, OpenAIModel, Recipe, Sample

TOKENS = 300
"""Words in a text at the median; some are three times as long."""
LOOKED_UP = 30_000
NAMED = ("response", "reflection")
STAGES = ("respond", "reflect_response", "judge_aspects")
# The address is nobody's: a replay asks no endpoint.
TEACHER = {"kind": "openai", "model": "invented", "base_url": "http://127.0.0.1:9/v1"}


class Writer:
    """Texts of words as frequent as a language's own."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        syllables = [a + b for a in "bdfgklmnprst" for b in "aeiou"]
        self._words = ["".join(self._rng.choices(syllables, k=self._rng.choice((1, 1, 2, 2, 3)))) for _ in range(8000)]
        self._weights = [1 / rank for rank in range(1, len(self._words) + 1)]

    def text(self) -> str:
        """Sentences of about `TOKENS` words."""
        length = int(self._rng.lognormvariate(0, 0.5) * TOKENS * 0.75)
        words = self._rng.choices(self._words, self._weights, k=max(length, 5))
        return " ".join(word if place % 12 else f"{word.capitalize()}," for place, word in enumerate(words)) + "."


@dataclass
class Inventor:
    """A chat model that makes its replies up, and keeps each as the journal would."""

    spec: ChatModelSpec
    texts: list[str]
    name: str = "teacher"
    max_tokens_if_truncated: int | None = None
    rows: list[tuple[Any, ...]] = field(default_factory=list[tuple[Any, ...]])

    async def complete(self, request: ChatRequest) -> ChatReply:
        key, sampling = identified(self.name, "invented", self.spec, request)
        call = stored(key, request.stage, request.sample_id, self._reply(key, request.json_schema))
        self.rows.append(row_of(call))
        return reply_of(call, request, sampling)

    def _reply(self, key: str, json_schema: Mapping[str, Any] | None) -> str:
        text = self.texts[int(key[:8], 16) % len(self.texts)]
        if json_schema is None:
            return text
        return json.dumps(invented(json_schema, text, int(key[8:12], 16)))


def invented(part: Mapping[str, Any], text: str, number: int) -> object:
    """A value that a schema allows; short texts stand in the objects below the first."""
    match part["type"]:
        case "object":
            within: dict[str, dict[str, Any]] = part["properties"]
            return {
                name: invented(inner, text if name in NAMED else text[:80], number) for name, inner in within.items()
            }
        case "string":
            return text
        case _:
            return 1 + number % 5


def stored(key: str, stage: str, sample_id: str, text: str) -> StoredCall:
    return StoredCall(
        key=key,
        model="teacher",
        stage=stage,
        sample_id=sample_id,
        text=text,
        thinking=None,
        finish_reason="stop",
        served_by="invented-2026-01-01",
        prompt_tokens=TOKENS,
        completion_tokens=TOKENS,
        cost_usd=0.0005,
        latency_s=2.5,
    )


def write_journal(path: Path, recipe: Recipe, rows: int, texts: list[str]) -> float:
    """A journal with all that the recipe asks for, and fillers up to `rows`; returns its texts' mean length."""
    inventor = Inventor(OpenAIModel.model_validate(TEACHER), texts)
    models = Models({"teacher": inventor}, {})
    stages = [per_sample_stage(recipe, p, n, models) for p, n in enumerate(stage_names(recipe))]
    connection = connect(path)
    connection.execute("PRAGMA cache_size=-131072")
    connection.execute("PRAGMA synchronous=OFF")
    written = 0
    for number, sample in enumerate(read_samples(recipe.input)):
        assert isinstance(sample, Sample)
        asyncio_run(through(stages, sample))
        if number % 5000 == 4999:
            written += flush(connection, inventor.rows)
    written += flush(connection, inventor.rows)
    fillers = (row_of(filler(number, texts)) for number in range(rows - written))
    flush(connection, fillers)
    connection.close()
    return sum(map(len, texts)) / len(texts)


def filler(number: int, texts: list[str]) -> StoredCall:
    key = hashlib.blake2b(b"filler %d" % number, digest_size=10).hexdigest()
    return stored(key, STAGES[number % 3], key, texts[number % len(texts)])


def flush(connection: sqlite3.Connection, rows: Any) -> int:
    """Write and forget the rows."""
    before = connection.total_changes
    connection.execute("BEGIN")
    connection.executemany(INSERT, rows)
    connection.execute("COMMIT")
    if isinstance(rows, list):
        rows.clear()
    return connection.total_changes - before


LOOP = asyncio.new_event_loop()


def asyncio_run(work: Any) -> None:
    """Inventors never wait, so one loop does for all samples."""
    LOOP.run_until_complete(work)


async def through(stages: list[Any], sample: Sample) -> None:
    for stage in stages:
        result = await stage.run(sample)
        assert isinstance(result, Sample), result
        sample = result


def look_up(path: Path, keys: list[str]) -> tuple[float, float]:
    """Microseconds for one look-up, of the journal and of sqlite3 alone."""
    with open_journal(path) as journal:
        since = time.perf_counter()
        assert all(journal.find(key) for key in keys)
        ours = time.perf_counter() - since
    with sqlite3.connect(path) as connection:
        since = time.perf_counter()
        assert all(connection.execute(f"SELECT {LISTED} FROM calls WHERE key = ?", (key,)).fetchone() for key in keys)
        plain = time.perf_counter() - since
    connection.close()
    return ours / len(keys) * 1e6, plain / len(keys) * 1e6


def plain_replay(path: Path, samples: int, out: Path) -> float:
    """Seconds for the same replies out of a dictionary into a file, with a hash of each question and no more."""
    with sqlite3.connect(path) as connection:
        texts = [text for (text,) in connection.execute("SELECT text FROM calls LIMIT ?", (samples * len(STAGES),))]
    connection.close()
    replies = {question(number): text for number, text in enumerate(texts)}
    since = time.perf_counter()
    with out.open("w", encoding="utf-8") as file:
        for number in range(len(replies)):
            reply = replies[question(number)]
            file.write(json.dumps({"id": number, "text": reply if isinstance(reply, str) else reply.hex()}) + "\n")
    return time.perf_counter() - since


def question(number: int) -> str:
    body = {"model": "m", "messages": [{"role": "user", "content": f"Describe the number {number} in a few words."}]}
    return hashlib.blake2b(json.dumps(body, sort_keys=True).encode(), digest_size=10).hexdigest()


def keys_of(path: Path, rng: random.Random) -> list[str]:
    with sqlite3.connect(path) as connection:
        keys = [key for (key,) in connection.execute("SELECT key FROM calls")]
    connection.close()
    return rng.sample(keys, min(LOOKED_UP, len(keys)))


def figures(folder: Path, rows: int, samples: int) -> Iterator[list[object]]:
    writer = Writer(7)
    texts = [writer.text() for _ in range(5000)]
    stages = [{"stage": name, "model": "teacher"} for name in STAGES]
    recipe = write_recipe(
        folder / "recipe.yaml",
        engine="local",
        input={"path": str(write_rows(folder / "rows.jsonl", samples))},
        models={"teacher": TEACHER},
        stages=stages,
        export={"kinds": ["sft"]},
    )
    journal = folder / "journal.sqlite"
    since = time.perf_counter()
    length = write_journal(journal, read_recipe(recipe), rows, texts)
    yield ["rows in the journal", f"{rows:,}", "", f"texts of {length:,.0f} characters"]
    yield ["bytes a row", journal.stat().st_size / rows, "", f"written in {time.perf_counter() - since:.0f} s"]
    ours, plain = look_up(journal, keys_of(journal, random.Random(1)))
    yield ["look-up, microseconds", ours, ours / plain, "at most 50; sqlite3 alone"]
    since = time.perf_counter()
    peak = peak_pss_mb(preflect("run", recipe, "--run", folder / "run", "--replay", journal, "--quiet"))
    replay_s, plain_s = time.perf_counter() - since, plain_replay(journal, samples, folder / "plain.jsonl")
    yield [f"replay of {samples:,} samples x 3 stages, s", replay_s, replay_s / plain_s, "at most 120; dictionary"]
    yield ["peak of memory, MB (PSS)", peak, "", "at most 1,000"]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--samples", type=int, default=100_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        rows = list(figures(Path(name), arguments.rows, arguments.samples))
    print_table("The journal", ["what", "measured", "times plain", "reach; against"], rows)


if __name__ == "__main__":
    main()
