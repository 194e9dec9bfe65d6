"""What distilabel 1.5.3 does where nobody guards against it: run as a script, it prints what came of each trap.

It ends with an exception on purpose, to show what distilabel's traceback tells.
"""

import json
import logging
import tempfile
from pathlib import Path
from typing import Any

from distilabel.models import AsyncLLM, OpenAILLM
from distilabel.pipeline import Pipeline
from distilabel.pipeline.batch import _Batch  # pyright: ignore[reportPrivateUsage]
from distilabel.pipeline.write_buffer import _WriteBuffer  # pyright: ignore[reportPrivateUsage]
from distilabel.steps.base import GeneratorStep, Step, StepInput
from distilabel.typing import GeneratorStepOutput, StepColumns, StepOutput

SECRET = "sk-in-a-local-variable"


class Numbers(GeneratorStep):
    """Three batches of two rows."""

    @property
    def outputs(self) -> StepColumns:
        return ["number"]

    def process(self, offset: int = 0) -> GeneratorStepOutput:
        for first in (0, 2, 4):
            yield [{"number": first}, {"number": first + 1}], first == 4


class YieldsTwice(Step):
    """Gives each row again in a second yield."""

    @property
    def inputs(self) -> StepColumns:
        return ["number"]

    @property
    def outputs(self) -> StepColumns:
        return ["turn", "logs_requests"]

    def process(self, inputs: StepInput) -> StepOutput:  # pyright: ignore[reportIncompatibleMethodOverride]
        for turn in ("first", "second"):
            loud = logging.getLogger("httpx2").isEnabledFor(logging.INFO)
            yield [{**row, "turn": turn, "logs_requests": loud} for row in inputs]


class Breaks(Step):
    """Fails on the batch with number 2."""

    @property
    def inputs(self) -> StepColumns:
        return ["number"]

    @property
    def outputs(self) -> StepColumns:
        return ["whole"]

    def process(self, inputs: StepInput) -> StepOutput:  # pyright: ignore[reportIncompatibleMethodOverride]
        if inputs[0]["number"] == 2:
            raise OSError("disk full")
        yield [{**row, "whole": True} for row in inputs]


class OpenEnded(AsyncLLM):
    """An LLM whose `agenerate` takes any keyword."""

    model: str = "own"

    @property
    def model_name(self) -> str:
        return self.model

    async def agenerate(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        input: Any,  # noqa: A002  (distilabel's name)
        **options: Any,
    ) -> Any:
        return []


def run_steps(cache: str) -> dict[str, list[dict[str, Any]]]:
    with Pipeline(name="alone", cache_dir=cache) as pipeline:
        numbers = Numbers(name="numbers", batch_size=2)
        numbers.connect(YieldsTwice(name="twice", input_batch_size=2))
        numbers.connect(Breaks(name="breaks", input_batch_size=2))
    found: Any = pipeline.run(use_cache=False)
    return {step: list(found[step]["train"]) for step in ("twice", "breaks")}


def buffer_nones(folder: Path) -> str:
    """A column that is None for the first fifty rows, and then is not."""
    buffer = _WriteBuffer(folder, {"step"})
    for number, value in enumerate((None, "text")):
        rows = [{"value": value} for _ in range(50)]
        buffer.add_batch(_Batch(seq_no=number, step_name="step", last_batch=False, data=[rows]))
    try:
        buffer.close()
    except Exception as error:  # noqa: BLE001  (whatever it is)
        return type(error).__name__
    return "written"


def main() -> None:
    with tempfile.TemporaryDirectory() as cache:
        report: dict[str, Any] = dict(run_steps(cache))
        report["nones"] = buffer_nones(Path(cache) / "buffer")
    llm = OpenAILLM(model="m", default_headers={"Authorization": "Bearer sk-in-a-header"})
    report["dump"] = json.dumps(llm.dump())
    report["options"] = OpenEnded().runtime_parameters_names["generation_kwargs"]
    print(json.dumps(report), flush=True)
    key = SECRET
    raise RuntimeError(f"a key of {len(key)} characters was refused")


if __name__ == "__main__":
    main()
