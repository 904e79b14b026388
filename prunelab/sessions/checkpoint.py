"""A session on disk: JSON for numbers, safetensors for tensors. No pickle, and no half-written state.

``session.json`` is the commit point: it names the tensor file and its digest, and is replaced in one step after that
file is complete. A process killed in between leaves the old session.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor

from prunelab.disk import write_atomically
from prunelab.errors import RecipeError, StorageError
from prunelab.recipe import DEPENDENT, Recipe
from prunelab.results.snapshot import Snapshot
from prunelab.sessions import checkpoint_migration

FORMAT = 4
INDEX = "session.json"
COUNTS = ("kept_counts", "cut_counts")
# (part, name) of the flat dicts of tensors in a state; a file that has none of a group gives an empty one.
GROUPS = (
    ("model", "weights"), ("model", "masks"), ("model", "cut_values"), ("model", "early"), ("model", "dense"),
    ("trainer", "predicted"),
)  # fmt: skip


def write(directory: Path, state: Mapping[str, Any], recipe: Recipe) -> None:
    """Save a session's state, atomically. Raises StorageError if that fails; what was saved before is intact.

    A directory belongs to one session: temporary files of an earlier save that was killed are removed from it.
    """
    values, blob = packed(state)
    digest = hashlib.sha256(blob).hexdigest()
    file = f"tensors-{digest[:16]}.safetensors"
    index = {
        "prunelab_session": FORMAT,
        "recipe": recipe.to_dict(usual=True),
        "tensors": file,
        "sha256": digest,
        **values,
    }
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for temporary in (*directory.glob(f".{INDEX}.*"), *directory.glob(".tensors-*.safetensors.*")):
            temporary.unlink(missing_ok=True)
        write_atomically(directory / file, blob)
        write_atomically(directory / INDEX, json.dumps(index).encode())
        for old in directory.glob("tensors-*.safetensors"):
            if old.name != file:
                old.unlink()
    except (OSError, ValueError) as error:  # ValueError: a path with a null byte
        raise StorageError(
            f"the session could not be saved in {directory}: {getattr(error, 'strerror', None) or error}. "
            "It goes on in memory, and what was saved before is intact; free space or choose another directory."
        ) from error


def packed(state: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
    """A session's state as JSON types, and its tensors as safetensors."""
    values = {part: dict(state[part]) for part in ("session", "trainer", "model")}
    tensors = {f"{part}/{kind}/{name}": t for part, kind in GROUPS for name, t in values[part].pop(kind).items()}
    optimizer = values["trainer"]["optimizer"]
    if optimizer is not None:
        values["trainer"]["optimizer"] = {"groups": optimizer["groups"]}
        tensors |= {f"trainer/optimizer/{name}": t for name, t in optimizer["tensors"].items()}
    arrays, values["history"] = history_out(state["history"])
    tensors |= {f"history/{name}": torch.from_numpy(array) for name, array in arrays.items()}
    return values, safetensors.torch.save({name: t.contiguous().cpu() for name, t in tensors.items()})


def unpacked(values: Mapping[str, Any], blob: bytes) -> dict[str, Any]:
    """The inverse of ``packed``."""
    return _joined({part: dict(value) for part, value in values.items()}, safetensors.torch.load(blob))


