"""Converts saved sessions of earlier formats to the current one.

Format 3 had one flat dict of numbers, some under other names; it stored a snapshot's target as two numbers, and no
quality per layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

FORMATS = (3,)
MOVED = {  # prefixes of tensor names: format 3 -> format 4
    "model/": "model/weights/", "masks/": "model/masks/", "ghosts/": "model/cut_values/",
    "predicted/": "trainer/predicted/", "optimizer/": "trainer/optimizer/",
}  # fmt: skip


def migrated(index: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Index (without recipe and file) and tensors of format 3, converted to format 4.

    Raises KeyError, TypeError or ValueError for damaged values, which ``checkpoint.read`` reports as a damaged file.
    """
    old = dict(index)
    state = {
        "session": {name: old.pop(name) for name in ("phase", "round", "dense_accuracy", "samples", "data")}
        | {"target": _target(**old.pop("cut"))},
        "model": {
            "cuts": {name: _with_quality(cut) for name, cut in old.pop("cuts").items()},
            "dropout_rates": old.pop("rates"),
            "dropout_owners": old.pop("owners"),
        },
        "history": _history(old.pop("history")),
    }
    step, clock, course, tested = (old.pop(name) for name in ("step", "clock", "course", "tested"))
    if course is not None and course["start"] + step != clock:
        raise ValueError(f"clock = {clock} does not fit step {step} of a phase that began at {course['start']}")
    state["trainer"] = {
        "at": {"start": clock - step, "number": step, "total": 0 if course is None else course["steps"]},
        "course": course
        and {"rate": course["rate"], "name": f"{state['session']['phase']}, round {state['session']['round']}"},
        "averages": old.pop("averages"),
        "tested": tested and dict(zip(("loss", "accuracy", "clock"), tested, strict=True)),
        "optimizer": old.pop("optimizer"),
    }
    if old:
        raise ValueError(f"{', '.join(sorted(old))}: not of a session")
    return state, {_moved(name): tensor for name, tensor in tensors.items()}


def _moved(name: str) -> str:
    for old, new in MOVED.items():
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name


def _target(quality: float | None, density: float | None) -> dict[str, Any] | None:
    return None if quality is None and density is None else {"quality": quality, "density": density}


def _with_quality(layer: Mapping[str, Any]) -> dict[str, Any]:
    """A cut, or a layer of a snapshot, with its quality: threshold / deviation."""
    threshold, deviation = layer["threshold"], layer["deviation"]
    return {**layer, "quality": threshold / deviation if threshold is not None and deviation else None}


def _history(saved: Mapping[str, Any]) -> dict[str, Any]:
    snapshots = []
    for snapshot in saved["snapshots"]:
        new = {**snapshot, "layers": [_with_quality(layer) for layer in snapshot["layers"]]}
        new["target"] = _target(new.pop("quality"), new.pop("target"))
        snapshots.append(new)
    return {**saved, "snapshots": snapshots}
