"""The units of a network, layer by layer, and which of them read which, as far as a snapshot tells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from prunelab.formatting import layer_of
from prunelab.results.snapshot import LayerSnapshot, Snapshot

Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Side:
    """The connections of each unit on one side: kept ones, and how many of them there are in the dense network."""

    kept: Counts
    possible: int


@dataclass(frozen=True, eq=False)
class Column:
    """The units of one layer (or the network's inputs), in the order of their numbers.

    into, out: None where a unit has no such connections by nature, or nothing is known of them. wide: units in a row of
    the picture, where they are the pixels of an image. fold: units that share a dot.
    """

    name: str
    unit: str
    units: int
    into: Side | None = None
    out: Side | None = None
    wide: int | None = None
    fold: int = 1

    @property
    def dots(self) -> int:
        return -(-self.units // self.fold)

    @property
    def dead(self) -> NDArray[np.bool_]:
        """Units without a kept connection on one side."""
        dead = np.zeros(self.units, bool)
        for side in (self.into, self.out):
            if side is not None:
                dead |= side.kept == 0
        return dead


@dataclass(frozen=True)
class Reading:
    """How a layer reads the column before it, and which columns these are (by number).

    groups: of a grouped convolution, else 1. run: inputs that belong to one unit, of a linear layer behind flattened
    channels; else 1.
    """

    source: int
    target: int
    groups: int = 1
    run: int = 1

    def units(self, layer: LayerSnapshot, connections: Counts) -> tuple[Counts, Counts]:
        """The units that connections (flat indices into the layer's weight) go from and to."""
        outputs, inputs, kernel = _sizes(layer)
        targets, reads = connections // (inputs * kernel), connections // kernel % inputs
        return reads // self.run + inputs * (targets // (outputs // self.groups)), targets

    def read(self, layer: LayerSnapshot, kept: Counts) -> Side:
        """Connections out of each unit. kept: of each output and input of the layer, (outputs, inputs)."""
        outputs, inputs, kernel = _sizes(layer)
        by_unit = kept.reshape(self.groups, outputs // self.groups, inputs).sum(1).reshape(-1, self.run).sum(1)
        return Side(by_unit, outputs // self.groups * self.run * kernel)


def columns(snapshot: Snapshot) -> tuple[list[Column], list[Reading]]:
    """All columns from the inputs to the outputs, and how each layer reads them.

    Layers are taken to read one another in their order, as far as their sizes fit; before one that does not fit stands
    a column of inputs of its own.
    """
    found: list[Column] = []
    readings: list[Reading] = []
    channels = True
    for layer in snapshot.layers:
        outputs, inputs, kernel = _sizes(layer)
        if not found:
            found.append(_inputs(layer, snapshot.input_shape))
        elif _fit(layer, found[-1].units, channels) is None:
            found.append(Column(f"into {layer_of(layer.name)}", "input", inputs))
            channels = True
        source = len(found) - 1
        groups, run = _fit(layer, found[source].units, channels) or (1, 1)
        reading = Reading(source, source + 1, groups, run)
        kept = layer.mask.reshape(outputs, inputs, kernel).sum(2, dtype=np.int64)
        found[source] = replace(found[source], out=reading.read(layer, kept))
        linear = len(layer.shape) == 2
        into = Side(kept.sum(1), inputs * kernel)
        found.append(Column(layer_of(layer.name), "neuron" if linear else "filter", outputs, into))
        readings.append(reading)
        channels = not linear
    return found, readings


def folded(found: Sequence[Column], most: int) -> list[Column]:
    """The columns with so many units a dot that there are at most ``most`` dots: the widest first, each evenly."""
    limit = max(column.units for column in found)
    folds = [1] * len(found)
    while limit > 1 and sum(-(-c.units // fold) for c, fold in zip(found, folds, strict=True)) > most:
        limit = limit * 9 // 10
        folds = [-(-column.units // limit) for column in found]
    return [replace(column, fold=fold) for column, fold in zip(found, folds, strict=True)]


def _sizes(layer: LayerSnapshot) -> tuple[int, int, int]:
    """Outputs, inputs of one output, and weights of one kernel."""
    return layer.shape[0], layer.shape[1], math.prod(layer.shape[2:])


def _fit(layer: LayerSnapshot, units: int, channels: bool) -> tuple[int, int] | None:
    """(groups, run) with which a layer reads so many units; None if the numbers do not fit.

    channels: the units are channels of images, which a convolution may read in groups, and a linear layer flattened.
    """
    outputs, inputs, _ = _sizes(layer)
    if inputs == units:
        return 1, 1
    if channels and len(layer.shape) == 2:
        return None if inputs % units else (1, inputs // units)
    if channels and units % inputs == 0 and outputs % (units // inputs) == 0:
        return units // inputs, 1
    return None


def _inputs(layer: LayerSnapshot, shape: Sequence[int]) -> Column:
    """The column of the network's inputs: pixels, channels or plain numbers."""
    if len(layer.shape) == 2:
        pixels = len(shape) in (2, 3) and math.prod(shape) == layer.shape[1]
        return Column("inputs", "input", layer.shape[1], wide=shape[-1] if pixels else None)
    fits = bool(shape) and _fit(layer, shape[0], True) is not None
    return Column("inputs", "channel", shape[0] if fits else layer.shape[1])