def _joined(values: dict[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """A state of its parts; ``values`` is used up."""
    for part, kind in GROUPS:
        values[part][kind] = group(tensors, f"{part}/{kind}")
    optimizer = values["trainer"]["optimizer"]
    if optimizer is not None:
        optimizer["tensors"] = group(tensors, "trainer/optimizer")
    values["history"] = history_in(values["history"], group(tensors, "history"))
    return values


def read(directory: Path, check: Callable[[Mapping[str, Any]], None]) -> tuple[dict[str, Any], Recipe]:
    """The state and recipe that ``write`` saved.

    It may be saved anew meanwhile, by another thread or process: then the later save is read.

    check: raises ValueError for an impossible state. Raises StorageError for files that are missing, damaged, not a
    session, or of a newer format.
    """
    path = directory / INDEX
    content = _content(path)
    while True:
        try:
            return _parsed(path, content, check)
        except StorageError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise
            # ``write`` removes the tensors of the save before, which this index names, once there is a new one.
            before, content = content, _content(path)
            if content == before:
                raise


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a path with a null byte
        raise StorageError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _parsed(path: Path, content: bytes, check: Callable[[Mapping[str, Any]], None]) -> tuple[dict[str, Any], Recipe]:
    """State and recipe of an index with this content, and of the tensors that it names, beside ``path``."""
    try:
        index = json.loads(content)
    except ValueError as error:
        raise StorageError(f"{path} is damaged: not JSON ({error})") from error
    if not isinstance(index, dict) or "prunelab_session" not in index:
        raise StorageError(f"{path} is not a session of prunelab's")
    version = index.pop("prunelab_session")
    if version not in (*checkpoint_migration.FORMATS, FORMAT):
        raise StorageError(f"{path} is of format {version!r}; this version reads format {FORMAT}")
    try:
        recipe = _recipe(index.pop("recipe"))
        tensors = _read_tensors(path.parent, index.pop("tensors"), index.pop("sha256"))
        if version != FORMAT:
            index, tensors = checkpoint_migration.migrated(index, tensors)
        state = _joined(index, tensors)
        check(state)
    except RecipeError as error:
        raise StorageError(f"{path}: its recipe is not valid: {error}") from error
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise StorageError(f"{path} is damaged: {type(error).__name__}: {error}") from error
    return state, recipe


def _recipe(values: Mapping[str, Any]) -> Recipe:
    """A saved recipe. Where it does not say what was left to its usual value, whatever has that value was."""
    return Recipe.from_dict({"usual": DEPENDENT, **values})


def _read_tensors(directory: Path, file: str, digest: str) -> dict[str, Tensor]:
    path = directory / file
    if path.parent != directory:
        raise ValueError(f"tensors = {file!r} points out of the directory")
    try:
        blob = path.read_bytes()
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror or error}") from error
    if hashlib.sha256(blob).hexdigest() != digest:
        raise StorageError(f"{path} is damaged: it is not the file that was written (its digest differs)")
    try:
        tensors: dict[str, Tensor] = safetensors.torch.load(blob)
    except safetensors.SafetensorError as error:
        raise StorageError(f"{path} is damaged: {error}") from error
    return tensors


def group(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The tensors of a group, without its name."""
    return {key.removeprefix(name + "/"): t for key, t in tensors.items() if key.startswith(name + "/")}


def history_out(history: Sequence[Snapshot]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(arrays by name, {"recipes", "snapshots"} of JSON types). Each distinct array and recipe is stored once.

    The scalars of each snapshot refer to arrays by name and to recipes by index.
    """
    arrays: dict[str, Any] = {}
    recipes: list[Recipe] = []
    scalars = []
    for snapshot in history:
        for layer in snapshot.layers:
            for field, name in layer.digests.items():
                if name not in arrays:
                    arrays[name] = _array(getattr(layer, field))
        arrays[snapshot.digest] = snapshot.predicted
        layers = [layer.digests for layer in snapshot.layers]
        if snapshot.recipe not in recipes:
            recipes.append(snapshot.recipe)
        references = {"recipe": recipes.index(snapshot.recipe), "arrays": layers, "predicted": snapshot.digest}
        scalars.append({**snapshot.scalars(), **references})
    if history:  # these differ in every snapshot: one array for all
        counts = [[[getattr(layer, field) for field in COUNTS] for layer in s.layers] for s in history]
        arrays["counts"] = np.array(counts, dtype=np.int32)
    return arrays, {"recipes": [recipe.to_dict(usual=True) for recipe in recipes], "snapshots": scalars}


def history_in(saved: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> list[Snapshot]:
    """The snapshots that ``history_out`` took apart. KeyError, TypeError or ValueError for what it never made."""
    recipes, scalars = [_recipe(values) for values in saved["recipes"]], saved["snapshots"]
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    packed: dict[str, bytes] = {}  # snapshots of the same mask share one bytes object
    history = []
    for values, counts in zip(scalars, arrays["counts"] if scalars else (), strict=True):
        names_by_layer, predicted = values.pop("arrays"), arrays[values.pop("predicted")]
        layers = []
        for names, pair in zip(names_by_layer, counts, strict=True):
            fields: dict[str, Any] = {field: arrays[name] for field, name in names.items()}
            fields["packed"] = packed.setdefault(names["packed"], fields["packed"].tobytes())
            layers.append({**fields, **dict(zip(COUNTS, pair, strict=True))})
        history.append(Snapshot.from_scalars(values, recipes[values.pop("recipe")], layers, predicted))
    return history


def _array(value: Any) -> NDArray[Any]:
    return np.frombuffer(value, np.uint8).copy() if isinstance(value, bytes) else value
