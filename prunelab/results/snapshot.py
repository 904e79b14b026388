"""Everything a picture of a run needs, at one moment, immutable.

A preview ("what if cut now") is a snapshot too, with the phase "preview": every view draws it without knowing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from prunelab.recipe import Recipe, Target
from prunelab.results.counts import Counted

Phase = Literal["new", "training", "trained", "pruned", "retraining", "retrained", "preview"]
PHASES: tuple[str, ...] = get_args(Phase)
BINS = 81  # odd: one bin is centred on zero
STRONGEST = 300  # connections that a picture of the network can draw; the others are counted


@dataclass(frozen=True, eq=False)
class LayerSnapshot(Counted):
    """One prunable layer. ``name``: parameter name. ``shape``: of the weight, outputs first (but for ConvTranspose).

    quality, threshold, deviation: of the last cut, None before one and where it had none. effective: survivors on some
    path from input to output; dead: neurons or filters on none; both None where the model's paths can't be told.
    limit: the histograms have BINS equal bins over [-limit, limit]. kept_counts: weights that survive; cut_counts: what
    the others were worth when they were cut.
    packed: the mask, one bit a connection, first connection in the highest bit of the first byte.
    strongest, strengths: flat index and weight of the up to STRONGEST largest survivors, largest magnitude first.
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

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Boolean array of ``shape``, True where a connection is kept."""
        bits = np.unpackbits(np.frombuffer(self.packed, np.uint8), count=self.total)
        return bits.astype(bool).reshape(self.shape)

    @cached_property
    def digests(self) -> dict[str, str]:
        """Names for the arrays that may be the same in many snapshots, by field: equal arrays, equal names."""
        return {field: digest(getattr(self, field)) for field in ("packed", "strongest", "strengths")}


@dataclass(frozen=True)
class DropoutSnapshot:
    """One dropout and the layer (parameter name) it belongs to, None if no prunable layer runs before it."""

    name: str
    layer: str | None
    original: float
    rate: float


@dataclass(frozen=True, eq=False)
class Snapshot(Counted):
    """A run at one moment.

    round: 0 while dense. step of steps: within the phase. clock: training steps since the very start.
    recipe: that the phase was begun by. target: what the last cut (or the preview) was asked for, by the recipe or by
    hand; None before any. train_loss, train_accuracy: moving averages over
    batches; test_loss, test_accuracy: over test data as last measured; all None before they are first known. Accuracies
    0 to 1.
    dense_accuracy: test accuracy when dense training ended. zeros_hold: every cut weight is exactly zero.
    exact: test figures are over the whole test set (a hasty preview looks at a part). predicted: the class of each
    test sample, in their order; empty unless ``exact``, for then it was not each of them that was looked at.
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

    @cached_property
    def digest(self) -> str:
        """A name for ``predicted``: equal arrays, equal names."""
        return digest(self.predicted)

    @property
    def quality(self) -> float | None:
        """The quality that all layers of the last cut had in common; None for a density, and where each had its own."""
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
        """Connections on some path from input to output; None where the model's paths can't be told."""
        counts = [layer.effective for layer in self.layers if layer.effective is not None]
        return sum(counts) if len(counts) == len(self.layers) else None

    @property
    def dead(self) -> int | None:
        """Neurons and filters on no path from input to output; None where these can't be told."""
        counts = [layer.dead for layer in self.layers if layer.dead is not None]
        return sum(counts) if len(counts) == len(self.layers) else None

    @property
    def settled(self) -> bool:
        """Whether a phase ended here: such a snapshot is never thinned out."""
        return self.phase in ("new", "trained", "pruned", "retrained")

    def layer(self, name: str) -> LayerSnapshot:
        """The layer with this parameter name; KeyError with the names there are."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(f"{name!r} is no layer of this snapshot; there are {[layer.name for layer in self.layers]}")

    def scalars(self) -> dict[str, Any]:
        """Everything but arrays, masks and the recipe, as JSON types."""
        apart = ("layers", "dropouts", "predicted", "recipe")
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in apart}
        values["input_shape"] = list(self.input_shape)
        values["target"] = None if self.target is None else self.target.to_dict()
        values["layers"] = [
            {f.name: getattr(layer, f.name) for f in fields(layer) if f.name not in ARRAYS}
            | {"shape": list(layer.shape)}
            for layer in self.layers
        ]
        values["dropouts"] = [asdict(dropout) for dropout in self.dropouts]
        return values

    @classmethod
    def from_scalars(
        cls, values: Mapping[str, Any], recipe: Recipe, arrays: list[dict[str, Any]], predicted: Any
    ) -> Snapshot:
        """The inverse of ``scalars``. arrays: for each layer what ARRAYS names, by field name."""
        layers = tuple(
            LayerSnapshot(**{**layer, "shape": tuple(layer["shape"])}, **own)
            for layer, own in zip(values["layers"], arrays, strict=True)
        )
        dropouts = tuple(DropoutSnapshot(**dropout) for dropout in values["dropouts"])
        rest = {
            **values,
            "recipe": recipe,
            "layers": layers,
            "dropouts": dropouts,
            "predicted": predicted,
            "target": None if values["target"] is None else Target(**values["target"]),
            "input_shape": tuple(values["input_shape"]),
        }
        return cls(**rest)


ARRAYS = ("kept_counts", "cut_counts", "packed", "strongest", "strengths")


def digest(array: NDArray[Any] | bytes) -> str:
    """24 hexadecimal digits that name an array (its values and type) or bytes."""
    kind = b"|u1" if isinstance(array, bytes) else array.dtype.str.encode()
    return hashlib.sha256((array if isinstance(array, bytes) else array.tobytes()) + kind).hexdigest()[:24]
