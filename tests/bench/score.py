"""`preflect score`: peak of memory and pace for 100,000 and 1,000,000 rows, and what a kill costs.

    python tests/bench/score.py

The texts are short and only a few hundred differ, and the student is ppm, which remembers what it has computed: so
what is measured is the stream (reading, asking, keeping, writing), not a model. Peaks are PSS of all processes.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from pathlib import Path

import polars as pl
from harness import preflect, print_table
from memory import peak_pss_mb

DIFFERENT = 250


def write_dataset(path: Path, rows: int) -> Path:
    """Additions, over and over."""
    number = pl.int_range(rows, eager=True) % DIFFERENT
    sums = [(f"Add {n} and {n + 7}.", f"{n} plus {n + 7} is {2 * n + 7}.") for n in range(DIFFERENT)]
    texts = pl.DataFrame(sums, schema=["instruction", "response"], orient="row")
    texts[number].write_parquet(path)
    return path


def scored(dataset: Path, out: Path) -> list[str]:
    return preflect("score", dataset, "--out", out, "--quiet")


def kill_when_kept(command: list[str], lines: Path, rows: int) -> None:
    """Run the command until so many rows are kept, and kill it."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while not lines.exists() or lines.stat().st_size < 380 * rows:
            time.sleep(0.1)
        process.kill()


def figures(folder: Path, rows: int, name: str) -> list[object]:
    """One line of the table: a whole run, then one that is killed half way and gone on with."""
    dataset = write_dataset(folder / "rows.parquet", rows)
    whole, killed = folder / f"whole{name}", folder / f"killed{name}"
    since = time.perf_counter()
    peak = peak_pss_mb(scored(dataset, whole))
    seconds = time.perf_counter() - since
    lines = folder / f"{killed.name}.partial" / "rows.jsonl"
    kill_when_kept(scored(dataset, killed), lines, rows // 2)
    kept = lines.read_bytes().count(b"\n") - 1
    since = time.perf_counter()
    subprocess.run(scored(dataset, killed), check=True, stdout=subprocess.DEVNULL)
    rest = time.perf_counter() - since
    same = killed.read_bytes() == whole.read_bytes()
    return [f"{rows:,}", name, peak, seconds, rows / seconds, kept, rest, "yes" if same else "NO"]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--out", default=".parquet", help="extension of the table")
    arguments = parser.parse_args()
    table: list[list[object]] = []
    for rows in arguments.rows:
        with tempfile.TemporaryDirectory() as name:
            table.append(figures(Path(name), rows, arguments.out))
    titles = ["rows", "to", "peak, MB (PSS)", "whole run, s", "rows/s", "kept at kill", "the rest, s", "same bytes"]
    print_table("preflect score", titles, table)


if __name__ == "__main__":
    main()
