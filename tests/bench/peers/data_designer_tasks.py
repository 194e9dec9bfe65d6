"""NeMo Data Designer: the instructions as seed data, a text column for each stage, whose prompt names the one before.

Its profile of the result counts tokens by a table from the network; without a network it says so and goes on.
"""

from __future__ import annotations

import os
from pathlib import Path

# Read when its modules are imported. Without the first it reports each run to its makers; it has to be able to write
# its default settings somewhere.
os.environ |= {"NEMO_TELEMETRY_ENABLED": "false", "DATA_DESIGNER_HOME": str(Path("home").absolute())}

import data_designer.config as dd
import pandas as pd
from data_designer.interface import DataDesigner
from task import FOLLOW_UP, MAX_TOKENS, Task, given, timed


def columns(task: Task) -> dd.DataDesignerConfigBuilder:
    """The table to be filled."""
    sampling = dd.ChatCompletionInferenceParams(max_parallel_requests=task.concurrency, max_tokens=MAX_TOKENS)
    model = dd.ModelConfig(
        alias="teacher", model="mock", provider="mock", inference_parameters=sampling, skip_health_check=True
    )
    builder = dd.DataDesignerConfigBuilder(model_configs=[model])
    builder.with_seed_dataset(dd.DataFrameSeedSource(df=pd.DataFrame({"instruction": task.instructions()})))
    for number in range(task.stages):
        prompt = FOLLOW_UP.format(f"{{{{ reply_{number - 1} }}}}") if number else "{{ instruction }}"
        builder.add_column(dd.LLMTextColumnConfig(name=f"reply_{number}", prompt=prompt, model_alias="teacher"))
    return builder


if __name__ == "__main__":
    with timed():
        work = given()
        provider = dd.ModelProvider(name="mock", endpoint=work.base_url, api_key="-")
        designer = DataDesigner("artifacts", model_providers=[provider])
        designer.set_run_config(dd.RunConfig(otel_metrics_port=None))
        rows = designer.create(columns(work), num_records=work.samples).load_dataset()
    if len(rows) != work.samples or rows[f"reply_{work.stages - 1}"].isna().any():
        raise SystemExit("Data Designer lost rows")
