"""Data sets: the embedded digits, MNIST, or custom data; in memory, as tensors, with a training and a test set."""

from __future__ import annotations

import hashlib
import math
import numbers
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prunelab.data import custom, mnist
from prunelab.errors import DataError
from prunelab.recipe import DATASETS

__all__ = ["Data", "DataError", "hold_out", "is_loaded", "load", "own"]

TEST_SHARE = 0.2  # fraction of the digits, in every class
DIGEST_SAMPLE = 4096  # values of each tensor that enter a digest

_loaded: dict[tuple[str, int | None], set[str]] = {}  # digests of what ``load`` has given, by name and seed


@dataclass(frozen=True, eq=False)
class Data:
    """A training and a test set, in memory.

    Args:
        name: Name of the data set.
        train_x: Training inputs, float32 (N, ...); images (N, channels, height, width) in [0, 1]. Or int64: token ids,
            which reach the model as they are.
        train_y: Training labels, int64 (N,), from 0 to ``classes`` - 1. Without classes: values (N, ...).
        test_x: Test inputs, like ``train_x``.
        test_y: Test labels, like ``train_y``.
        classes: Number of classes; None: the targets are no classes but values, for a session with a ``loss``.
        seed: Seed of the split; None if the split does not depend on one.

    Raises:
        TypeError: One of the four is no tensor; ``own`` takes arrays and data sets of torch's.
        ValueError: They do not fit each other, hold no samples, NaN or infinity, or labels that are no classes.
    """

    name: str
    train_x: Tensor
    train_y: Tensor
    test_x: Tensor
    test_y: Tensor
    classes: int | None
    seed: int | None = None

    def __post_init__(self) -> None:
        train, test = (self.train_x, self.train_y), (self.test_x, self.test_y)
        for what, part in (("train", train), ("test", test)):
            for name, values in zip("xy", part, strict=True):
                if not isinstance(values, Tensor):
                    kind = type(values).__name__
                    raise TypeError(f"{what}_{name} is a {kind}: must be a tensor; prunelab.data.own takes others, too")
            custom.check(*part, what, classes=self.classes is not None)
        custom.check_alike(train, test)
        if self.classes is not None:
            bound = f"classes = {self.classes} allows labels from 0 to {self.classes - 1}"
            custom.check_labels(self.train_y, self.test_y, self.classes, bound)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample, without the batch."""
        return tuple(self.train_x.shape[1:])

    @property
    def digest(self) -> str:
        """Quick digest that distinguishes data sets: of all shapes and of up to 4,096 values of each tensor.

        Positions are random but fixed: evenly spaced ones might all lie in one blank corner of the images.
        """
        digest = hashlib.sha256(str(self.classes).encode())
        for tensor in (self.train_x, self.train_y, self.test_x, self.test_y):
            generator = torch.Generator().manual_seed(0)
            size = (min(DIGEST_SAMPLE, tensor.numel()),)
            chosen = torch.randint(tensor.numel(), size, generator=generator, device="cpu")
            values = tensor.reshape(-1)[chosen.to(tensor.device)].cpu()
            digest.update(f"{tuple(tensor.shape)} {tensor.dtype}".encode() + values.view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()


def load(name: str, seed: int = 0, progress: bool = False) -> Data:
    """The data set called ``name``, one of ``recipe.DATASETS``.

    seed: 0 to 2**32 - 1, for the split of the digits; MNIST has its official split. progress: draw a bar on stderr
    while MNIST is downloaded. Raises ValueError for an unknown name or seed, DataError if MNIST is not available.
    """
    seed = _whole(seed)
    loaders: dict[str, Callable[[], Data]] = {
        "digits": lambda: _digits(seed),
        "mnist": lambda: Data("mnist", *mnist.read(progress), classes=10),
    }
    if not isinstance(name, str) or name not in loaders:
        known = ", ".join(DATASETS)
        raise ValueError(f"data = {name!r}: there is no such data set; known are {known}, and own() for yours")
    data = loaders[name]()
    _loaded.setdefault((name, data.seed), set()).add(data.digest)
    return data


def is_loaded(data: Data) -> bool:
    """Whether these are, by their digest, what ``load`` gives under their name and seed: not thinned, or changed."""
    known = data.name, data.seed
    if known not in _loaded:  # they may come from another process
        try:
            load(data.name, data.seed or 0)
        except (ValueError, DataError):
            return False
    return data.digest in _loaded.get(known, ())


def hold_out(data: Data, share: float = 0.2, seed: int = 0) -> Data:
    """``data`` without its test set: a part of the training set takes its place, and is no longer trained on.

    What is chosen (a setting, a budget) is chosen on that part, so that the test set can say what came of it.

    share: fraction of the training samples that are held out, between 0 and 1. seed: which ones. Raises ValueError if
    that leaves nothing on one side, or one of the two is no such number; TypeError for other data, such as pairs.
    """
    if not isinstance(data, Data):
        raise TypeError(f"data is a {type(data).__name__}: make it one first, prunelab.data.own(train, test)")
    if isinstance(share, bool) or not isinstance(share, numbers.Real) or not math.isfinite(share):
        raise ValueError(f"share = {share!r}: must be a number between 0 and 1, the fraction that is held out")
    seed, total = _whole(seed), len(data.train_y)
    number = round(share * total)
    if not 0 < number < total:
        raise ValueError(
            f"share = {share!r}: of {total} training samples it holds out {number}; leave some on each side"
        )
    order = torch.randperm(total, generator=torch.Generator().manual_seed(seed), device="cpu").to(data.train_y.device)
    held, rest = order[:number].sort().values, order[number:].sort().values
    x, y = data.train_x, data.train_y
    return Data(f"{data.name}, {number} held out", x[rest], y[rest], x[held], y[held], data.classes, data.seed)


def own(train: Any, test: Any, *, name: str = "own", classes: int | None = None, values: bool = False) -> Data:
    """Custom data.

    train, test: each a pair (x, y) of tensors or NumPy arrays, or a map-style torch dataset of such pairs, which is
    read once into memory. x: (N, ...) floating point; uint8 pixels become x / 255; other integers stay token ids. y:
    (N,) class numbers from 0 on. classes: number of classes; None: highest training label + 1. values: y are no classes
    but values (N, ...) that a session's ``loss`` compares with outputs.
    Raises ValueError, TypeError or MemoryError that names the mistake: see ``custom.samples``.
    """
    if values and classes is not None:
        raise ValueError(f"classes = {classes!r}, values = True: targets are classes or values, not both")
    train_x, train_y = custom.samples(train, "train", classes=not values)
    test_x, test_y = custom.samples(test, "test", classes=not values)
    count = None if values else custom.count_classes(train_y, test_y, classes)
    return Data(name, train_x, train_y, test_x, test_y, count)


def _whole(seed: object) -> int:
    """The seed as an int. ValueError for what is none; without one, NumPy would draw another split each time."""
    if isinstance(seed, bool) or not isinstance(seed, numbers.Integral) or not 0 <= int(seed) < 2**32:
        raise ValueError(f"seed = {seed!r}: must be a whole number from 0 to {2**32 - 1:,}")
    return int(seed)


def _digits(seed: int) -> Data:
    """1,797 real 8 x 8 digits, one fifth of every class in the test set. Source: assets/DIGITS.md."""
    with (
        resources.files("prunelab").joinpath("assets/digits.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as archive,
    ):
        images, labels = archive["images"], archive["labels"]
    # NumPy guarantees RandomState's stream, so a link always gives the same split.
    random = np.random.RandomState(seed)
    is_test = np.zeros(len(labels), dtype=bool)
    for digit in range(10):
        members = random.permutation(np.flatnonzero(labels == digit))
        is_test[members[: round(TEST_SHARE * len(members))]] = True
    x = torch.from_numpy(images.astype(np.float32) / 16).unsqueeze(1)
    y = torch.from_numpy(labels.astype(np.int64))
    test = torch.from_numpy(is_test)
    return Data("digits", x[~test], y[~test], x[test], y[test], classes=10, seed=seed)
