"""The challenge of the last lesson: the smallest packed file that still reads the digits, tested without running code.

What counts is in the file: a chain of fully connected layers with ReLU between them. It is built here from the shapes
of the tensors, and tested on the digits of one split.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from prunelab.data import load as load_data
from prunelab.errors import PackedError
from prunelab.formatting import percent
from prunelab.sparse.packing.file import load as load_packed

GOAL = 0.97  # of the test digits that have to be right
MEDALS = (("gold", 1200), ("silver", 1400), ("par", 1600))  # bytes, at most
MOST_BYTES = 100_000  # of a file; the dense network of the lesson has a quarter of it
MOST_MEMORY = 16_000_000  # bytes that unpacking it may take
MOST_LAYERS = 10
SPLIT = 0  # seed of the split of the digits
PIXELS, CLASSES = 64, 10
SHIFTS = ((0, 1), (0, -1), (1, 0), (-1, 0))  # by one pixel each


class Refused(Exception):
    """A file that does not count; says why."""


@dataclass(frozen=True)
class Verified:
    """What was found out about a file: its size in bytes, its digest, how many test digits it reads right.

    shifted: the accuracy on the same digits moved by a pixel, which nobody tuned for; 0 to 1.
    """

    size: int
    digest: str
    right: int
    digits: int
    shifted: float

    @property
    def accuracy(self) -> float:
        return self.right / self.digits

    @property
    def medal(self) -> str:
        """ "gold", "silver", "par" or ""."""
        return next((name for name, most in MEDALS if self.size <= most), "")


def read(source: str | os.PathLike[str] | bytes) -> bytes:
    """The bytes of a file, or those given. Raises Refused for what is no file, or too large; that is not read."""
    if isinstance(source, bytes | bytearray):
        blob = bytes(source)
    elif isinstance(source, str | os.PathLike):
        path = Path(source)
        try:
            if not path.is_file():
                raise Refused(f"{path} is no file")
            size = path.stat().st_size
            if size > MOST_BYTES:
                raise Refused(_too_large(size))
            with path.open("rb") as file:
                blob = file.read(MOST_BYTES + 1)
        except OSError as error:
            raise Refused(f"{path} cannot be read: {error.strerror or error}") from error
        except ValueError as error:  # a name that no system takes
            raise Refused(f"this is no name of a file: {error}") from error
    else:
        raise Refused(f"a {type(source).__name__} is no packed file: give a path, or bytes")
    if len(blob) > MOST_BYTES:
        raise Refused(_too_large(len(blob)))
    return blob


def verify(blob: bytes) -> Verified:
    """Load the packed network in ``blob`` and test it on the digits. Raises Refused if it does not count."""
    try:
        tensors = load_packed(io.BytesIO(blob), limit=MOST_MEMORY)
    except PackedError as error:
        raise Refused(str(error).replace("this BytesIO", "the file")) from error
    network = chain(tensors)
    data = load_data("digits", seed=SPLIT)
    right = _right(network, data.test_x, data.test_y)
    digits = len(data.test_y)
    if right < math.ceil(GOAL * digits):
        raise Refused(
            f"it reads {right} of {digits} test digits right, {percent(right / digits)}; {percent(GOAL, 0)} are "
            f"needed, {math.ceil(GOAL * digits)} digits"
        )
    moved = [_right(network, torch.roll(data.test_x, shift, (2, 3)), data.test_y) for shift in SHIFTS]
    return Verified(len(blob), hashlib.sha256(blob).hexdigest(), right, digits, sum(moved) / len(moved) / digits)


def chain(tensors: dict[str, Tensor]) -> nn.Sequential:
    """The network of these tensors: fully connected layers in the order of the numbers in their names, ReLU between.

    Raises Refused for any other network.
    """
    layers: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        layer, _, kind = name.rpartition(".")
        if kind not in ("weight", "bias") or tensor.ndim != (2 if kind == "weight" else 1):
            raise Refused(
                f"it holds {name!r:.60} of shape {tuple(tensor.shape)}; what counts are weights and biases of fully "
                "connected layers"
            )
        if not tensor.is_floating_point() or not bool(torch.isfinite(tensor.float()).all()):
            raise Refused(f"{name!r:.60} holds something else than finite numbers")
        layers.setdefault(layer, {})[kind] = tensor.float()
    if not 0 < len(layers) <= MOST_LAYERS:
        raise Refused(f"it holds {len(layers)} layers; 1 to {MOST_LAYERS} can be in a chain")
    steps: list[nn.Module] = [nn.Flatten()]
    width = PIXELS
    for name in sorted(layers, key=_in_order):
        steps += [_linear(name, layers[name], width), nn.ReLU()]
        width = layers[name]["weight"].shape[0]
    if width != CLASSES:
        raise Refused(f"the last layer has {width} outputs; there are {CLASSES} digits")
    return nn.Sequential(*steps[:-1])


def _linear(name: str, tensors: dict[str, Tensor], width: int) -> nn.Linear:
    weight, bias = tensors.get("weight"), tensors.get("bias")
    if weight is None:
        raise Refused(f"{name!r:.60} has a bias and no weights")
    if weight.shape[1] != width or 0 in weight.shape:
        raise Refused(
            f"the weights of {name!r:.60} have shape {tuple(weight.shape)}; what comes before has {width} outputs, so "
            f"(neurons, {width}) is needed"
        )
    if bias is not None and bias.shape[0] != weight.shape[0]:
        raise Refused(f"{name!r:.60} has {weight.shape[0]} neurons and {bias.shape[0]} biases")
    linear: nn.Linear = nn.utils.skip_init(nn.Linear, width, weight.shape[0], bias=bias is not None)
    linear.weight = nn.Parameter(weight, requires_grad=False)
    if bias is not None:
        linear.bias = nn.Parameter(bias, requires_grad=False)
    return linear


def _in_order(name: str) -> list[tuple[int, str]]:
    """fc2 before fc10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _right(network: nn.Module, x: Tensor, y: Tensor) -> int:
    with torch.no_grad():
        return int((network(x).argmax(1) == y).sum())


def _too_large(size: int) -> str:
    return f"it has {size:,} bytes; at most {MOST_BYTES:,} are read, and par is {MEDALS[-1][1]:,}"
