"""The numbers of a run for other programs. CSV of every snapshot, JSON of the recipe."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from prunelab.recipe import Recipe
from prunelab.results.snapshot import ARRAYS, LayerSnapshot, Snapshot

# Every number that a snapshot and a layer hold, in the order of their fields.
APART = ("input_shape", "layers", "dropouts", "predicted", "target")
MOMENT = tuple(f.name for f in fields(Snapshot) if f.name not in APART)
TARGET = ("target_quality", "target_density")
NUMBERS = tuple(f.name for f in fields(LayerSnapshot) if f.name not in ("name", "shape", "limit", *ARRAYS))
LAYER = (*NUMBERS, "density")
COLUMNS = ("snapshot", *MOMENT, *TARGET, "layer", "shape", *LAYER, "dropout")


def snapshots_csv(history: Sequence[Snapshot]) -> str:
    """One row a snapshot and layer, in order, under a line with the names of the COLUMNS; numbers exactly as they are.

    snapshot: counts from 0. shape: "300x784", outputs first. dropout: rate of the dropout that belongs to the layer, of
    several with semicolons between. Accuracies and densities 0 to 1; what is not known is empty; true or false.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for number, snapshot in enumerate(history):
        target = snapshot.target and snapshot.target.density
        moment = [*(_text(getattr(snapshot, name)) for name in MOMENT), _text(snapshot.quality), _text(target)]
        for layer in snapshot.layers:
            own = [_text(getattr(layer, name)) for name in LAYER]
            shape = "x".join(map(str, layer.shape))
            writer.writerow([number, *moment, layer.name, shape, *own, _dropout(snapshot, layer)])
    return buffer.getvalue()


def recipe_json(recipe: Recipe) -> str:
    """The whole recipe, a field a line, as ``Recipe.from_json`` reads it."""
    return json.dumps(json.loads(recipe.to_json()), indent=2) + "\n"


def _dropout(snapshot: Snapshot, layer: LayerSnapshot) -> str:
    return ";".join(_text(d.rate) for d in snapshot.dropouts if d.layer == layer.name)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)
