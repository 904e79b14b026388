"""The folder of a sweep: one JSON file a run, whole or not there, and a manifest that says what sweep this is.

Running the same sweep again reads what is there and does the rest.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from prunelab.disk import claim, write_atomically
from prunelab.errors import RecipeError, StorageError
from prunelab.experiments.sweep_runs import Custom
from prunelab.recipe import Recipe
from prunelab.results.sweep import Result, result_from
from prunelab.sessions.checkpoint_schema import check_part, count, each, number, optional, row, text
from prunelab.sessions.validation import provenance

FORMAT = 1  # of manifest and runs
MANIFEST = "sweep.json"
RUN_FILE = re.compile(r"[0-9a-f]{12}\.json")  # named by the recipe's key
PATIENCE = 1.0  # seconds to wait for another sweep that is just ending

RECIPE = {"recipe": lambda value: isinstance(value, dict)}
MANIFEST_SCHEMA = {
    "engine": text, "model": optional(text), "data": optional(text), "recipes": lambda value: isinstance(value, list),
}  # fmt: skip
FAILED_SCHEMA = {**RECIPE, "reason": text, "seconds": number}
RUN_SCHEMA = {
    **RECIPE, "kept": count, "total": count, "effective": optional(count), "layers": each(row(count, count)),
    "dense": number, "cut": number, "accuracy": number, "loss": number, "seconds": number,
}  # fmt: skip


class SweepFolder:
    """The folder of a sweep over ``recipes``, locked against other processes until ``close``.

    runs: results that were there already, by recipe. Raises ClaimedError if another sweep is at work in it,
    StorageError if it holds another sweep or files that cannot be read, or cannot be written.
    """

    def __init__(self, directory: Path, recipes: Sequence[Recipe], custom: Custom, engine: str) -> None:
        self.directory = directory
        self.runs: dict[Recipe, Result] = {}
        self._lock = claim(directory, patience=PATIENCE)
        try:
            identity = {"engine": engine, **_identity(custom)}
            listed = [recipe.to_dict(usual=True) for recipe in recipes]
            self._manifest = {"prunelab_sweep": FORMAT, **identity, "recipes": listed}
            self._open(recipes, identity)
        except BaseException:
            self.close()
            raise

    def _open(self, recipes: Sequence[Recipe], identity: dict[str, Any]) -> None:
        path = self.directory / MANIFEST
        if path.exists():
            self._check_same(_read(path, "prunelab_sweep"), recipes, identity)
        try:
            for temporary in self.directory.glob(".*.json.*"):  # of a process that was killed
                temporary.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"{self.directory} could not be written: {error.strerror or error}") from error
        wanted = set(recipes)
        for file in sorted(self.directory.iterdir()):
            if RUN_FILE.fullmatch(file.name):
                result = self._run_in(file)
                if result.recipe not in wanted:
                    raise StorageError(f"{file} is a run of another sweep: take it away, or choose another directory")
                self.runs[result.recipe] = result

    def _check_same(self, manifest: dict[str, Any], recipes: Sequence[Recipe], identity: dict[str, Any]) -> None:
        path = self.directory / MANIFEST
        try:
            check_part(MANIFEST, manifest, MANIFEST_SCHEMA)
            there = [Recipe.from_dict(values) for values in manifest["recipes"]]
        except (RecipeError, TypeError, ValueError) as error:
            raise StorageError(f"{path} is damaged ({error}): choose another directory") from error
        differing = [f"another {name} of your own" for name in ("model", "data") if manifest[name] != identity[name]]
        if manifest["engine"] != identity["engine"]:  # which agree within a tolerance only
            differing.append(f"engine = {manifest['engine']} there, {identity['engine']} here")
        if set(there) != set(recipes):
            differing += _differences(there, recipes)
        if differing:
            raise StorageError(
                f"{self.directory} holds another sweep ({'; '.join(differing)}): choose another directory, or the "
                "settings of that sweep. Nothing was changed."
            )

    def _run_in(self, file: Path) -> Result:
        values = _read(file, "prunelab_run")
        try:
            check_part("run", values, FAILED_SCHEMA if "reason" in values else RUN_SCHEMA)
            return result_from(values)
        except (RecipeError, TypeError, ValueError) as error:
            raise _damaged(file, error) from error

    def begin(self) -> None:
        """Say in the folder which sweep it holds: once it is known that this one can be run. Raises StorageError."""
        path = self.directory / MANIFEST
        if path.exists():
            return
        try:
            write_atomically(path, json.dumps(self._manifest).encode())
        except OSError as error:
            raise StorageError(f"{path} could not be written: {error.strerror or error}") from error

    def keep(self, result: Result) -> None:
        """Write the file of a run. Raises StorageError if that fails; other files are intact."""
        path = self.directory / f"{result.recipe.key}.json"
        try:
            write_atomically(path, json.dumps({"prunelab_run": FORMAT, **result.to_dict()}).encode())
        except OSError as error:
            raise StorageError(f"{path} could not be written: {error.strerror or error}") from error

    def close(self) -> None:
        """Let other processes have the folder."""
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _identity(custom: Custom) -> dict[str, Any]:
    """Digests of a custom model and of custom data, which recipes do not tell apart; None: the recipe's own."""
    model = None if custom.model is None else _digest(custom.model)
    return {"model": model, "data": None if custom.data is None else str(provenance.identity(custom.data))}


