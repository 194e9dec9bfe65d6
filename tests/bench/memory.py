"""Memory: 20,000 samples through a three-stage recipe at zero latency, both runners.

    python tests/bench/memory.py --mock 'PYTHON path/to/mock_openai.py'

Figures are the peak over the run of the proportional set size (PSS: shared pages counted once) summed over all
processes of the run, the server's excluded.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import tempfile
import time
from pathlib import Path

import psutil
from harness import mock_endpoint, preflect, print_table, write_recipe, write_rows

SAMPLE_S = 0.25


def peak_pss_mb(command: list[str]) -> float:
    """Run the command to its end, looking at its whole process tree several times a second."""
    peak = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        root = psutil.Process(process.pid)
        while process.poll() is None:
            peak = max(peak, sum(map(_pss, _tree(root))))
            time.sleep(SAMPLE_S)
    assert process.returncode == 0
    return peak / 1e6


def _tree(root: psutil.Process) -> list[psutil.Process]:
    try:
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _pss(process: psutil.Process) -> int:
    try:
        return process.memory_full_info().pss
    except psutil.Error:
        return 0


def main() -> None:
    """Print the peak of each runner."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mock", required=True, help="command that starts the mock server")
    parser.add_argument("--samples", type=int, default=20_000)
    arguments = parser.parse_args()
    rows: list[list[object]] = []
    with mock_endpoint(shlex.split(arguments.mock)) as endpoint:
        for engine in ("local", "distilabel"):
            endpoint.reset(lat="zero")
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                recipe = write_recipe(
                    folder / "recipe.yaml",
                    engine=engine,
                    input={"path": str(write_rows(folder / "rows.jsonl", arguments.samples))},
                    models={"teacher": {"kind": "openai", "model": "mock", "base_url": endpoint.base_url}},
                    stages=[{"stage": "respond", "model": "teacher", "temperature": t} for t in (0.0, 0.5, 1.0)],
                    export={"kinds": ["sft"]},
                )
                since = time.monotonic()
                peak = peak_pss_mb(preflect("run", recipe, "--run", folder / "run"))
            rows.append([engine, peak, time.monotonic() - since])
    title = f"{arguments.samples:,} samples x 3 stages"
    print_table(title, ["engine", "peak of all processes, MB (PSS)", "whole run, s"], rows)


if __name__ == "__main__":
    main()
