"""The speedup from removing dead neurons (compaction)."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from prunelab import models
from prunelab.bench.statistics import interleave, ratios, spread
from prunelab.bench.table import Row, Say
from prunelab.pruning.effective import trace
from prunelab.pruning.masks import Masks
from prunelab.sparse.compaction.compact import compact

DENSITY = 0.5  # fraction of the neurons that are kept
BATCH = 64
TARGET = 1.5  # smallest speedup


@dataclass(frozen=True)
class Case:
    """A network to compact."""

    name: str
    model: nn.Module
    shape: tuple[int, ...]  # of a sample
    target: float | None  # smallest speedup; None: only reported


def rows(*, quick: bool, say: Say) -> list[Row]:
    """Measure. say: called with what is being measured. quick: fewer and shorter repetitions."""
    results = []
    for case in _cases():
        say(f"{case.name}, half of its neurons dead, dense and compacted")
        results.append(compacted_row(case, calls=10 if quick else 20, rounds=7 if quick else 31))
    say("effective density of LeNet-300-100")
    results.append(wiring_row(rounds=11 if quick else 101))
    return results


def compacted_row(case: Case, *, calls: int, rounds: int) -> Row:
    """Time of a network with half of its neurons cut, relative to the same network compacted."""
    Masks(case.model).prune(density=DENSITY, unit="neuron", scope="layer")
    x = torch.randn(BATCH, *case.shape, generator=torch.Generator().manual_seed(0))
    small = compact(case.model, x)
    candidates = {
        "dense": lambda: _seconds(case.model.eval(), x, calls),
        "compacted": lambda: _seconds(small.eval(), x, calls),
    }
    results = interleave(candidates, rounds)
    times = {name: f"{1e3 * spread(values).median:.3g} ms" for name, values in results.items()}
    return Row.of(
        f"{case.name}, half of its neurons dead: dense / compacted",
        ratios(results["dense"], results["compacted"]),
        "x",
        target=case.target,
        better="at least",
        note=f"{times['dense']} against {times['compacted']}, batch {BATCH}, {torch.get_num_threads()} threads",
    )


def wiring_row(*, rounds: int) -> Row:
    """Time to compute the effective density after a cut: it must follow a slider."""
    model = models.build("lenet-300-100", (1, 28, 28), 10)
    masks = Masks(model)
    masks.prune(density=0.08, scope="layer")
    wiring = trace(model, torch.zeros(1, 1, 28, 28))

    def timed() -> float:
        began = time.perf_counter()
        wiring.effective(masks)
        return 1e3 * (time.perf_counter() - began)

    return Row.of("effective density of LeNet-300-100", spread(interleave({"wiring": timed}, rounds)["wiring"]), "ms")


def _cases() -> list[Case]:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        mlp = nn.Sequential(nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 1024))
    lenet = models.build("lenet-5", (1, 28, 28), 10, batch_norm=True)
    return [Case("MLP 1024-1024-1024-1024", mlp, (1024,), TARGET), Case("LeNet-5", lenet, (1, 28, 28), None)]


def _seconds(model: nn.Module, x: Tensor, calls: int) -> float:
    """Seconds per forward pass, averaged over ``calls``."""
    with torch.inference_mode():
        began = time.perf_counter()
        for _ in range(calls):
            model(x)
        return (time.perf_counter() - began) / calls
