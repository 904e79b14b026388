"""The networks of the paper, and a small one, by name.

Each is an ``nn.Sequential`` with named steps that run in the listed order. So layer names are short (``fc1.weight``),
torch.fx can trace every model, and dropout or batch norm that is switched off adds no module.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from itertools import product

import torch
from torch import nn

from prunelab.recipe import MODELS

HIDDEN = {"lenet-300-100": (300, 100), "mlp-small": (64, 32)}
SMALLEST_IMAGE = 8
# Smaller images vanish in two unpadded 5 x 5 convolutions with pooling: 15 -> 11 -> 5 -> 1 -> 0.
SMALLEST_UNPADDED = 16

SIDES = (28, 8, *range(9, 65))  # of square images, the most likely first


class MLP(nn.Sequential):
    """Fully connected network: flatten, then ``fc1``, ``fc2``, ... with ReLU between them; the last gives the logits.

    features: values per sample. hidden: neurons of each hidden layer, at least one layer. Input (batch, ...), output
    (batch, classes). With 784 features and hidden (300, 100): LeNet-300-100, 266,200 weights (Han et al. 2015,
    table 3).
    """

    def __init__(
        self,
        features: int,
        hidden: tuple[int, ...],
        classes: int,
        *,
        dropout: float = 0.0,
        batch_norm: bool = False,
    ) -> None:
        steps: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
        width = features
        for i, neurons in enumerate(hidden, start=1):
            steps[f"fc{i}"] = nn.Linear(width, neurons)
            if batch_norm:
                steps[f"bn{i}"] = nn.BatchNorm1d(neurons)
            steps[f"relu{i}"] = nn.ReLU()
            if dropout > 0:
                steps[f"dropout{i}"] = nn.Dropout(dropout)
            width = neurons
        steps[f"fc{len(hidden) + 1}"] = nn.Linear(width, classes)
        super().__init__(steps)


class LeNet5(nn.Sequential):
    """Caffe's LeNet, the paper's "LeNet-5": conv1 (20, 5 x 5), conv2 (50, 5 x 5), fc1 (500), fc2 (classes).

    Each convolution is followed by 2 x 2 max pooling and, as in Caffe's definition, by no activation; the only ReLU
    is after fc1. For images with a side below 16 pixels, which Caffe's network cannot read, convolutions pad by 2.
    shape: (channels, height, width), sides of at least 8. Input (batch, ``*shape``), output (batch, classes).
    At (1, 28, 28): 430,500 weights (Han et al. 2015, table 4; lenet_train_test.prototxt in BVLC/caffe).
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        classes: int,
        *,
        dropout: float = 0.0,
        batch_norm: bool = False,
    ) -> None:
        channels, *sides = shape
        padding = 2 if min(sides) < SMALLEST_UNPADDED else 0
        height, width = (_after_convolutions(side, padding) for side in sides)
        steps: OrderedDict[str, nn.Module] = OrderedDict()
        steps["conv1"] = nn.Conv2d(channels, 20, 5, padding=padding)
        if batch_norm:
            steps["bn1"] = nn.BatchNorm2d(20)
        steps["pool1"] = nn.MaxPool2d(2)
        steps["conv2"] = nn.Conv2d(20, 50, 5, padding=padding)
        if batch_norm:
            steps["bn2"] = nn.BatchNorm2d(50)
        steps["pool2"] = nn.MaxPool2d(2)
        steps["flatten"] = nn.Flatten()
        steps["fc1"] = nn.Linear(50 * height * width, 500)
        if batch_norm:
            steps["bn3"] = nn.BatchNorm1d(500)
        steps["relu1"] = nn.ReLU()
        if dropout > 0:
            steps["dropout1"] = nn.Dropout(dropout)
        steps["fc2"] = nn.Linear(500, classes)
        super().__init__(steps)


def build(
    name: str,
    input_shape: tuple[int, ...],
    classes: int,
    *,
    dropout: float = 0.0,
    batch_norm: bool = False,
    seed: int = 0,
) -> nn.Module:
    """The network called ``name`` with new weights, determined by ``seed``; torch's global random state is unchanged.

    name: one of ``recipe.MODELS``. input_shape: of one sample, without the batch; lenet-5 needs (channels, height,
    width) with sides of at least 8. classes: at least 2. dropout: original rate after each hidden activation of the
    fully connected layers, 0 (none) to below 1. batch_norm: add batch norm after each hidden layer, before its
    activation. Raises ValueError for anything else.
    """
    if name not in MODELS:
        raise ValueError(f"model = {name!r}: there is no such model; known are {', '.join(MODELS)}")
    shape = tuple(input_shape)
    if not shape or any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in shape):
        raise ValueError(f"input_shape = {shape}: must be the shape of one sample, such as (1, 28, 28) or (16,)")
    if isinstance(classes, bool) or not isinstance(classes, int) or classes < 2:
        raise ValueError(f"classes = {classes!r}: must be a whole number, at least 2")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout = {dropout!r}: must be at least 0 and below 1")
    # Not torch.manual_seed: it would also reset the generators of all GPUs, which fork_rng does not save here.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return _network(name, shape, classes, dropout=dropout, batch_norm=batch_norm)


def recognised(shapes: Mapping[str, tuple[int, ...]]) -> tuple[nn.Module, tuple[int, ...]] | None:
    """The network of MODELS with exactly these tensors, and the shape of one sample; None if there is none.

    shapes: of the tensors in a state dict, by name. The tensors of a lenet-5 do not determine the image size exactly:
    of the sizes that fit, that of MNIST or the digits is used, else the smallest square.
    """
    first = shapes.get("conv1.weight") or shapes.get("fc1.weight") or ()
    scores = shapes.get(max((name for name in shapes if name.startswith("fc") and name.endswith(".bias")), default=""))
    if len(first) not in (2, 4) or not scores or scores[0] < 2:
        return None
    samples = [(first[1], side, side) for side in SIDES] if len(first) == 4 else [first[1:]]
    for sample, name, batch_norm in product(samples, MODELS, (False, True)):
        if (name == "lenet-5") != (len(sample) == 3):
            continue
        with torch.device("meta"):  # shapes only, no memory
            model = _network(name, sample, scores[0], batch_norm=batch_norm)
        if {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()} == dict(shapes):
            return build(name, sample, scores[0], batch_norm=batch_norm), sample
    return None


def _network(name: str, shape: tuple[int, ...], classes: int, *, dropout: float = 0.0, batch_norm: bool) -> nn.Module:
    if name == "lenet-5":
        return LeNet5(_image_shape(shape), classes, dropout=dropout, batch_norm=batch_norm)
    return MLP(torch.Size(shape).numel(), HIDDEN[name], classes, dropout=dropout, batch_norm=batch_norm)


def _image_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """``shape`` as (channels, height, width) if lenet-5 supports it, else ValueError."""
    if len(shape) != 3:
        raise ValueError(
            f"input_shape = {shape}: lenet-5 reads images of shape (channels, height, width); "
            f"for other data take lenet-300-100 or mlp-small"
        )
    channels, height, width = shape
    if min(height, width) < SMALLEST_IMAGE:
        raise ValueError(
            f"input_shape = {shape}: lenet-5 needs images of at least {SMALLEST_IMAGE} x {SMALLEST_IMAGE} pixels; "
            f"enlarge them, or take lenet-300-100 or mlp-small"
        )
    return channels, height, width


def _after_convolutions(side: int, padding: int) -> int:
    """Size of ``side`` (pixels) after two 5 x 5 convolutions, each followed by 2 x 2 pooling."""
    for _ in range(2):
        side = (side + 2 * padding - 4) // 2
    return side
