"""Start-up: seconds from starting the process to its first request, imports included, and `--help` of each command.

python tests/bench/startup.py --mock 'PYTHON path/to/mock_openai.py'
"""

from __future__ import annotations

import argparse
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import Endpoint, mock_endpoint, preflect, print_table, run_quietly, write_recipe, write_rows

RUNS = ("quickstart", "run", "resume", "runs", "show", "pairs", "export", "report")
COMMANDS = (*RUNS, "init", "score", "check", "schema", "sim")


def seconds_to_first_request(engine: str, endpoint: Endpoint, folder: Path) -> float:
    """By the monotonic clock, which all processes of a machine share."""
    recipe = write_recipe(
        folder / "recipe.yaml",
        engine=engine,
        input={"path": str(write_rows(folder / "rows.jsonl", 1))},
        models={"teacher": {"kind": "openai", "model": "mock", "base_url": endpoint.base_url}},
        stages=[{"stage": "respond", "model": "teacher"}],
    )
    since = time.monotonic()
    run_quietly(preflect("run", recipe, "--run", folder / "run"))
    return endpoint.stats()["t_first"] - since


def seconds_of(command: list[str]) -> float:
    """Wall time of a command that says little."""
    since = time.monotonic()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - since


def main() -> None:
    """Print medians beside the time of an interpreter that does nothing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mock", required=True, help="command that starts the mock server")
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    rows: list[list[object]] = []
    with mock_endpoint(shlex.split(arguments.mock)) as endpoint:
        for engine in ("local", "distilabel"):
            figures: list[float] = []
            for _ in range(arguments.repeat):
                endpoint.reset(lat="zero")
                with tempfile.TemporaryDirectory() as folder:
                    figures.append(seconds_to_first_request(engine, endpoint, Path(folder)))
            rows.append([f"run, {engine}, to its first request", statistics.median(figures)])
    bare = statistics.median(seconds_of([sys.executable, "-c", "pass"]) for _ in range(arguments.repeat))
    rows.append(["python -c pass", bare])
    for words in ([], *([command] for command in COMMANDS)):
        figures = [seconds_of(preflect(*words, "--help")) for _ in range(arguments.repeat)]
        rows.append([" ".join(["preflect", *words, "--help"]), statistics.median(figures)])
    print_table(f"seconds, medians of {arguments.repeat}", ["what", "s"], rows)


if __name__ == "__main__":
    main()
