"""The cost of masks and of the lab in a training loop, and its speedup over the usual loop with a DataLoader."""

from __future__ import annotations

import copy
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import prune
from torch.utils.data import DataLoader, TensorDataset

from prunelab import models, torch_state
from prunelab.bench.statistics import interleave, ratios, spread, timed
from prunelab.bench.table import Row, Say
from prunelab.data import load, own
from prunelab.errors import DataError
from prunelab.lab import Lab
from prunelab.pruning.masks import Masks
from prunelab.recipe import Recipe
from prunelab.results.history import History
from prunelab.sessions.session import Session
from prunelab.training import steps

BATCH = 128
DENSITY = 0.08  # of the paper's LeNet-300-100
RATE = 0.01  # learning rate


def rows(*, quick: bool, say: Say) -> list[Row]:
    """Measure. say: called with what is being measured. quick: fewer and shorter repetitions."""
    say("training loops")
    results = training_rows(steps=20 if quick else 60, rounds=3 if quick else 25)
    say("a lab in a script against a session")
    results.append(lab_row(epochs=20 if quick else 120, rounds=2 if quick else 7))
    say("a history of LeNet-300-100")
    results.append(history_row(snapshots=60 if quick else 500))
    say("prunelab --help")
    results.append(help_row(rounds=3 if quick else 11))
    return results


def training_rows(*, steps: int, rounds: int) -> list[Row]:
    """Time per step of training loops of LeNet-300-100, batch 128, which take turns of ``steps`` steps."""
    x, y, source = _samples()
    dense = models.build("lenet-300-100", tuple(x.shape[1:]), 10, seed=0)
    loops = {
        "dense": _our_loop(dense, x, y, masked=False),
        "masked": _our_loop(dense, x, y, masked=True),
        "usual": _usual_loop(dense, x, y, _by_torch),
        "products": _products(dense, x[:BATCH]),
        "autograd": _forward_and_backward(dense, x[:BATCH], y[:BATCH]),
    }
    if find_spec("fasterai") is not None:
        loops["fasterai"] = _usual_loop(dense, x, y, _by_fasterai)
    candidates = {name: _stretch(loop, steps) for name, loop in loops.items()}
    with torch_state.threads(torch_state.threads_for(sum(p.numel() for p in dense.parameters()), BATCH)):
        results = interleave(candidates, rounds)
    times = {name: f"{1e3 * spread(values).median:.2f} ms" for name, values in results.items()}
    rows = [
        Row.of(
            "training step, masks attached / without",
            ratios(results["masked"], results["dense"]),
            "x",
            target=1.05,
            note=f"{times['masked']} against {times['dense']}, density {DENSITY}, {source}",
        ),
        Row.of(
            "matrix products alone / training step with masks",
            ratios(results["products"], results["masked"]),
            "x",
            target=0.85,
            better="at least",
            note=f"{times['products']} against {times['masked']}; the products of forward and backward pass",
        ),
        Row.of(
            "matrix products alone / forward and backward pass by autograd alone",
            ratios(results["products"], results["autograd"]),
            "x",
            note=f"{times['products']} against {times['autograd']}: what no loop over autograd exceeds",
        ),
        Row.of(
            "DataLoader + torch.nn.utils.prune / our loop with masks",
            ratios(results["usual"], results["masked"]),
            "x",
            target=1.4,
            better="at least",
            note=f"{times['usual']} against {times['masked']}",
        ),
    ]
    if "fasterai" in results:
        rows.append(
            Row.of(
                "DataLoader + fasterai's Sparsifier / our loop with masks",
                ratios(results["fasterai"], results["masked"]),
                "x",
                note=f"{times['fasterai']} against {times['masked']}, fasterai {version('fasterai')}",
            )
        )
    return rows


def lab_row(*, epochs: int, rounds: int) -> Row:
    """Steps per second of a Session in a Lab in a script, relative to the same recipe without a Lab."""
    recipe = Recipe(epochs=epochs)
    data = load(recipe.data, seed=recipe.seed)

    def headless() -> float:
        session = Session(recipe, data=data)
        began = time.perf_counter()
        for _ in session.train():
            pass
        return session.clock / (time.perf_counter() - began)

    def in_a_lab() -> float:
        lab = Lab(recipe, data=data, start=False)
        began = time.perf_counter()
        lab.follow(f"epochs={epochs}")
        lab.wait()
        seconds = time.perf_counter() - began
        assert lab.session is not None
        clock = lab.session.clock
        lab.stop()
        lab.close()
        return clock / seconds

    results = interleave({"headless": headless, "lab": in_a_lab}, rounds)
    speeds = {name: f"{spread(values).median:,.0f}" for name, values in results.items()}
    return Row.of(
        "training speed with a lab in a script / headless",
        ratios(results["lab"], results["headless"]),
        "x",
        note=f"digits, {speeds['lab']} against {speeds['headless']} steps/s, drawing included, no browser",
    )


