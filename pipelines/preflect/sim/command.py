"""The simulator's own command line: `python -m preflect.sim`."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from preflect.errors import InputError, PreflectError
from preflect.schemas import SimulatorRates
from preflect.sim.options import Profile, SimOptions
from preflect.sim.tasks_file import write_tasks


def parser() -> argparse.ArgumentParser:
    """The options of the simulated endpoint."""
    options = argparse.ArgumentParser(prog="preflect sim", description="The simulated OpenAI-compatible endpoint.")
    options.add_argument("--host", default="127.0.0.1", help="address to listen on (default: loopback only)")
    options.add_argument("--port", type=int, default=0, help="0 (default): a free port, printed as a line of JSON")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--latency-s", type=float, default=0.0, help="seconds that each reply takes")
    options.add_argument("--rates", default="{}", help="JSON of the shares of faults and the judge's biases")
    options.add_argument("--profiles", default="{}", help="JSON: model name to its own {seed, latency_s, rates}")
    options.add_argument("--known", type=Path, action="append", default=[], help="JSONL of tasks with model answers")
    options.add_argument("--truth", type=Path, help="file to which the truth is appended")
    options.add_argument("--malformed", type=float, default=0.01, help="share of replies that cannot be parsed")
    options.add_argument("--stop-with-parent", action="store_true", help="end when standard input does")
    options.add_argument("--tasks", type=int, metavar="N", help="write N tasks of the world to --out, and end")
    options.add_argument("--out", type=Path)
    return options


def rates_of(given: Mapping[str, Any] | str) -> SimulatorRates:
    """The rates that a JSON text or object names. Raises: InputError saying which is wrong."""
    text = given if isinstance(given, str) else json.dumps(given)
    try:
        return SimulatorRates.model_validate_json(text)
    except ValidationError as error:
        raise InputError(f"rates {text}: {error}") from error


def options_of(arguments: argparse.Namespace) -> SimOptions:
    """The parsed arguments as options. Raises: InputError."""
    profile = Profile(seed=arguments.seed, latency_s=arguments.latency_s, rates=rates_of(arguments.rates))
    return SimOptions(
        port=arguments.port,
        host=arguments.host,
        profile=profile,
        profiles=profiles_of(arguments.profiles, profile),
        known=tuple(arguments.known),
        truth=arguments.truth,
        malformed=arguments.malformed,
        stop_with_parent=arguments.stop_with_parent,
    )


def profiles_of(text: str, default: Profile) -> dict[str, Profile]:
    """Profiles by model name; what one leaves out is as in the default. Raises: InputError."""
    try:
        given: dict[str, dict[str, Any]] = json.loads(text)
        return {
            name: Profile(
                seed=one.get("seed", default.seed),
                latency_s=one.get("latency_s", default.latency_s),
                rates=rates_of(one["rates"]) if "rates" in one else default.rates,
            )
            for name, one in given.items()
        }
    except (json.JSONDecodeError, AttributeError) as error:
        raise InputError(f"profiles {text}: want a JSON object of objects by model name ({error})") from error


def main(argv: Sequence[str] | None = None) -> int:
    """Run the endpoint, or write tasks; gives the exit code."""
    arguments = parser().parse_args(argv)
    try:
        if arguments.tasks is not None:
            write_tasks(arguments.out or Path("tasks.jsonl"), arguments.seed, arguments.tasks)
            return 0
        # The server's imports take most of the start-up time.
        from preflect.sim.server import serve  # noqa: PLC0415

        asyncio.run(serve(options_of(arguments)))
    except PreflectError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0
