"""What the work costs as networks grow: seconds, and bytes a weight at the peak.

Each measurement is a process of its own, so that neither memory nor caches of one count for another. Processes for the
same size take turns, ours beside ``torch.nn.utils.prune.global_unstructured``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import prune

from prunelab.bench import memory
from prunelab.bench.statistics import Spread, interleave, ratios, spread, timed
from prunelab.bench.table import Row, Say
from prunelab.pruning.effective import trace
from prunelab.pruning.masks import Masks
from prunelab.recipe import OWN, Recipe
from prunelab.sessions.session import Session
from prunelab.sparse import load, save

if sys.platform != "win32":
    import resource

SIZES = (0.3, 6, 25, 78)  # million weights
QUICK_SIZES = (0.3, 6, 25)
LAYERS = 4
DENSITY, QUALITY = 0.1, 1.6
BATCH = 32
LARGE = 25  # million weights of a network that the targets are for
FASTER = 0.15  # most of torch's time for a global density cut
CUT_BYTES = 8  # most of memory a weight that a cut may take, beyond the model
ANSWER = 1.0  # most seconds of a preview in the lab
LINEAR = 1.25  # most growth of the work a weight from one size to the next: caches, and noise
SAMPLES, TESTED = 1000, 0.25  # of a preview in the lab, and the seconds that they may take

Prepared = Callable[[], object]  # the work itself, once all it needs is there


def rows(*, quick: bool, say: Say) -> list[Row]:
    """Measure. say: called with what is being measured. quick: smaller networks, each once."""
    measured: dict[str, dict[float, list[Cost]]] = {name: {} for name in OPERATIONS}
    with TemporaryDirectory(prefix="prunelab-bench-") as folder:
        for size in QUICK_SIZES if quick else SIZES:
            say(f"the cost of work on {size:g} million weights")
            for name, costs in _measured(size, Path(folder), rounds=1 if quick else 5).items():
                measured[name][size] = costs
    return _rows(measured)


@dataclass(frozen=True)
class Cost:
    """One operation, once: seconds, of which ``own`` in user mode, summed over threads, and peak bytes a weight.

    bytes: None where the system does not report them. By ``own`` sizes are compared: what a system takes until it has
    found large memory, or read a file, is no property of the work. To load 25 million weights took 0.11 s, of which it
    was 0.03, and three times as many 0.95 s, of which it was 0.72, on a virtual machine whose host takes idle memory.
    """

    seconds: float
    own: float
    bytes: float | None


def _measured(size: float, folder: Path, rounds: int) -> dict[str, list[Cost]]:
    costs: dict[str, list[Cost]] = {name: [] for name in OPERATIONS}

    def run(name: str) -> float:
        command = [
            sys.executable,
            "-c",
            "from prunelab.bench import costs; costs.child()",
            name,
            str(size),
            str(folder),
        ]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        cost = Cost(*json.loads(done.stdout))
        costs[name].append(cost)
        return cost.seconds

    interleave({name: (lambda name=name: run(name)) for name in OPERATIONS}, rounds)  # type: ignore[misc]
    return {name: found[-rounds:] for name, found in costs.items()}


def child() -> None:
    """In a process of its own: prints the values of a Cost, of the operation in ``sys.argv``, as a list."""
    name, size, folder = sys.argv[1], float(sys.argv[2]), Path(sys.argv[3])
    torch.manual_seed(0)
    OPERATIONS[name](network(0.001), folder)()  # what is loaded and kept once for all
    model = network(size)
    run = OPERATIONS[name](model, folder)
    seconds: list[float] = []

    def measure() -> None:
        own = _user_seconds()
        seconds.append(timed(run))
        seconds.append(_user_seconds() - own)

    peak = memory.peak(measure)
    weights = sum(parameter.numel() for parameter in model.parameters())
    print(json.dumps([*seconds, None if peak is None else peak / weights]))


def _user_seconds() -> float:
    """Seconds of this process in user mode, to the microsecond where the system tells it so."""
    if sys.platform == "win32":
        return os.times().user
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime


def network(millions: float) -> nn.Sequential:
    """LAYERS square layers with ReLU between them, as wide as it takes."""
    width = max(4, round((1e6 * millions / LAYERS) ** 0.5))
    layers: list[nn.Module] = []
    for _ in range(LAYERS):
        layers += [nn.Linear(width, width, bias=False), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _width(model: nn.Sequential) -> int:
    return int(model[0].in_features)  # type: ignore[arg-type]


def _torch_cut(model: nn.Sequential, folder: Path) -> Prepared:
    weights = [(layer, "weight") for layer in model if isinstance(layer, nn.Linear)]
    return lambda: prune.global_unstructured(weights, prune.L1Unstructured, amount=1 - DENSITY)


def _density_cut(model: nn.Sequential, folder: Path) -> Prepared:
    return lambda: Masks(model).prune(density=DENSITY)


def _quality_cut(model: nn.Sequential, folder: Path) -> Prepared:
    return lambda: Masks(model).prune(quality=QUALITY)


def _step(model: nn.Sequential, folder: Path) -> Prepared:
    masks, optimizer = Masks(model), torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    masks.prune(density=DENSITY)
    x, y = torch.randn(BATCH, _width(model)), torch.zeros(BATCH, dtype=torch.int64)

    def run() -> None:
        masks.attach(optimizer)
        F.cross_entropy(model(x), y).backward()
        optimizer.step()

    return run


def _session(model: nn.Sequential) -> Session:
    x, y = torch.randn(2 * SAMPLES, _width(model)), torch.arange(2 * SAMPLES) % 2
    small = x[:4], y[:4]
    return Session(Recipe(model=OWN, data=OWN), model=model, data=(small, (x, y)), trained=True)


def _preview(model: nn.Sequential, folder: Path) -> Prepared:
    session = _session(model)
    return lambda: session.preview(density=DENSITY, samples=SAMPLES, seconds=TESTED)


def _snapshot(model: nn.Sequential, folder: Path) -> Prepared:
    session = _session(model)
    session.prune(density=DENSITY)
    return session.snapshot


def _effective(model: nn.Sequential, folder: Path) -> Prepared:
    wiring, masks = trace(model, torch.zeros(1, _width(model))), Masks(model)
    masks.prune(density=DENSITY)
    return lambda: wiring.effective(masks)


def _save(model: nn.Sequential, folder: Path) -> Prepared:
    Masks(model).prune(density=DENSITY)
    return lambda: save(model, folder / "network.prune")


def _load(model: nn.Sequential, folder: Path) -> Prepared:
    Masks(model).prune(density=DENSITY)
    save(model, folder / "network.prune")
    return lambda: load(folder / "network.prune")


OPERATIONS: dict[str, Callable[[nn.Sequential, Path], Prepared]] = {
    "global_unstructured": _torch_cut,
    "density cut": _density_cut,
    "quality cut": _quality_cut,
    "attach and step": _step,
    "preview": _preview,
    "snapshot": _snapshot,
    "effective density": _effective,
    "save": _save,
    "load": _load,
}


def _rows(measured: Mapping[str, Mapping[float, list[Cost]]]) -> list[Row]:
    theirs, ours = measured["global_unstructured"], measured["density cut"]
    results = [
        Row.of(
            f"density cut of {LARGE} million weights / torch.nn.utils.prune.global_unstructured",
            ratios([cost.seconds for cost in ours[LARGE]], [cost.seconds for cost in theirs[LARGE]]),
            "x",
            target=FASTER,
            note=f"ours {_told(ours)}; torch's {_told(theirs)}",
        )
    ]
    for name in ("density cut", "quality cut"):
        peaks = [cost.bytes for cost in measured[name][LARGE] if cost.bytes is not None]
        if peaks:
            results.append(
                Row.of(
                    f"{name} of {LARGE} million weights: peak memory beyond the model",
                    spread(peaks),
                    "bytes a weight",
                    target=CUT_BYTES,
                )
            )
    results.append(
        Row.of(
            f"preview of {LARGE} million weights in the lab, about",
            spread([cost.seconds for cost in measured["preview"][LARGE]]),
            "s",
            target=ANSWER,
            note=f"at most {SAMPLES} test samples in {TESTED} s; {_told(measured['preview'])}",
        )
    )
    for name, by_size in measured.items():
        if name == "global_unstructured":
            continue
        before, last = sorted(by_size)[-2:]
        results.append(
            Row.of(
                f"{name}: own work a weight, {last:g} million / {before:g} million",
                _growth(by_size, before, last),
                "x",
                target=LINEAR,
                note=_told(by_size),
            )
        )
    return results


def _growth(by_size: Mapping[float, list[Cost]], before: float, last: float) -> Spread:
    a, b = ([cost.own / size for cost in by_size[size]] for size in (last, before))
    return ratios(a, b)


def _told(by_size: Mapping[float, list[Cost]]) -> str:
    """Seconds, those of them in user mode, and bytes a weight, for each size."""
    texts = []
    for size, costs in by_size.items():
        peaks = [cost.bytes for cost in costs if cost.bytes is not None]
        memory = f" and {spread(peaks).median:.1f} bytes a weight" if peaks else ""
        seconds, own = (spread([getattr(cost, name) for cost in costs]).median for name in ("seconds", "own"))
        texts.append(f"{size:g} million {seconds:.3g} s, own {own:.3g} s{memory}")
    return ", ".join(texts)