def history_row(*, snapshots: int) -> Row:
    """Megabytes of a history of LeNet-300-100 on MNIST, with a cut after every tenth of the snapshots."""
    x, y, source = _samples()
    data = own((x[:2000], y[:2000]), (x[:10_000], y[:10_000]), classes=10)
    session = Session(Recipe(model="lenet-300-100", epochs=1), data=data)
    for _ in session.train():
        pass
    history = History()
    tracemalloc.start()
    for number in range(snapshots):
        if number % max(snapshots // 10, 1) == 0:
            session.prune(0.15 * (1 + 10 * number // snapshots))
        history.append(session.snapshot())
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return Row(
        f"a history of {len(history)} snapshots of LeNet-300-100",
        held / 1e6,
        "MB",
        target=60 * snapshots / 500,
        note=f"{source}, 10,000 test samples; weights of the network itself not counted",
    )


def help_row(*, rounds: int) -> Row:
    """Seconds that ``prunelab --help`` takes, including the start of Python."""
    command = [sys.executable, "-c", "from prunelab.cli import main; main()", "--help"]
    run = partial(subprocess.run, command, check=True, stdout=subprocess.DEVNULL)
    seconds = interleave({"help": lambda: timed(run)}, rounds)["help"]
    return Row.of("prunelab --help", spread(seconds), "s", target=0.3)


def _samples() -> tuple[Tensor, Tensor, str]:
    """MNIST's training set or, if it is not available, noise of its shape: the loops cost the same."""
    try:
        data = load("mnist")
    except DataError:
        generator = torch.Generator().manual_seed(0)
        x = torch.rand(60_000, 1, 28, 28, generator=generator)
        return x, torch.randint(0, 10, (60_000,), generator=generator), "noise in MNIST's shape"
    return data.train_x, data.train_y, "MNIST"


def _stretch(loop: Iterator[None], steps: int) -> Callable[[], float]:
    """A function that times the next ``steps`` steps of an endless loop: seconds per step."""

    def timed() -> float:
        began = time.perf_counter()
        for _ in range(steps):
            next(loop)
        return (time.perf_counter() - began) / steps

    return timed


def _our_loop(model: nn.Module, x: Tensor, y: Tensor, *, masked: bool) -> Iterator[None]:
    """An endless training loop as in a Session: samples selected by a permutation."""
    model = copy.deepcopy(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.9)
    if masked:
        masks = Masks(model)
        masks.prune(density=DENSITY, scope="layer")
        masks.attach(optimizer)
    for epoch in range(10**9):
        for chosen in steps.shuffled(len(y), epoch).split(BATCH):
            steps.training_step(model, optimizer, x.index_select(0, chosen), y.index_select(0, chosen))
            yield


def _products(model: nn.Module, x: Tensor) -> Iterator[None]:
    """An endless loop over the matrix products of a training step: of each layer, and of both its gradients."""
    weights = [layer.weight.detach().clone() for layer in model.modules() if isinstance(layer, nn.Linear)]
    inputs = [x.flatten(1)] + [torch.rand(len(x), len(weight)) for weight in weights]
    while True:
        for weight, given in zip(weights, inputs, strict=False):
            given @ weight.t()
        for number in reversed(range(len(weights))):
            gradient = inputs[number + 1]
            gradient.t() @ inputs[number]
            if number:  # nobody needs the gradient of the samples
                gradient @ weights[number]
        yield


def _forward_and_backward(model: nn.Module, x: Tensor, y: Tensor) -> Iterator[None]:
    """An endless loop over loss and gradients of one batch: no other samples, no optimizer, no masks, no metric."""
    model = copy.deepcopy(model)
    while True:
        model.zero_grad(set_to_none=True)
        F.cross_entropy(model(x), y).backward()
        yield


def _by_torch(model: nn.Module) -> Callable[[], None]:
    """Prune by torch.nn.utils.prune, which masks in every forward pass. Returns what to do after each step: nothing."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            prune.l1_unstructured(module, "weight", amount=1 - DENSITY)
    return lambda: None


def _by_fasterai(model: nn.Module) -> Callable[[], None]:
    """Prune by fasterai's Sparsifier. Returns what its callback does after each step."""
    from fasterai.core.criteria import large_final
    from fasterai.sparse.sparsifier import Sparsifier

    sparsifier = Sparsifier(model, "weight", "local", large_final, layer_type=nn.Linear)
    sparsifier.sparsify_model(1 - DENSITY)
    after_step: Callable[[], None] = sparsifier._apply_masks
    return after_step


def _usual_loop(
    model: nn.Module, x: Tensor, y: Tensor, pruned_by: Callable[[nn.Module], Callable[[], None]]
) -> Iterator[None]:
    """An endless training loop as in tutorials: a DataLoader, and masks by another library."""
    model = copy.deepcopy(model)
    after_step = pruned_by(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.9)
    loader = DataLoader(TensorDataset(x, y), batch_size=BATCH, shuffle=True)
    model.train()
    while True:
        loss_sum, right = 0.0, 0
        for inputs, labels in loader:
            optimizer.zero_grad()
            output = model(inputs)
            loss = F.cross_entropy(output, labels)
            loss.backward()
            optimizer.step()
            after_step()
            # Loss and accuracy, as in prunelab's loop.
            loss_sum += loss.item()
            right += int((output.argmax(1) == labels).sum())
            yield
