"""`preflect sim`: the simulated endpoint, to try a recipe for nothing."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from preflect.cli.out_path import file_to_write
from preflect.cli.output import AsJson, print_result

if TYPE_CHECKING:
    from preflect.sim import SimOptions


def sim(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Where to listen on this machine; 0 is any free one.")
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same replies.")] = 0,
    latency_s: Annotated[float, typer.Option(min=0, help="Seconds that each reply takes.")] = 0.0,
    known: Annotated[
        list[Path] | None,
        typer.Option(
            exists=True, dir_okay=False, help="JSONL of tasks with reference answers, known beside the seeds."
        ),
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(callback=file_to_write, help="Append the truth about every reply to this file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Serve a simulated OpenAI-compatible endpoint until Ctrl-C."""
    import asyncio

    from preflect.adapters.shipped import shipped
    from preflect.sim import Profile, SimOptions

    options = SimOptions(
        port=port,
        profile=Profile(seed=seed, latency_s=latency_s),
        known=(shipped("seeds/instructions.jsonl"), *(known or ())),
        truth=truth,
    )
    asyncio.run(_serve(options, as_json=as_json))


async def _serve(options: SimOptions, *, as_json: bool) -> None:
    import asyncio

    from preflect.sim.server import serving

    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with serving(options) as base_url:
        entry = f"{{kind: openai, model: sim, base_url: {base_url}}}"
        text = f"simulated endpoint at {base_url} until Ctrl-C; as a recipe's model: {entry}"
        print_result({"base_url": base_url}, text, as_json=as_json)
        await stopped.wait()
