"""`preflect runs`, `show` and `report`: looking at runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from preflect.cli.output import AsJson, columns_text, print_result
from preflect.errors import InputError, PreflectError

if TYPE_CHECKING:
    from preflect.engine.run_folder import RunFolder

RunName = Annotated[str, typer.Argument(help="A run's folder, or its name under data/runs/.")]


def runs(
    folder: Annotated[Path, typer.Option(help="Where the runs are.")] = Path("data/runs"), as_json: AsJson = False
) -> None:
    """List the runs, newest last."""
    from preflect.engine.run_folder import RunFolder

    rows = [_row(RunFolder(path.parent)) for path in folder.glob("*/manifest.json")]
    rows.sort(key=lambda row: row["started_at"] or "")
    print_result(rows, _table(rows) or f"there are no runs under {folder}", as_json=as_json)


def _row(folder: RunFolder) -> dict[str, Any]:
    """A run in the list; one bad folder must not hide the others."""
    from preflect.engine.so_far import standing, with_calls_so_far

    columns = ("run", "status", "started_at", "samples", "calls", "cost_usd", "simulated")
    try:
        manifest = folder.manifest()
        counted = manifest if manifest.status == "done" else with_calls_so_far(folder, manifest)
    except PreflectError:
        return dict.fromkeys(columns) | {"run": folder.path.name, "status": "unreadable"}
    values = (
        folder.path.name,
        standing(folder, manifest),
        manifest.started_at,
        manifest.stages[-1].rows_out if manifest.stages else None,
        sum(count.calls for count in counted.calls),
        round(counted.cost_usd, 6),
        manifest.simulated,
    )
    return dict(zip(columns, values, strict=True))


def _table(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return ""
    return columns_text([[*rows[0]], *([_cell(value) for value in row.values()] for row in rows)])


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)


def show(
    run: RunName,
    sample_id: Annotated[
        str | None, typer.Argument(help="A sample's id, its beginning, or the input row's id.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a run, or the whole chain of one sample."""
    from preflect.cli.chain import chain_of
    from preflect.cli.summary import document_of, text_of
    from preflect.engine import RunResult
    from preflect.engine.run_folder import find_run
    from preflect.engine.so_far import manifest_so_far, samples_so_far

    folder = find_run(run)
    if sample_id is None:
        result = RunResult(folder, manifest_so_far(folder))
        print_result(document_of(result), text_of(result), as_json=as_json)
        return
    for sample, rejection in samples_so_far(folder):
        if sample.id.startswith(sample_id) or sample.source_id == sample_id:
            document = {
                "sample": sample.model_dump(mode="json"),
                "rejection": rejection.model_dump(mode="json") if rejection else None,
            }
            print_result(document, chain_of(sample, rejection), as_json=as_json)
            return
    raise InputError(f"run {folder.path} has no sample {sample_id!r}; ids are in {folder.path / 'samples'}")


def report(run: RunName, as_json: AsJson = False) -> None:
    """Write report.html anew, of a run that is not done as well."""
    from preflect.engine.run_folder import find_run
    from preflect.engine.so_far import manifest_so_far
    from preflect.recipes.finish import report as write_report

    folder = find_run(run)
    write_report(folder, manifest_so_far(folder))
    print_result({"report": str(folder.report_path)}, f"wrote {folder.report_path}", as_json=as_json)
