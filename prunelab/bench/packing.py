"""The size of a packed file relative to values plus entropy, and the time to write and read it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn

from prunelab import models
from prunelab.bench.statistics import interleave, spread, timed
from prunelab.bench.table import Row, Say
from prunelab.sparse import bound, load, save

DENSITIES = (0.5, 0.2, 0.08, 0.025, 0.01)
PAPER = 0.08  # the density of Han et al. 2015, table 3
SURVIVORS = 6655  # 1/40 of the weights


def rows(*, quick: bool, say: Say) -> list[Row]:
    """Measure. say: called with what is being measured. quick: one network per density, fewer repetitions."""
    with TemporaryDirectory(prefix="prunelab-bench-") as folder:
        path = Path(folder) / "network.prune"
        say("packed files against their bound")
        results = [size_row(density, path, seeds=1 if quick else 5) for density in DENSITIES]
        results.append(shared_row(path))
        say("packing and unpacking")
        return results + time_rows(path, rounds=5 if quick else 25)


def network(density: float, seed: int) -> nn.Module:
    """LeNet-300-100 with fresh weights, each of which survives independently with probability ``density``."""
    model = models.build("lenet-300-100", (1, 28, 28), 10, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(torch.rand(parameter.shape, generator=generator) < density)
    return model


def size_row(density: float, path: Path, *, seeds: int) -> Row:
    """Bytes of the file / bytes of values, mask entropy and biases, over ``seeds`` networks."""
    networks = [network(density, seed) for seed in range(seeds)]
    sizes = [save(model, path) for model in networks]
    bounds = [bound(model) for model in networks]
    return Row.of(
        f"packed file / values + entropy, density {density}",
        spread([size / least for size, least in zip(sizes, bounds, strict=True)]),
        "x",
        target=1.03,
        note=f"LeNet-300-100, independent masks: {sizes[0]:,} against {bounds[0]:,} bytes",
    )


def shared_row(path: Path) -> Row:
    """Kilobytes of a LeNet-300-100 cut to SURVIVORS by magnitude, with 5-bit shared values."""
    model = network(1.0, seed=0)
    weights = [p for p in model.parameters() if p.ndim > 1]
    threshold = torch.cat([w.detach().abs().flatten() for w in weights]).sort(descending=True).values[SURVIVORS - 1]
    with torch.no_grad():
        for weight in weights:
            weight.mul_(weight.abs() >= threshold)
    kept = sum(int(weight.count_nonzero()) for weight in weights)
    exact = save(model, path)
    size = save(model, path, bits=5)
    note = f"fresh weights, {kept:,} survivors, biases dense; {exact / 1000:.1f} kB with exact values"
    return Row("packed file with bits=5", size / 1000, "kB", target=20, note=note)


def time_rows(path: Path, *, rounds: int) -> list[Row]:
    """Milliseconds to pack LeNet-300-100 at the paper's density to disk, and to read it again."""
    model = network(PAPER, seed=0)
    results = interleave(
        {"save": lambda: 1e3 * timed(lambda: save(model, path)), "load": lambda: 1e3 * timed(lambda: load(path))},
        rounds,
    )
    note = f"LeNet-300-100, density {PAPER}"
    return [
        Row.of("packing", spread(results["save"]), "ms", target=50, note=f"{note}, to disk"),
        Row.of("unpacking", spread(results["load"]), "ms", note=note),
    ]
