"""Whether a run is exported to OpenTelemetry: only where an OTLP endpoint is set and the extra is installed.

Otherwise nothing of it is even imported, and the calls' own meter is used as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from typing import TYPE_CHECKING

from preflect.adapters.environment import Signal, otlp_protocols, otlp_signals
from preflect.adapters.sim_process import simulated_name
from preflect.engine.plan import Phase, Wiring, stage_names
from preflect.engine.run_folder import RunFolder
from preflect.ports import CallMeter
from preflect.schemas import OpenAIModel, Recipe, SimModel

if TYPE_CHECKING:
    from preflect.adapters.otlp import Export


def notes_on_telemetry() -> Iterator[str]:
    """What stands in the way of the export that the environment asks for."""
    if otlp_signals() and not _installed():
        yield (
            "an OTLP endpoint is set, and the run will not be exported: OpenTelemetry is not installed; "
            "pip install 'preflect[otel]'"
        )
    if other := sorted(otlp_protocols() - {"http/protobuf"}):
        yield (
            f"OTEL_EXPORTER_OTLP_PROTOCOL is {', '.join(other)}, and the run is exported by http/protobuf all the "
            "same; its port is usually 4318"
        )


def run_exported(recipe: Recipe, folder: RunFolder) -> AbstractContextManager[None]:
    """A span for the whole run, if wanted."""
    if "traces" not in _wanted():
        return nullcontext()
    from preflect.adapters.telemetry import exported_run  # noqa: PLC0415  # an extra

    return exported_run(_export(folder, {"traces"}), {"preflect.recipe": recipe.name, "preflect.engine": recipe.engine})


def calls_exported(recipe: Recipe, phase: Phase, wiring: Wiring) -> AbstractContextManager[CallMeter]:
    """The meter for the calls of a phase: one that exports them as well, if wanted."""
    if not (signals := _wanted()):
        return nullcontext(wiring.meter)
    from preflect.adapters.telemetry import exported_calls  # noqa: PLC0415  # an extra

    places = (*phase.stages, *(() if phase.closing is None else (phase.closing,)))
    return exported_calls(
        _export(wiring.folder, signals),
        wiring.meter,
        f"phase {phase.number}",
        [stage_names(recipe)[place] for place in places],
        dict(_addresses(recipe, wiring)),
    )


def _addresses(recipe: Recipe, wiring: Wiring) -> Iterator[tuple[str, tuple[str, str]]]:
    for name, model in recipe.models.items():
        if isinstance(model, OpenAIModel):
            yield name, (model.base_url, model.model)
        elif isinstance(model, SimModel):
            # None is started for a replay.
            yield name, (wiring.endpoints.get(name, ""), simulated_name(name))


def _export(folder: RunFolder, signals: Collection[Signal]) -> Export:
    from preflect.adapters.otlp import Export  # noqa: PLC0415  # an extra

    return Export(signals=signals, run=folder.path.name, live_path=folder.live_path, log_path=folder.log_path)


def _wanted() -> Collection[Signal]:
    return otlp_signals() if _installed() else ()


def _installed() -> bool:
    try:
        return all(find_spec(f"opentelemetry.{part}") for part in ("sdk.trace", "exporter.otlp.proto.http"))
    except ModuleNotFoundError:
        return False
