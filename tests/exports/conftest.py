"""A short real run, and a long made-up one, that the exports are tried on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import prunelab as pl
from prunelab.hardware import Machine
from prunelab.results.measurement import Latency, Measurement, Size
from prunelab.results.snapshot import BINS, LayerSnapshot, Snapshot

RECIPE = pl.Recipe(model="mlp-small", epochs=4, retrain_epochs=2, rounds=2, dropout=0.5, quality=1.2)


@pytest.fixture(scope="session")
def recipe() -> pl.Recipe:
    return RECIPE


@pytest.fixture(scope="session")
def session() -> pl.Session:
    session = pl.Session(RECIPE)
    for _ in session:
        pass
    return session


@pytest.fixture(scope="session")
def history(session: pl.Session) -> list[Snapshot]:
    return list(session.history)


@pytest.fixture(scope="session")
def measurement(session: pl.Session) -> Measurement:
    """Made up, so that no test depends on how fast the machine is."""
    now = session.snapshot()
    sizes = [("dense", 26_000), ("COO", 31_000), ("CSR", 14_000), ("packed", 6_000), ("bound", 5_900)]
    times = {"dense": 1.0, "sparse": 1.6, "converted": 0.4, "compacted": 0.97}
    latencies = [
        Latency(name, batch, 2, *(factor * batch * 1e-5 * (1 + spread) for spread in (0.0, -0.01, 0.01, -0.02)))
        for batch in (1, 64)
        for name, factor in times.items()
    ]
    machine = Machine("a processor", 2, "Linux x86_64", "2.13.0")
    return Measurement(
        machine, now.kept, now.total, tuple(Size(name, size, f"as {name}") for name, size in sizes), tuple(latencies),
        notes=("another program took part of the machine",), progress=1.0,
    )  # fmt: skip


@pytest.fixture(scope="session")
def long_history(history: list[Snapshot]) -> list[Snapshot]:
    """LeNet-300-100 on 28 x 28 images: 300 snapshots, 61 of them at the end of a phase, masks ever thinner."""
    random = np.random.default_rng(0)
    shapes = {"fc1.weight": (300, 784), "fc2.weight": (100, 300), "fc3.weight": (10, 100)}
    scores = {name: random.random(shape) for name, shape in shapes.items()}

    def layers(density: float) -> tuple[LayerSnapshot, ...]:
        made = []
        for like, (name, shape) in zip(history[-1].layers, shapes.items(), strict=True):
            mask = scores[name] < density
            counts = random.integers(0, 9999, (2, BINS)).astype(np.int32)
            packed, kept = np.packbits(mask).tobytes(), int(mask.sum())
            own = {"name": name, "shape": shape, "kept": kept, "total": mask.size, "packed": packed}
            made.append(replace(like, **own, kept_counts=counts[0], cut_counts=counts[1]))
        return tuple(made)

    phases = [("training", 0)] * 28 + [("trained", 0)]
    for number in range(1, 31):
        phases += [("pruned", number), *[("retraining", number)] * 7, ("retrained", number)]
    made, own, before = [], layers(1.0), 0
    for clock, (phase, number) in enumerate([*phases, ("retraining", 30)]):
        if number != before:
            own, before = layers(0.9**number), number
        about = {"phase": phase, "round": number, "rounds": 30, "clock": 10 * clock, "input_shape": (1, 28, 28)}
        made.append(replace(history[-1], **about, test_accuracy=0.98 - 0.02 * random.random(), layers=own))
    return made


def renamed(snapshots: list[Snapshot], name: str) -> list[Snapshot]:
    """The same run of a network whose first layer is called ``name``."""
    old = snapshots[0].layers[0].name
    return [
        replace(
            s,
            layers=(replace(s.layers[0], name=f"{name}.weight"), *s.layers[1:]),
            dropouts=tuple(replace(d, layer=f"{name}.weight") if d.layer == old else d for d in s.dropouts),
        )
        for s in snapshots
    ]


@pytest.fixture
def rename():
    return renamed
