"""The numbers of a run for other programs: CSV of every snapshot, JSON of the recipe."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from prunelab.recipe import Recipe
from prunelab.results.snapshot import ARRAYS, LayerSnapshot, Snapshot
from prunelab.results.subject import Module

# All numbers of a snapshot and of a layer, in the order of their fields.
NOT_NUMBERS = ("input_shape", "layers", "dropouts", "predicted", "target", "objective")
SNAPSHOT_NUMBERS = tuple(f.name for f in fields(Snapshot) if f.name not in NOT_NUMBERS)
TARGET_COLUMNS = ("target_quality", "target_density", "metric")
LAYER_FIELDS = tuple(
    f.name for f in fields(LayerSnapshot) if f.name not in ("name", "shape", "limit", "transposed", *ARRAYS)
)
LAYER_NUMBERS = (*LAYER_FIELDS, "density")
COLUMNS = ("snapshot", *SNAPSHOT_NUMBERS, *TARGET_COLUMNS, "layer", "shape", *LAYER_NUMBERS, "dropout")
WHOLE = "whole network"  # in place of a layer's name, which ends in "weight"
MODULE_COLUMNS = tuple(f.name for f in fields(Module))


def snapshots_csv(history: Sequence[Snapshot]) -> str:
    """All snapshots as CSV: a header with the names of COLUMNS; then for each snapshot, in order, a row per layer and a
    last one for the whole network.

    In that row the layer is WHOLE, counts are sums over the layers, ``spared`` says whether any layer was, and what
    only a layer has is empty. Numbers are written exactly. snapshot: counts from 0. shape: "300x784", outputs first.
    dropout: rate of the dropout that belongs to the layer, of several ones separated by semicolons. Accuracies and
    densities are 0 to 1; unknown values are empty; booleans are true or false. metric: what ``test_accuracy`` and
    ``dense_accuracy`` are.

    Args:
        history: the snapshots of the run, oldest first.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for number, snapshot in enumerate(history):
        target = snapshot.target and snapshot.target.common_density
        shared = [_text(getattr(snapshot, name)) for name in SNAPSHOT_NUMBERS]
        shared += [_text(snapshot.quality), _text(target), snapshot.objective.metric]
        for layer in snapshot.layers:
            numbers = [_text(getattr(layer, name)) for name in LAYER_NUMBERS]
            shape = "x".join(map(str, layer.shape))
            writer.writerow([number, *shared, layer.name, shape, *numbers, _dropout(snapshot, layer)])
        writer.writerow(
            [number, *shared, WHOLE, "", *(_text(_whole(snapshot).get(name)) for name in LAYER_NUMBERS), ""]
        )
    return buffer.getvalue()


def modules_csv(modules: Sequence[Module]) -> str:
    """Which modules of the network are pruned, which are not, and why, as CSV: a header, then one row per module."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(MODULE_COLUMNS)
    writer.writerows([_text(getattr(module, name)) for name in MODULE_COLUMNS] for module in modules)
    return buffer.getvalue()


def recipe_json(recipe: Recipe) -> str:
    """The whole recipe as JSON, one field per line, as ``Recipe.from_json`` reads it."""
    return json.dumps(json.loads(recipe.to_json()), indent=2) + "\n"


def _whole(snapshot: Snapshot) -> dict[str, Any]:
    """The numbers of a layer that a whole network has, too."""
    return {
        "kept": snapshot.kept,
        "total": snapshot.total,
        "spared": any(layer.spared for layer in snapshot.layers),
        "effective": snapshot.effective,
        "dead": snapshot.dead,
        "density": snapshot.density,
    }


def _dropout(snapshot: Snapshot, layer: LayerSnapshot) -> str:
    return ";".join(_text(d.rate) for d in snapshot.dropouts if d.layer == layer.name)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)
