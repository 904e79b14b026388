"""Many recipes trained as one batched model: each network with its own weights, masks, seed and settings.

Small networks spend most of a step on calling torch, not on computing. Stacked, one call serves all of them.

Against a ``Session`` of the same recipe: initial weights, sample orders and, on the CPU, dropout noise are the same
numbers, and so are the rules of cutting and of dropout. Only the order of summation in products differs. On digits:
weights after one epoch agree within 1e-5, masks of a first cut differ only where a weight is that close to the
threshold, and accuracies at the end agree within two percent points for a run and half a point in the mean over seeds.
What a session sees in its tests on the way, such as a test loss that is infinite for a while, is seen at the end of a
phase.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from prunelab import torch_state
from prunelab.data import Data
from prunelab.experiments.stacked.architecture import Architecture, architecture
from prunelab.experiments.stacked.groups import Build, Job, grouped, jobs
from prunelab.experiments.stacked.rounds import Rounds
from prunelab.recipe import Recipe
from prunelab.results.sweep import FailedRun, Run

WIDTH = 64  # networks in a stack: more gain little speed, and need more memory
PAUSE = 0.1  # seconds between two reports of progress


@dataclass(frozen=True)
class Progress:
    """How far it is.

    done: training steps so far, of ``total``, over all networks; those that failed networks do not need count, too.
    """

    done: int
    total: int


def run(
    recipes: Sequence[Recipe],
    *,
    data: Data | None = None,
    model: Build | None = None,
    device: str | torch.device = "cpu",
    width: int = WIDTH,
) -> Iterator[Progress | Run | FailedRun]:
    """Train, prune and retrain a network for each recipe, many at once.

    Networks are stacked if they have the same data (or digits that are split otherwise), model, batch_size, optimizer,
    epochs and retrain_epochs (or 0), both batch norm or neither, and both dropout or neither; all else may differ.
    Stacks run one after another. Recipes that differ only in how they prune share their dense training.

    Args:
        recipes: What to run. One may be there several times.
        data: Custom data for all of them; None: each recipe's own.
        model: (recipe) -> a new network, in place of the recipe's model. Those that are not a plain sequence of Linear,
            Conv2d, BatchNorm, MaxPool2d, ReLU, Flatten and Dropout layers run under ``torch.func.vmap``.
        device: Where to train.
        width: The most networks in one stack, at least 1: it needs the memory of so many, and of their activations.

    Returns:
        A stream: a Run, or a FailedRun where training diverged, for each recipe, as soon as it is there, so that the
        order is another than that of ``recipes``; ``recipe`` of each is the one that was given. In between, Progress,
        at most every 0.1 s, and last. Nothing runs until it is iterated; leave it at any item to stop.

    Raises:
        SessionError: A recipe sets a field that only a session understands, data, model and recipe do not fit, or the
            networks cannot be stacked. Before anything is trained.
        ValueError: layer_quality names no layer.
    """
    if isinstance(width, bool) or not isinstance(width, int) or width < 1:
        raise ValueError(f"width = {width!r}: must be a whole number, at least 1")
    place = torch.device(device)
    groups = grouped(jobs(recipes, data, model), width)
    shared = [architecture(group, model, place) for group in groups]
    return _stream(list(zip(groups, shared, strict=True)), model, place)


def _stream(
    groups: list[tuple[list[Job], Architecture]], build: Build | None, device: torch.device
) -> Iterator[Progress | Run | FailedRun]:
    stacks = [(Rounds(group, shared, build, device), shared.threads) for group, shared in groups]
    total = sum(rounds.left for rounds, _ in stacks)
    reported = time.perf_counter()
    while stacks:
        rounds, threads = stacks[0]
        items = rounds.run()
        while True:
            with torch_state.threads(threads):  # not around a yield: the caller shares the thread count
                try:
                    item = next(items)
                except StopIteration:
                    break
            if item is not None:
                yield item
            elif time.perf_counter() - reported >= PAUSE:
                reported = time.perf_counter()
                yield Progress(total - sum(others.left for others, _ in stacks), total)
        del stacks[0], rounds, items  # and with them its memory
    yield Progress(total, total)
