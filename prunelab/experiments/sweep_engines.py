"""What carries out the runs of a sweep: this process, one after another or stacked, or the workers of an executor."""

from __future__ import annotations

import concurrent.futures
import copy
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from prunelab import errors
from prunelab.experiments import stacked
from prunelab.experiments.sweep_runs import (
    Custom,
    groups,
    run,
    run_elsewhere,
    train,
    train_elsewhere,
)
from prunelab.recipe import Recipe
from prunelab.results.sweep import FailedRun, Result, result_from


def one_after_another(recipes: Sequence[Recipe], custom: Custom) -> Generator[Result, None, None]:
    """The results of the recipes, those with the same dense network in a row: only one is held at a time."""
    for group in groups(recipes):
        dense = train(group[0], custom) if len(group) > 1 else None
        for recipe in group:
            yield replace(dense, recipe=recipe) if isinstance(dense, FailedRun) else run(recipe, custom, dense)


def on_executor(executor: Executor, recipes: Sequence[Recipe], custom: Custom) -> Generator[Result, None, None]:
    """The results of the recipes as they come: dense networks that several need first, then all that start from them.

    What has not begun is cancelled when the iterator is left. Raises what a worker raised, once all that was finished
    by then has been given.
    """
    branches: dict[Future[dict[str, Any]], list[Recipe]] = {}  # dense networks that are trained, and who needs them
    pending: dict[Future[dict[str, Any]], Recipe | None] = {}  # all that runs; None: a dense network
    try:
        for group in groups(recipes):
            values = group[0].to_dict(usual=True)
            if len(group) == 1:
                pending[executor.submit(run_elsewhere, values, custom, None)] = group[0]
            else:
                training = executor.submit(train_elsewhere, values, custom)
                pending[training], branches[training] = None, group
        while pending:
            ended, _ = concurrent.futures.wait(pending, return_when=concurrent.futures.FIRST_COMPLETED)
            failures = []
            for future in ended:
                recipe = pending.pop(future)
                failure = future.exception()
                if failure is not None:
                    failures.append(failure)
                elif recipe is not None:
                    yield result_from(future.result())
                elif "dense" in future.result():
                    for each in branches.pop(future):
                        values = each.to_dict(usual=True)
                        pending[executor.submit(run_elsewhere, values, custom, future.result()["dense"])] = each
                else:
                    failed = FailedRun.from_dict(future.result())
                    yield from (replace(failed, recipe=each) for each in branches.pop(future))
            if failures:
                raise failures[0]
    finally:
        for future in pending:
            future.cancel()


def all_at_once(recipes: Sequence[Recipe], custom: Custom) -> Generator[Result | float, None, None]:
    """The results of the recipes, trained as batched models, and in between the share of the work that is done.

    Raises SessionError, at once, for a recipe that cannot be stacked.
    """
    model = custom.model
    build = None if model is None else lambda _: copy.deepcopy(model)
    return _shared(stacked.run(recipes, data=custom.data, model=build))


def _shared(items: Iterable[stacked.Progress | Result]) -> Generator[Result | float, None, None]:
    for item in items:
        yield item.done / item.total if isinstance(item, stacked.Progress) else item


def check(executor: object) -> None:
    """Raise TypeError unless this is an executor, and warn of one whose workers are threads."""
    if not isinstance(executor, Executor):
        hint = "; of a dask client, hand over client.get_executor()" if hasattr(executor, "get_executor") else ""
        raise TypeError(f"executor = {type(executor).__name__}: must be a concurrent.futures.Executor{hint}")
    if isinstance(executor, ThreadPoolExecutor):
        errors.warn(
            "executor = ThreadPoolExecutor: sessions in threads of one process take turns (torch has one random "
            "generator a process), so that this is no faster than none; take a ProcessPoolExecutor",
            errors.ExecutorWarning,
            stacklevel=4,
        )
