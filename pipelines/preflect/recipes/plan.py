"""From a recipe file to a plan that the engine can run."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import gettempdir
from typing import Final

from preflect.adapters.distilabel_runner import DistilabelRunner, check_temporary_folder
from preflect.adapters.input_sources import resolve
from preflect.adapters.reachability import check_endpoint
from preflect.adapters.reading import InputSurvey, read_samples, survey
from preflect.adapters.shipped import shipped
from preflect.adapters.sim_process import simulated_endpoint
from preflect.engine.local import LocalRunner
from preflect.engine.plan import Connected, Phase, Plan, Runner, Wiring
from preflect.engine.review_folder import ReviewFolder, review_stage
from preflect.engine.run_folder import RunFolder
from preflect.engine.running import WAY_TO_A_MODEL
from preflect.errors import DataError, InputError, RecipeError
from preflect.prompts import has_prompt, load_prompt
from preflect.recipes.finish import Ending
from preflect.recipes.locate import Source
from preflect.recipes.order import check_order
from preflect.recipes.prices import with_prices
from preflect.recipes.read import LoadedRecipe, load_recipe
from preflect.recipes.students import check_students
from preflect.recipes.telemetry import notes_on_telemetry, run_exported
from preflect.schemas import Manifest, OpenAIModel, Recipe, ReviewCounts, SimModel

ENTRY: Final = "preflect.recipes.plan:plan_of_run"


def load(
    path: Path | str, overrides: Sequence[str] = (), *, skip_bad_rows: bool = False, replay: Path | None = None
) -> Plan:
    """A plan of the recipe in `path`: recipe, input and endpoints are checked, no model is called.

    Args: overrides are `a.b.c=VALUE`; skip_bad_rows lets a run begin although rows of the input can't be used; replay
    is a journal, or what was exported of one, that must have all replies: then no endpoint and no key is needed.
    Raises: RecipeError, DataError or InputError with every fault found, its place and its remedy.
    """
    loaded = load_recipe(Path(path), overrides)
    recipe = _with_absolute_input(loaded, Path(path).parent)
    _check_engine(recipe)
    found = survey(recipe.input, Path(path).parent)
    if found.bad_count and not skip_bad_rows:
        raise DataError(found.complaint(loaded.recipe.input.path))
    notes = (*found.notes, *check_order(recipe, has_response=found.has_response, source=loaded.source))
    check_students(recipe, loaded.source)
    unpriced: tuple[str, ...] = ()
    if replay:
        simulated = _is_simulated(replay)
    else:
        recipe, unpriced, simulated = _paid_for(recipe, loaded.source)
    plan = make_plan(recipe, found, simulated=simulated, replay=replay)
    return replace(plan, notes=(*notes, *unpriced, *notes_on_telemetry()), skip_bad_rows=skip_bad_rows)


def _is_simulated(journal: Path) -> bool:
    from preflect.engine.journal_exchange import check_source  # noqa: PLC0415  # polars

    return check_source(journal)


def _check_engine(recipe: Recipe) -> None:
    if recipe.engine == "distilabel":
        check_temporary_folder(gettempdir())


def _paid_for(recipe: Recipe, source: Source) -> tuple[Recipe, tuple[str, ...], bool]:
    """With its endpoints looked at: the recipe with prices, notes about them, and whether an endpoint is simulated."""
    simulated = check_endpoints(recipe, source)
    priced, notes = with_prices(recipe, source, simulated, datetime.now(UTC))
    return priced, notes, bool(simulated)


def check_endpoints(recipe: Recipe, source: Source) -> frozenset[str]:
    """See that every endpoint which a stage will call answers; returns the models whose endpoint is a simulated one.

    Raises: InputError.
    """
    used = {name for stage in recipe.stages for name in stage.model_names}
    return frozenset(
        name
        for name, model in recipe.models.items()
        if name in used
        and isinstance(model, OpenAIModel)
        and check_endpoint(name, model, lambda key, name=name: source.named(("models", name, key)))
    )


def _with_absolute_input(loaded: LoadedRecipe, base: Path) -> Recipe:
    """The run may be resumed from another folder: the input is written down with its whole path."""
    recipe, source = loaded.recipe, loaded.source
    try:
        found = resolve(recipe.input.path, base)
    except DataError as error:
        place = ("input", "path")
        # Whoever gave the path by an option knows where it stands.
        raise DataError(str(error) if place in source.options else f"{source.place(place)}: {error}") from error
    if "://" in recipe.input.path or not isinstance(found, Path):
        return recipe
    return recipe.evolve(input=recipe.input.evolve(path=str(found.resolve())))


def make_plan(recipe: Recipe, found: InputSurvey, *, simulated: bool = False, replay: Path | None = None) -> Plan:
    """A plan of a recipe whose input was surveyed.

    Args: simulated says that an endpoint is known to be a simulated one, though the recipe does not say so; replay as
    in `load`.
    """
    return _plan(recipe, found.rows, found.sha256, simulated=simulated, replay=replay)


def plan_of_run(path: str) -> Plan:
    """The plan of a run under way, made again in another process: nothing is checked anew."""
    folder = RunFolder(Path(path))
    manifest = folder.manifest()
    replay = folder.journal_path if manifest.replay else None
    rows, sha256 = manifest.input_rows, manifest.input_sha256
    return _plan(folder.recipe(), rows, sha256, simulated=manifest.simulated, replay=replay)


def plan_to_resume(folder: RunFolder, overrides: Sequence[str] = (), *, replay: bool = False) -> Plan:
    """The plan of a run that stopped, its input and endpoints checked as at the start.

    Args: overrides are `a.b.c=VALUE` for limits and the way to a model; what was spent before counts in. With replay,
    the run's own journal must have all replies.
    Raises: InputError, RecipeError.
    """
    loaded = load_recipe(folder.recipe_path, overrides)
    _check_overrides(loaded.source)
    recipe, unpriced = loaded.recipe, ()
    manifest = folder.manifest()
    if manifest.status == "done" and overrides:
        raise InputError(
            f"{', '.join(overrides)}: the run {folder.path} is done, there is nothing to go on with, and this would "
            "change nothing; start a new run with it"
        )
    # What was simulated once stays so, whatever answers now; so does what an imported journal has of the simulator.
    simulated = manifest.simulated or (folder.journal_path.exists() and _is_simulated(folder.journal_path))
    if manifest.status != "done":
        _check_engine(recipe)
        check_students(recipe, loaded.source)
        if not replay:
            recipe, unpriced, is_simulated = _paid_for(recipe, loaded.source)
            simulated |= is_simulated
    own = folder.journal_path if replay else None
    plan = make_plan(recipe, survey(recipe.input), simulated=simulated, replay=own)
    notes = (*_changes(plan, manifest), *unpriced, *notes_on_telemetry())
    return replace(plan, notes=notes, skip_bad_rows=manifest.skipped_bad_rows)


def _check_overrides(source: Source) -> None:
    for path, option in source.options.items():
        of_model = path[:1] == ("models",) and path[2:3] and path[2] in WAY_TO_A_MODEL
        if path[:1] != ("limits",) and not of_model:
            raise RecipeError(
                f"--set {option}: a run can't change that on its way, what is done would not be of one recipe; "
                f"right is a key of limits, or of a model's {', '.join(WAY_TO_A_MODEL)}; for other work start a new run"
            )


def _changes(plan: Plan, manifest: Manifest) -> Iterator[str]:
    """What is no longer as it was when the run began, though nobody touched its recipe or its input."""
    began, now = manifest.versions.get("preflect"), version("preflect")
    if began != now:
        yield f"the run began with preflect {began}, this is {now}; to end it as it began, resume with that version"
    for name, wording in plan.prompts.items():
        if (before := manifest.prompts.get(name)) != wording:
            yield (
                f"prompt '{name}' has changed since the run began ({before or 'none'}, now {wording}): its calls are "
                "asked and paid again, and the run's samples will come of both; to avoid it, put the prompt back"
            )


def _plan(recipe: Recipe, rows: int, sha256: str, *, simulated: bool, replay: Path | None) -> Plan:
    runner: Runner = LocalRunner() if recipe.engine == "local" else DistilabelRunner()
    return Plan(
        recipe=recipe,
        input_rows=min(rows, recipe.input.limit or rows),
        input_sha256=sha256,
        read=partial(read_samples, recipe.input),
        connect=partial(_connect, recipe),
        services=partial(_services, recipe, replay is not None),
        runner=runner,
        entry=ENTRY,
        ending=Ending(),
        review=_reviewed,
        prompts=_prompts(recipe),
        replay=replay,
        simulated=simulated or any(isinstance(model, SimModel) for model in recipe.models.values()),
    )


def _connect(recipe: Recipe, phase: Phase, wiring: Wiring) -> AbstractAsyncContextManager[Connected]:
    # The client's half second of imports is for the process that calls models: not for one that reads or hands on.
    from preflect.recipes.stages import connect  # noqa: PLC0415

    return connect(recipe, phase, wiring)


def _reviewed(folder: RunFolder) -> ReviewCounts | None:
    if review_stage(folder.recipe()) is None:
        # What was pulled into its samples, and no answer that a killed pull has only kept.
        return folder.manifest().review
    if ReviewFolder(folder).queue() is None:
        return None
    from preflect.recipes.review_figures import count_reviews  # noqa: PLC0415  # few runs are reviewed

    return count_reviews(folder)


def _prompts(recipe: Recipe) -> dict[str, str]:
    """Version by name: each stage's prompt bears its name, and all of them ask once more with `repair`."""
    own = [stage.stage for stage in recipe.stages if has_prompt(stage.stage)]
    return {name: load_prompt(name).version for name in (*own, *(["repair"] if own else []))}


@contextmanager
def _services(recipe: Recipe, replay: bool, folder: RunFolder) -> Generator[Mapping[str, str]]:
    with run_exported(recipe, folder), _simulators(recipe, replay, folder) as endpoints:
        yield endpoints


@contextmanager
def _simulators(recipe: Recipe, replay: bool, folder: RunFolder) -> Generator[Mapping[str, str]]:
    """The simulated endpoint, if a model is of that kind and may be asked: one process for all of them."""
    simulated = {name: model for name, model in recipe.models.items() if isinstance(model, SimModel)}
    if replay or not simulated:
        yield {}
        return
    known = [shipped("seeds/instructions.jsonl")]
    with simulated_endpoint(simulated, recipe.seed, folder.truth_path, known, folder.log_path) as base_url:
        yield dict.fromkeys(simulated, base_url)