def _digest(model: nn.Module) -> str:
    """Of all tensors of a model, buffers that it does not save included, its layers, their plain attributes, and what
    they compute, where that is not torch's.
    """
    digest = hashlib.sha256(str(model).encode())
    for name, tensor in (*model.state_dict(keep_vars=True).items(), *model.named_buffers()):
        if not isinstance(tensor, Tensor) or is_lazy(tensor) or tensor.is_meta:  # which sessions refuse, in words
            continue
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        values = tensor.detach().cpu()
        digest.update(values.to(torch.complex128 if values.is_complex() else torch.float64).numpy().tobytes())
    for name, module in model.named_modules():
        if not type(module).__module__.startswith("torch."):
            digest.update(_code(type(module).forward).encode())
        for attribute, value in sorted(vars(module).items()):
            if not attribute.startswith("_") and attribute != "training":
                digest.update(f"{name}.{attribute} {_plain(value)}".encode())
    return digest.hexdigest()


def _code(function: Any) -> str:
    """The source of a function without its comments and its layout; "" where there is none."""
    try:
        return ast.unparse(ast.parse(textwrap.dedent(inspect.getsource(function))))
    except (OSError, TypeError, SyntaxError):
        return ""


def _plain(value: Any) -> str:
    """A number, a text or a function, and lists of such, as a text that is the same in other processes; else ""."""
    if isinstance(value, bool | int | float | complex | str | None):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"({', '.join(map(_plain, value))})"
    return str(getattr(value, "__qualname__", "")) if callable(value) else ""


def _read(path: Path, kind: str) -> dict[str, Any]:
    """The values in a file, without the version of its format."""
    try:
        values = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, error) from error
    if not isinstance(values, dict) or kind not in values:
        raise _damaged(path, f"the key {kind} is missing")
    version = values.pop(kind)
    if version != FORMAT:
        raise StorageError(
            f"{path}: {kind} = {version!r}, but this version reads format {FORMAT}; update prunelab, or choose another "
            "directory"
        )
    return values


def _damaged(path: Path, error: object) -> StorageError:
    advice = "choose another directory" if path.name == MANIFEST else "delete it, and this run is done again"
    return StorageError(f"{path} is damaged ({error}): {advice}")


def _differences(there: Sequence[Recipe], here: Sequence[Recipe]) -> list[str]:
    """How two grids differ, field by field, in words."""
    found = []
    for name in Recipe().to_dict():
        values = [_distinct(name, recipes) for recipes in (there, here)]
        if values[0] != values[1]:
            found.append(f"{name} = {', '.join(values[0])} there, {', '.join(values[1])} here")
    return found or ["other combinations of the same values"]


def _distinct(name: str, recipes: Sequence[Recipe]) -> list[str]:
    return list(dict.fromkeys(str(recipe.to_dict()[name]) for recipe in recipes))
