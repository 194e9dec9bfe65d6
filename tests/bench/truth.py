"""How good the data is: the whole job on the simulator at its default rates, where the truth is known.

python tests/bench/truth.py [--tasks 400] [--seed 7]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness import preflect, print_table, run_quietly, write_recipe

from preflect.engine.run_folder import RunFolder
from preflect.recipes.finish import truth_of
from preflect.schemas import Rejection, Sample
from preflect.scoring.truth import TruthSummary, summarise
from preflect.sim.tasks_file import write_tasks
from preflect.stages.pair import choose_pair, pair_rng

MARGINS = (0.0, 0.5, 0.75, 1.0)


def run_job(folder: Path, seed: int, count: int, *, graders: bool) -> RunFolder:
    """Respond four times, reflect, judge and, if wanted, grade `count` tasks of the simulated world."""
    tasks = folder / "tasks.jsonl"
    write_tasks(tasks, seed, count)
    grade: list[dict[str, Any]] = [{"stage": "grade"}] if graders else []
    recipe = write_recipe(
        folder / "recipe.yaml",
        seed=seed,
        engine="local",
        input={"path": str(tasks)},
        models={"teacher": {"kind": "sim"}, "judge": {"kind": "sim"}},
        stages=[
            {"stage": "respond", "model": "teacher", "samples": 4},
            {"stage": "reflect_response", "model": "teacher"},
            {"stage": "judge_aspects", "model": "judge"},
            *grade,
            {"stage": "pair", "strategy": "best_worst", "min_margin": max(MARGINS)},
        ],
    )
    return RunFolder(Path(run_quietly([*preflect("run", recipe, "--run", folder / "run"), "--quiet"])["run"]))


def paired_again(run: RunFolder, min_margin: float) -> Iterator[Sample]:
    """The run's samples with the pairs that this margin allows; no model is called."""
    for sample in run.samples():
        pair = choose_pair(sample, "best_worst", min_margin, pair_rng(run.recipe().seed, sample.id))
        yield sample.evolve(pairs=() if isinstance(pair, Rejection) else (pair,))


def main() -> None:
    """Print how often chosen is truly better than rejected, with graders and with the noisy judge alone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=400)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    rows: list[list[object]] = []
    for graders in (True, False):
        with tempfile.TemporaryDirectory() as name:
            run = run_job(Path(name), arguments.seed, arguments.tasks, graders=graders)
            truth = truth_of(run)
            assert truth is not None
            evidence = "graders and judge" if graders else "judge alone"
            rows += [row_of(evidence, margin, summarise(truth, paired_again(run, margin))) for margin in MARGINS]
    print_table(
        f"{arguments.tasks} tasks of the simulated world, seed {arguments.seed}",
        ["evidence", "min_margin", "pairs", "chosen truly better", "truly equal", "truly worse", "judge accuracy"],
        rows,
    )


def row_of(evidence: str, margin: float, found: TruthSummary) -> list[object]:
    """One line of the table."""
    pairs = found.chosen_better + found.chosen_equal + found.chosen_worse
    return [
        evidence,
        margin,
        pairs,
        found.chosen_better_share or 0.0,
        found.chosen_equal,
        found.chosen_worse,
        found.judge_accuracy or 0.0,
    ]


if __name__ == "__main__":
    main()
