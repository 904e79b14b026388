"""The units of a network by layer, and which layer reads which, as far as a snapshot shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from prunelab.formatting import layer_of
from prunelab.results.snapshot import LayerSnapshot, Snapshot

Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Side:
    """The connections of each unit on one side."""

    kept: Counts  # kept connections of each unit
    possible: int  # connections of each unit in the dense network


@dataclass(frozen=True, eq=False)
class Column:
    """The units of one layer, or the network's inputs, in the order of their numbers."""

    name: str  # of the layer, or "inputs"
    unit: str  # what a unit is called: "neuron", "filter", "row", "input", "channel"
    units: int  # their number
    into: Side | None = None  # incoming connections; None: there are none, or nothing is known about them
    out: Side | None = None  # outgoing connections, likewise
    wide: int | None = None  # units per row of the image, if they are its pixels
    fold: int = 1  # units that share a dot
    alive: NDArray[np.bool_] | None = None  # units on some path from the inputs to the outputs; None: not computed
    counted: int | None = None  # dead units, as the snapshot counted them; None: it did not

    @property
    def dots(self) -> int:
        """Number of dots."""
        return -(-self.units // self.fold)

    @property
    def dead(self) -> NDArray[np.bool_]:
        """(units,) True for units on no path from input to output; of the inputs, for those that nobody reads."""
        if self.into is not None and self.alive is not None:
            return ~self.alive
        # Without any path: what is certain however layers are wired.
        side = self.out if self.into is None else self.into
        return np.zeros(self.units, bool) if side is None else side.kept == 0

    @property
    def dead_count(self) -> int:
        """Number of dead units: the snapshot's own, which knows the paths of every model."""
        return int(self.dead.sum()) if self.counted is None else self.counted


@dataclass(frozen=True)
class Reading:
    """How a layer connects the column that it reads with its own."""

    source: int  # index of the column that the layer reads
    target: int  # index of the layer's own column
    groups: int = 1  # of a grouped convolution
    run: int = 1  # inputs per unit, of a linear layer after flattened channels

    def units(self, layer: LayerSnapshot, connections: Counts) -> tuple[Counts, Counts]:
        """(source units, target units) of connections, given as flat indices into the layer's weight."""
        outputs, inputs, kernel = layer.sizes
        if layer.transposed is None:
            targets, reads = connections // (inputs * kernel), connections // kernel % inputs
        else:  # its inputs come first, group by group
            wide = outputs // layer.transposed
            groups, reads = np.divmod(connections // (wide * kernel), inputs)
            targets = groups * wide + connections // kernel % wide
        return reads // self.run + inputs * (targets // (outputs // self.groups)), targets

    def read(self, layer: LayerSnapshot, kept: Counts) -> Side:
        """The outgoing connections of each source unit. kept: (outputs, inputs), counts of the layer."""
        outputs, inputs, kernel = layer.sizes
        by_unit = kept.reshape(self.groups, outputs // self.groups, inputs).sum(1).reshape(-1, self.run).sum(1)
        return Side(by_unit, outputs // self.groups * self.run * kernel)


def columns(snapshot: Snapshot) -> tuple[list[Column], list[Reading]]:
    """(columns from the inputs to the outputs, how each layer reads them).

    Each layer is assumed to read the one before it if their sizes fit; otherwise it gets a separate column of inputs,
    as do the weights of recurrent layers and attention, and what follows them: these read and feed no such rows.
    """
    cols: list[Column] = []
    readings: list[Reading] = []
    channels = True
    for layer in snapshot.layers:
        outputs, inputs, kernel = layer.sizes
        if not cols:
            cols.append(_inputs(snapshot))
        elif "row" in (layer.rows, cols[-1].unit) or _fit(layer, cols[-1].units, channels) is None:
            cols.append(Column(f"into {layer_of(layer.name)}", "input", inputs))
            channels = True
        source = len(cols) - 1
        groups, run = _fit(layer, cols[source].units, channels) or (1, 1)
        reading = Reading(source, source + 1, groups, run)
        kept = layer.by_unit.sum(2, dtype=np.int64)
        cols[source] = replace(cols[source], out=reading.read(layer, kept))
        into = Side(kept.sum(1), inputs * kernel)
        cols.append(Column(layer_of(layer.name), layer.rows, outputs, into))
        readings.append(reading)
        channels = layer.rows == "filter"
    return _with_paths(cols, readings, snapshot.layers), readings


def _with_paths(cols: Sequence[Column], readings: Sequence[Reading], layers: Sequence[LayerSnapshot]) -> list[Column]:
    """The columns, knowing which of their units are on some path: once forward through the kept connections, and once
    backward. A unit that no path reaches is dead, too, although it may still have connections.
    """
    ends = [reading.units(layer, np.flatnonzero(layer.mask)) for layer, reading in zip(layers, readings, strict=True)]
    fed = [np.full(column.units, column.into is None) for column in cols]
    for reading, (starts, stops) in zip(readings, ends, strict=True):
        fed[reading.target][stops[fed[reading.source][starts]]] = True
    needed = [np.full(column.units, column.out is None) for column in cols]
    for reading, (starts, stops) in zip(reversed(readings), reversed(ends), strict=True):
        needed[reading.source][starts[needed[reading.target][stops]]] = True
    counted = {reading.target: layer.dead for reading, layer in zip(readings, layers, strict=True)}
    found = []
    for i, column in enumerate(cols):
        alive, known = fed[i] & needed[i], counted.get(i)
        # Another number than the snapshot's: the layers are wired in another way than one after the other.
        agrees = known is not None and int((~alive).sum()) == known
        found.append(replace(column, alive=alive if agrees else None, counted=known))
    return found


def folded(cols: Sequence[Column], most: int) -> list[Column]:
    """The columns with several units per dot where needed, so that there are at most ``most`` dots in all.

    The widest columns are folded first, each evenly.
    """
    limit = max(column.units for column in cols)
    folds = [1] * len(cols)
    while limit > 1 and sum(-(-c.units // fold) for c, fold in zip(cols, folds, strict=True)) > most:
        limit = limit * 9 // 10
        folds = [-(-column.units // limit) for column in cols]
    return [replace(column, fold=fold) for column, fold in zip(cols, folds, strict=True)]


def _fit(layer: LayerSnapshot, units: int, channels: bool) -> tuple[int, int] | None:
    """(groups, run) with which a layer reads this number of units; None if the sizes do not fit.

    channels: whether the units are channels of images, which a convolution may read in groups and a linear layer
    flattened.
    """
    outputs, inputs, _ = layer.sizes
    if inputs == units:
        return 1, 1
    if channels and len(layer.shape) == 2:
        return None if inputs % units else (1, inputs // units)
    if channels and units % inputs == 0 and outputs % (units // inputs) == 0:
        return units // inputs, 1
    return None


def _inputs(snapshot: Snapshot) -> Column:
    """The column of the network's inputs: pixels, channels or plain numbers."""
    layer, shape = snapshot.layers[0], snapshot.input_shape
    if len(layer.shape) == 2:
        return Column("inputs", "input", layer.shape[1], wide=shape[-1] if snapshot.reads_pixels else None)
    fits = bool(shape) and _fit(layer, shape[0], True) is not None
    return Column("inputs", "channel", shape[0] if fits else layer.sizes[1])
