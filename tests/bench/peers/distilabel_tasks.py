"""distilabel's own `OpenAILLM` in its own `TextGeneration` tasks, one task a stage, as its documentation shows it.

Its default batch stays: a task hands 50 rows to the model at once and waits for all of them. So one stage has at most
50 calls in flight, and three have up to 150, whatever the concurrency asked for.
"""

from __future__ import annotations

import tempfile

from distilabel.models import OpenAILLM
from distilabel.pipeline import Pipeline
from distilabel.steps import LoadDataFromDicts
from distilabel.steps.tasks import TextGeneration
from task import FOLLOW_UP, MAX_TOKENS, Task, given, timed


def pipeline_for(task: Task, cache: str) -> Pipeline:
    """The rows, then a task for each stage."""
    with Pipeline("bench", cache_dir=cache) as pipeline:
        step = LoadDataFromDicts(data=[{"instruction": text} for text in task.instructions()])
        for number in range(task.stages):
            before = f"reply_{number - 1}"
            follow_up = {"template": FOLLOW_UP.format(f"{{{{ {before} }}}}"), "columns": [before]}
            step >>= TextGeneration(
                name=f"stage_{number}",
                llm=OpenAILLM(
                    model="mock",
                    base_url=task.base_url,
                    api_key="-",
                    generation_kwargs={"max_new_tokens": MAX_TOKENS},
                ),
                output_mappings={"generation": f"reply_{number}", "model_name": f"model_{number}"},
                add_raw_input=False,
                add_raw_output=False,
                **(follow_up if number else {}),
            )
    return pipeline


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as cache, timed():
        work = given()
        rows = pipeline_for(work, cache).run(use_cache=False)["default"]["train"]
    if len(rows) != work.samples or None in rows[f"reply_{work.stages - 1}"]:
        raise SystemExit("distilabel lost rows")
