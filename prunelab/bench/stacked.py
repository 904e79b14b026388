"""A sweep trained as one stack: its speed against sessions one after another, and its memory against single networks.

Each memory is that of a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable

import torch

from prunelab import models
from prunelab.bench import memory
from prunelab.bench.statistics import interleave, ratios, spread
from prunelab.bench.table import Row, Say
from prunelab.data import Data, load, own
from prunelab.experiments import stacked
from prunelab.pruning.masks import Masks
from prunelab.recipe import OWN, Recipe
from prunelab.results.sweep import Run
from prunelab.sessions.session import Session
from prunelab.training import optimizers, steps

NETWORKS = 32
FASTER = 3.0  # least speed of 32 small networks, stacked against one after another
MODEL, WIDE = (
    "lenet-300-100",
    16,
)  # network, and how many of it, in the stack whose memory is measured: large enough to stand out
SAMPLES, BATCH, RATE, DENSITY = 2000, 64, 0.05, 0.1


def rows(*, quick: bool, say: Say) -> list[Row]:
    """Measure. say: called with what is being measured. quick: shorter runs, once each."""
    say(f"a sweep of {NETWORKS} small networks")
    results = [speed_row(NETWORKS, epochs=2 if quick else 10, rounds=1 if quick else 5)]
    say(f"the memory of a stack of {WIDE} networks")
    memories = memory_row(rounds=1 if quick else 3)
    return results if memories is None else [*results, memories]


def speed_row(networks: int, *, epochs: int, rounds: int) -> Row:
    """Time of sessions one after another / of one stack: mlp-small on the digits, every dense network another one."""
    recipes = [
        Recipe(model="mlp-small", epochs=epochs, retrain_epochs=max(epochs // 2, 1), rounds=2, seed=seed)
        for seed in range(networks)
    ]
    data = {recipe.seed: load(recipe.data, seed=recipe.seed) for recipe in recipes}

    def alone() -> float:
        began = time.perf_counter()
        for recipe in recipes:
            for _ in Session(recipe, data=data[recipe.seed]).run():
                pass
        return time.perf_counter() - began

    def together() -> float:
        began = time.perf_counter()
        done = [item for item in stacked.run(recipes) if isinstance(item, Run)]
        assert len(done) == networks
        return time.perf_counter() - began

    seconds = interleave({"alone": alone, "together": together}, rounds)
    times = {name: f"{spread(values).median:.2f} s" for name, values in seconds.items()}
    return Row.of(
        f"sweep of {networks} small networks, one after another / stacked",
        ratios(seconds["alone"], seconds["together"]),
        "x",
        target=FASTER,
        better="at least",
        note=f"mlp-small on digits, {times['alone']} against {times['together']}, {torch.get_num_threads()} threads; "
        "sessions take snapshots as they go",
    )


def memory_row(*, rounds: int) -> Row | None:
    """Peak of a stack / (its width x the peak of one masked network in a bare training loop); None if not counted."""

    def measured(name: str) -> Callable[[], float]:
        code = "from prunelab.bench import stacked; stacked.child()"

        def run() -> float:
            done = subprocess.run([sys.executable, "-c", code, name], check=True, capture_output=True, text=True)
            return float(json.loads(done.stdout) or 0)

        return run

    peaks = interleave({name: measured(name) for name in PEAKS}, rounds)
    if not all(peaks["stack"]):
        return None
    megabytes = {name: spread(values).median / 1e6 for name, values in peaks.items()}
    return Row.of(
        f"memory of a stack of {WIDE} networks / {WIDE} times one",
        ratios(peaks["stack"], [WIDE * one for one in peaks["one"]]),
        "x",
        target=1.0,
        note=f"LeNet-300-100 with masks, SGD, activations of a batch: {megabytes['stack']:.1f} MB against {WIDE} times "
        f"{megabytes['one']:.1f} MB",
    )


def child() -> None:
    """In a process of its own: prints the peak bytes of the work in ``sys.argv``, or null."""
    data = _noise(SAMPLES)
    work = PEAKS[sys.argv[1]]
    work(data, "mlp-small")()  # what is loaded and kept once for all
    print(json.dumps(memory.peak(work(data, MODEL))))


def _noise(samples: int) -> Data:
    x = torch.rand(samples, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    y = torch.arange(samples) % 10
    return own((x, y), (x[:100], y[:100]))


def _one(data: Data, model: str) -> Callable[[], object]:
    """A bare training loop of one network with masks, for as many steps as the stack makes after its cut."""

    def run() -> None:
        network = models.build(model, data.input_shape, 10)
        masks = Masks(network)
        masks.prune(density=DENSITY)
        weights = [masks.weight(name) for name in masks]
        others = [parameter for parameter in network.parameters() if parameter.dim() == 1]
        optimizer = optimizers.make_optimizer("sgd", weights, others, rate=RATE, decay=1e-4)
        masks.attach(optimizer)
        for chosen in steps.shuffled(len(data.train_y), 0).split(BATCH):
            steps.training_step(network, optimizer, data.train_x[chosen], data.train_y[chosen])

    return run


def _stack(data: Data, model: str) -> Callable[[], object]:
    """Whole runs of the stacked engine: dense training, a cut, retraining, tests."""
    shared = Recipe(
        model=model, batch_size=BATCH, learning_rate=RATE, epochs=1, retrain_epochs=1, rounds=1,
        rule="density", density=DENSITY, dropout=0.0, data=OWN,
    )  # fmt: skip
    recipes = [shared.changed(seed=seed) for seed in range(WIDE)]
    return lambda: list(stacked.run(recipes, data=data))


PEAKS = {"one": _one, "stack": _stack}
