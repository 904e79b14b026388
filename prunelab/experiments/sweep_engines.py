"""What carries out the runs of a sweep: this process, one after another or stacked, or the workers of an executor."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from queue import Empty, SimpleQueue
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
from prunelab.pruning.copies import copied
from prunelab.recipe import Recipe
from prunelab.results.sweep import FailedRun, Result, result_from

HEARTBEAT = 0.25  # seconds between two looks whether somebody has left


def one_after_another(recipes: Sequence[Recipe], custom: Custom) -> Generator[Result, None, None]:
    """The results of the recipes, those with the same dense network in a row: only one is held at a time."""
    for group in groups(recipes):
        dense = train(group[0], custom) if len(group) > 1 else None
        for recipe in group:
            yield replace(dense, recipe=recipe) if isinstance(dense, FailedRun) else run(recipe, custom, dense)


def on_executor(executor: Executor, recipes: Sequence[Recipe], custom: Custom) -> Generator[Result | None, None, None]:
    """The results of the recipes as they come: dense networks that several need first, then all that start from them.

    None, every HEARTBEAT seconds, while there is nothing new: who leaves the iterator need not wait for a run to end.
    What has not begun is cancelled when the iterator is left. Raises what a worker raised, once all that was finished
    by then has been given.
    """
    # Not concurrent.futures.wait: that takes the locks of all futures each time, and Ctrl-C in the midst of it leaves
    # some of them taken, so that the executor never ends.
    ended: SimpleQueue[Future[dict[str, Any]]] = SimpleQueue()
    pending: dict[Future[dict[str, Any]], Recipe | None] = {}  # all that runs; None: a dense network
    branches: dict[Future[dict[str, Any]], list[Recipe]] = {}  # dense networks that are trained, and who needs them

    def submit(recipe: Recipe | None, work: Callable[..., dict[str, Any]], *arguments: Any) -> Future[dict[str, Any]]:
        future = executor.submit(work, *arguments)
        pending[future] = recipe
        future.add_done_callback(ended.put)
        return future

    try:
        for group in groups(recipes):
            values = group[0].to_dict(usual=True)
            if len(group) == 1:
                submit(group[0], run_elsewhere, values, custom, None)
            else:
                branches[submit(None, train_elsewhere, values, custom)] = group
        failure: BaseException | None = None
        while pending and (failure is None or not ended.empty()):
            try:
                future = ended.get(timeout=HEARTBEAT)
            except Empty:
                yield None
                continue
            recipe = pending.pop(future)
            if future.exception() is not None:
                failure = failure or future.exception()
            elif recipe is not None:
                yield result_from(future.result())
            elif "dense" in future.result():
                for each in branches.pop(future):
                    submit(each, run_elsewhere, each.to_dict(usual=True), custom, future.result()["dense"])
            else:
                failed = FailedRun.from_dict(future.result())
                yield from (replace(failed, recipe=each) for each in branches.pop(future))
        if failure is not None:
            raise failure
    finally:
        for future in pending:
            future.cancel()


def all_at_once(recipes: Sequence[Recipe], custom: Custom) -> Generator[Result | float, None, None]:
    """The results of the recipes, trained as batched models, and in between the share of the work that is done.

    Raises SessionError, at once, for a recipe that cannot be stacked.
    """
    model = custom.model
    build = None if model is None else lambda _: copied(model)
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
