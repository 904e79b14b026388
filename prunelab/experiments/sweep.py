"""Many runs over a grid of recipes, as a table; with means over seeds, saved as it goes.

The public name is ``prunelab.sweep``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from prunelab.data import Data
from prunelab.data.custom import OTHER_TARGETS
from prunelab.errors import RecipeError, SessionError, SweepError
from prunelab.experiments import sweep_engines
from prunelab.experiments.sweep_folder import SweepFolder
from prunelab.experiments.sweep_grid import grid
from prunelab.experiments.sweep_runs import Custom, groups
from prunelab.recipe import Recipe, allowed
from prunelab.recipe.argument import recipe_or_default
from prunelab.results.sweep import Progress, Result, Sweep
from prunelab.sessions.validation import arguments

ENGINES = ("sessions", "stacked")
# What to do about targets that are no class numbers, where there is no loss to give.
SESSIONS = "sweeps are for classification only; for other targets run sessions one by one, Session(..., loss='mse')"
NAMED = 3  # missing runs that an error names; the others are counted
# Numbers that every session takes; all other fields decide whether a session can be made of a recipe.
NUMBERS = (
    "seed", "learning_rate", "epochs", "strength", "dropout", "quality", "density", "rounds", "retrain_epochs",
    "retrain_rate",
)  # fmt: skip


def sweep(
    recipe: Recipe | None = None,
    *,
    model: Any = None,
    data: Any = None,
    engine: str | None = None,
    executor: Executor | None = None,
    directory: str | Path | None = None,
    on_progress: Callable[[Progress], object] | None = None,
    **settings: Any,
) -> Sweep:
    """Run every combination of the given values, ``sweep(quality=[1, 1.5, 2], seed=range(3))``, and tabulate them.

    Args:
        recipe: What all runs have in common; by default ``Recipe()``.
        settings: {field of the recipe: value, or values in any iterable}. A quality, or a density, names the rule as
            well; given both, each is run under its own rule. None: the usual value. See ``sweep_grid.grid``.
        model: Names as for other fields; or a module of one's own, of which each run trains a copy. A classifier:
            sweeps have no ``loss``.
        data: Names as for other fields; or a ``Data``, or (train, test) as for ``Session``.
        engine: "sessions": each run is a session; None: that. "stacked": networks of equal shape are trained as one
            batched model, within the tolerance that ``experiments.stacked`` states; several times as fast for many
            small ones.
        executor: Whose workers do the runs; None: this process, one after another. The results are the same to the last
            bit. Any of ``concurrent.futures`` whose workers are processes, or of dask: ``client.get_executor()``.
        directory: Folder that gets a file for each run. The same call again does only what is missing.
        on_progress: Called at the start, after each run and, "stacked" or with an executor, in between.

    Returns:
        A ``Sweep``, with all runs; those that diverged as ``FailedRun``.

    Raises:
        RecipeError: An unknown field, a value that is not allowed, or no values. Before anything runs, as are the next:
        SessionError, DataError, ValueError: a combination that no session can be made of, or that cannot be stacked.
        StorageError: The folder is in use, holds another sweep, or has a file that cannot be read.
        SweepError: The executor died, a worker raised an error, or a result could not be written. What is finished is
            kept, in the folder and as the error's ``sweep``.

    Warns:
        ExecutorWarning: The workers are threads, which take turns.
    """
    every = stream(recipe, model=model, data=data, engine=engine, executor=executor, directory=directory, **settings)
    with closing(every):  # the folder is free as soon as this ends, also by an error that somebody keeps
        for progress in every:
            if on_progress is not None:
                on_progress(progress)
    return progress.sweep


def stream(
    recipe: Recipe | None = None,
    *,
    model: Any = None,
    data: Any = None,
    engine: str | None = None,
    executor: Executor | None = None,
    directory: str | Path | None = None,
    **settings: Any,
) -> Generator[Progress, None, None]:
    """``sweep`` run by run: what was there already, then after each run, and in between. Leave it to stop.

    In between: as parts of the work are done ("stacked"), or a few times a second (an executor).
    """
    engine = engine or ENGINES[0]
    if engine not in ENGINES:
        raise ValueError(f"engine = {engine!r}: must be one of {', '.join(ENGINES)}")
    if executor is not None and engine != "sessions":
        raise ValueError(f"engine = {engine!r}: is of this process alone; an executor's workers run sessions")
    if executor is not None:
        sweep_engines.check(executor)
    for name in ("loss", "metric"):
        if name in settings:
            raise RecipeError(f"{name} = {settings[name]!r}: {SESSIONS}")
    own_model = model if isinstance(model, nn.Module) else None
    own_data = data if isinstance(data, Data) or _is_pair(data) else None
    for name, value, own in (("model", model, own_model), ("data", data, own_data)):
        if value is not None and own is None:
            settings[name] = value
    fields, recipes = grid(recipe_or_default(recipe), settings)
    recipes = tuple(dict.fromkeys(arguments.recipe_of(each, own_model, own_data) for each in recipes))
    if own_data is not None:
        with _classification():
            own_data = arguments.data_of(recipes[0], own_data, classes=True)
    custom = Custom(own_model, own_data)
    return _stream(Sweep(fields, recipes), custom, engine, executor, None if directory is None else Path(directory))


def _is_pair(data: Any) -> bool:
    """Whether these are samples, (train, test), rather than names."""
    return isinstance(data, tuple | list) and len(data) == 2 and not any(isinstance(part, str) for part in data)


def _stream(
    plan: Sweep, custom: Custom, engine: str, executor: Executor | None, directory: Path | None
) -> Generator[Progress, None, None]:
    folder = None if directory is None else SweepFolder(directory, plan.recipes, custom, engine)
    with folder or nullcontext():
        results: dict[Recipe, Result] = {} if folder is None else folder.runs
        left = [recipe for recipe in plan.recipes if recipe not in results]
        sweep = _with(plan, results)
        if not left:
            yield Progress(sweep, 1.0, 0.0)
            return
        _check(left, custom)
        began, work, share = time.perf_counter(), _work(left), 0.0
        with closing(_carried_out(left, custom, engine, executor)) as items:
            if folder is not None:
                folder.begin()
            yield Progress(sweep, share, 0.0)
            try:
                for item in items:
                    if isinstance(item, float):
                        share = item
                    elif item is not None:
                        results[item.recipe] = item
                        sweep = _with(plan, results)
                        if folder is not None:
                            folder.keep(item)
                        if engine == "sessions":
                            share = 1 - sum(work[recipe] for recipe in sweep.missing)
                    yield Progress(sweep, share, time.perf_counter() - began)
            except Exception as error:  # whatever it was, an executor's too: what is finished is handed over
                raise _stopped(sweep, error, directory) from error


def _carried_out(
    recipes: Sequence[Recipe], custom: Custom, engine: str, executor: Executor | None
) -> Generator[Result | float | None, None, None]:
    """The results of the recipes as they come; in between the share of the work that is done, or None if unknown."""
    if engine == "stacked":
        return sweep_engines.all_at_once(recipes, custom)
    if executor is None:
        return sweep_engines.one_after_another(recipes, custom)
    return sweep_engines.on_executor(executor, recipes, custom)


def _check(recipes: Sequence[Recipe], custom: Custom) -> None:
    """Make a session of each kind of recipe: what is wrong with one, and what it warns of, is told before all runs."""
    deciding = [name for name in allowed() if name not in NUMBERS]
    kinds = {tuple(getattr(recipe, name) for name in deciding): recipe for recipe in recipes}
    with _classification():
        for recipe in kinds.values():
            custom.session(recipe)


@contextmanager
def _classification() -> Iterator[None]:
    """Errors of the block that advise another loss advise sessions, which take one."""
    try:
        yield
    except ValueError as error:
        if OTHER_TARGETS not in str(error):
            raise
        raise SessionError(str(error).replace(OTHER_TARGETS, SESSIONS)) from error


def _work(recipes: Sequence[Recipe]) -> dict[Recipe, float]:
    """The share of each run in the work, by its epochs; runs with the same dense network share its training."""
    epochs = {
        recipe: recipe.epochs / len(group) + recipe.retraining_epochs for group in groups(recipes) for recipe in group
    }
    total = sum(epochs.values())
    return {recipe: number / total for recipe, number in epochs.items()}


def _with(plan: Sweep, results: Mapping[Recipe, Result]) -> Sweep:
    return replace(plan, runs=tuple(results[recipe] for recipe in plan.recipes if recipe in results))


def _stopped(sweep: Sweep, error: Exception, directory: Path | None) -> SweepError:
    what = f"the executor died ({error})" if isinstance(error, BrokenExecutor) else str(error) or type(error).__name__
    kept = "in this error's sweep" if directory is None else f"in {directory}; the same command again does the rest"
    missing = [in_words(sweep.differing(recipe)) for recipe in sweep.missing]
    named = "; ".join(missing[:NAMED]) + (f"; and {len(missing) - NAMED} more" if len(missing) > NAMED else "")
    return SweepError(
        f"the sweep stopped: {what}. {len(sweep.runs)} of {len(sweep.recipes)} runs have ended and are kept, {kept}. "
        f"Missing: {named or 'none'}",
        sweep,
    )


def in_words(settings: Mapping[str, Any]) -> str:
    """The settings of a run, as errors name it."""
    return ", ".join(f"{name} {value}" for name, value in settings.items() if value is not None) or "the only one"
