"""Snapshots: the state of a run at one step, immutable, with everything that views need.

A preview (the result of a prune that is not carried out) is a snapshot with the phase "preview", which every view can
draw without special treatment.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from prunelab.formatting import count, module_of, percent
from prunelab.recipe import Recipe, Target
from prunelab.results.counts import Counted
from prunelab.results.objective import CLASSIFYING, Objective
from prunelab.results.origin import Origin, origin

Phase = Literal["new", "training", "trained", "pruned", "retraining", "retrained", "preview"]
PHASES: tuple[str, ...] = get_args(Phase)
NOT_RETRAINED = "pruned, not retrained"  # in place of the phase, at the end of a round that only cuts
BINS = 81  # odd: one bin is centred on zero
STRONGEST = 300  # connections that the view of the network can draw; the others are only counted


@dataclass(frozen=True, eq=False, repr=False)
class LayerSnapshot(Counted):
    """One prunable layer. ``name``: parameter name. ``shape``: of the weight, outputs first (except ConvTranspose).

    quality, threshold, deviation: of the last cut; None before the first cut, and where they do not apply. effective:
    survivors on some path from input to output. dead: neurons or filters on none. Both are None if the model's paths
    cannot be determined. limit: the histograms have BINS equal bins over [-limit, limit]. kept_counts: histogram of
    surviving weights. cut_counts: histogram of cut values, the values of weights at the moment they were cut. packed:
    the mask, one bit per connection, the first connection in the highest bit of the first byte. strongest, strengths:
    flat index and weight of up to STRONGEST largest survivors, by descending magnitude. transposed: groups of a
    transposed convolution, whose weight has its inputs first; None for all other layers.
    """

    name: str
    shape: tuple[int, ...]
    kept: int
    total: int
    quality: float | None
    threshold: float | None
    deviation: float | None
    spared: bool
    effective: int | None
    dead: int | None
    limit: float
    kept_counts: NDArray[np.int32]
    cut_counts: NDArray[np.int32]
    packed: bytes
    strongest: NDArray[np.int32]
    strengths: NDArray[np.float32]
    transposed: int | None = None

    def __repr__(self) -> str:
        sides = " x ".join(map(str, self.shape))
        return f"LayerSnapshot({self.name}, {sides}: {percent(self.density)} of {count(self.total)} weights kept)"

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Boolean array of ``shape``, True where a connection is kept."""
        bits = np.unpackbits(np.frombuffer(self.packed, np.uint8), count=self.total)
        return bits.astype(bool).reshape(self.shape)

    @property
    def sizes(self) -> tuple[int, int, int]:
        """(neurons or filters, inputs of each, weights of each input)."""
        first, second, *kernel = self.shape
        groups = self.transposed
        units = (first, second) if groups is None else (groups * second, first // groups)
        return *units, math.prod(kernel)

    @property
    def by_unit(self) -> NDArray[np.bool_]:
        """The mask as an array of ``sizes``: what each neuron or filter reads."""
        outputs, inputs, kernel = self.sizes
        if self.transposed is None:
            return self.mask.reshape(outputs, inputs, kernel)
        grouped = self.mask.reshape(self.transposed, inputs, outputs // self.transposed, kernel)
        return grouped.swapaxes(1, 2).reshape(outputs, inputs, kernel)

    @property
    def rows(self) -> Literal["neuron", "filter", "row"]:
        """What a row of the weight is: a neuron of a linear layer, a filter of a convolution, or neither.

        Weights of recurrent layers and of attention have names of their own (weight_hh_l0, in_proj_weight); their rows
        are gates, or queries, keys and values.
        """
        if self.name.rpartition(".")[2] != "weight":
            return "row"
        return "neuron" if len(self.shape) == 2 else "filter"

    @cached_property
    def digests(self) -> dict[str, str]:
        """Digests of the arrays that many snapshots may share, by field; equal arrays have equal digests."""
        return {field: digest(getattr(self, field)) for field in ("packed", "strongest", "strengths")}


@dataclass(frozen=True)
class DropoutSnapshot:
    """One dropout and the layer (name of one of its parameters) before it; None if no prunable layer runs before it."""

    name: str
    layer: str | None
    original: float
    rate: float


@dataclass(frozen=True, eq=False, repr=False)
class Snapshot(Counted):
    """The state of a run at one step.

    round: 0 while dense. step, steps: done and total steps of the phase. clock: training steps since the start of the
    session. recipe: the recipe that the phase started with. target: of the last cut or of the preview, from the recipe
    or set manually; None before the first. train_loss, train_accuracy: moving averages over batches. test_loss,
    test_accuracy: of the last evaluation. All four are None until known; accuracies are 0 to 1. dense_accuracy: test
    accuracy at the end of dense training. objective: what is learned; under another metric than accuracy, test_accuracy
    and dense_accuracy are values of that metric, and train_accuracy is None. zeros_hold: every cut weight is exactly
    zero. exact: test values are over the whole test set (quick previews use a part). predicted: class of each test
    sample, in order; empty unless ``exact``, as not all samples were evaluated, and where nothing is classified.
    began_sparse: something was cut before the session, so that ``dense_accuracy`` is of no dense network.
    """

    phase: Phase
    round: int
    rounds: int
    step: int
    steps: int
    clock: int
    recipe: Recipe
    target: Target | None
    train_loss: float | None
    train_accuracy: float | None
    test_loss: float | None
    test_accuracy: float | None
    dense_accuracy: float | None
    zeros_hold: bool
    exact: bool
    input_shape: tuple[int, ...]
    layers: tuple[LayerSnapshot, ...]
    dropouts: tuple[DropoutSnapshot, ...]
    predicted: NDArray[np.uint8] | NDArray[np.int32]
    objective: Objective = CLASSIFYING
    began_sparse: bool = False

    def __repr__(self) -> str:
        return f"Snapshot({self.moment}: {self.in_words})"

    @property
    def moment(self) -> str:
        """Where in a run it was taken: "round 2, pruned"."""
        return f"round {self.round}, {NOT_RETRAINED}" if self.only_cut else moment(self.phase, self.round, self.origin)

    @property
    def origin(self) -> Origin:
        """What the run began with, in words."""
        return origin(sparse=self.began_sparse)

    @property
    def only_cut(self) -> bool:
        """Whether it ends a round that only cuts, as the recipe may say: without a step of retraining."""
        return self.phase == "retrained" and not self.steps

    @property
    def in_words(self) -> str:
        """How good and how large the network is: "97.8 % right with 8.2 % of 22,200 weights"."""
        return in_words(self.objective, self.test_accuracy, self)

    @cached_property
    def digest(self) -> str:
        """Digest of ``predicted``; equal arrays have equal digests."""
        return digest(self.predicted)

    @property
    def quality(self) -> float | None:
        """The quality shared by all layers in the last cut; None for a density, and for qualities per layer."""
        return None if self.target is None else self.target.common_quality

    @property
    def kept(self) -> int:
        """Connections that survive, in all layers."""
        return sum(layer.kept for layer in self.layers)

    @property
    def total(self) -> int:
        """Connections of the dense network."""
        return sum(layer.total for layer in self.layers)

    @property
    def effective(self) -> int | None:
        """Connections on some path from input to output; None if the model's paths cannot be determined."""
        counts = [layer.effective for layer in self.layers if layer.effective is not None]
        return sum(counts) if len(counts) == len(self.layers) else None

    @property
    def dead(self) -> int | None:
        """Neurons and filters on no path from input to output; None if the paths cannot be determined."""
        counts = [layer.dead for layer in self.layers if layer.dead is not None]
        return sum(counts) if len(counts) == len(self.layers) else None

    @property
    def reads_pixels(self) -> bool:
        """Whether each input of the first layer is a pixel of an image, (height, width) or with channels before."""
        shape, first = self.input_shape, self.layers[0].shape
        return len(shape) in (2, 3) and len(first) == 2 and first[1] == math.prod(shape)

    @property
    def settled(self) -> bool:
        """Whether this ends a phase; such snapshots are never dropped from a history."""
        return self.phase in ("new", "trained", "pruned", "retrained")

    def layer(self, name: str) -> LayerSnapshot:
        """The layer with this parameter name; KeyError, with the known names, for another one."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(f"{name!r} is no layer of this snapshot; there are {[layer.name for layer in self.layers]}")

    def module_density(self, name: str) -> float:
        """Kept fraction of all weights of the module that the layer with this parameter name is of."""
        weights = [layer for layer in self.layers if module_of(layer.name) == module_of(name)]
        return sum(layer.kept for layer in weights) / sum(layer.total for layer in weights)

    def scalars(self) -> dict[str, Any]:
        """All fields except arrays, masks and the recipe, as JSON types. The objective only if it is another than
        classification, and ``began_sparse`` only if it is so.
        """
        excluded = ("layers", "dropouts", "predicted", "recipe", "objective", "began_sparse")
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in excluded}
        values["input_shape"] = list(self.input_shape)
        values["target"] = None if self.target is None else self.target.to_dict()
        if self.objective != CLASSIFYING:
            values["objective"] = self.objective.to_dict()
        if self.began_sparse:
            values["began_sparse"] = True
        values["layers"] = [
            {f.name: getattr(layer, f.name) for f in fields(layer) if f.name not in (*ARRAYS, "transposed")}
            | {"shape": list(layer.shape)}
            | ({} if layer.transposed is None else {"transposed": layer.transposed})
            for layer in self.layers
        ]
        values["dropouts"] = [asdict(dropout) for dropout in self.dropouts]
        return values

    @classmethod
    def from_scalars(
        cls, values: Mapping[str, Any], recipe: Recipe, arrays: list[dict[str, Any]], predicted: Any
    ) -> Snapshot:
        """The inverse of ``scalars``. arrays: for each layer, the values of the fields in ARRAYS, by name."""
        layers = tuple(
            LayerSnapshot(**{**layer, "shape": tuple(layer["shape"])}, **layer_arrays)
            for layer, layer_arrays in zip(values["layers"], arrays, strict=True)
        )
        dropouts = tuple(DropoutSnapshot(**dropout) for dropout in values["dropouts"])
        fields_by_name = {
            **values,
            "recipe": recipe,
            "layers": layers,
            "dropouts": dropouts,
            "predicted": predicted,
            "target": None if values["target"] is None else Target(**values["target"]),
            "input_shape": tuple(values["input_shape"]),
            "objective": Objective.from_dict(values.get("objective")),
        }
        return cls(**fields_by_name)


def moment(phase: Phase, round: int, began: Origin) -> str:
    """Where in a run a network is: "round 2, pruned"."""
    if phase in ("new", "preview"):
        return "untrained" if phase == "new" else "if cut now"
    return f"{began.label}, {phase}" if round == 0 else f"round {round}, {phase}"


def in_words(objective: Objective, value: float | None, weights: Counted) -> str:
    """How good and how large a network is: "97.8 % right with 8.2 % of 22,200 weights".

    value: of the objective's metric; None: it was not tested. weights: what is kept, and of how many.
    """
    right = f"{objective.metric} unknown" if value is None else objective.says(value)
    share = "all" if weights.kept == weights.total else f"{percent(weights.density)} of"
    return f"{right} with {share} {count(weights.total)} weights"


ARRAYS = ("kept_counts", "cut_counts", "packed", "strongest", "strengths")


def digest(array: NDArray[Any] | bytes) -> str:
    """24 hexadecimal digits that identify an array (its values and type) or bytes."""
    kind = b"|u1" if isinstance(array, bytes) else array.dtype.str.encode()
    return hashlib.sha256((array if isinstance(array, bytes) else array.tobytes()) + kind).hexdigest()[:24]
