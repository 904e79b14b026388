"""Checks the model and data of a session before a run starts, so that no run fails late for a reason known early."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from prunelab import models
from prunelab.data import Data, load, own
from prunelab.errors import SessionError
from prunelab.recipe import OWN, Recipe
from prunelab.sessions.subject import name_of
from prunelab.torch_state import evaluating, held, process_lock


def recipe_of(recipe: Recipe, model: nn.Module | None, data: Data | tuple[Any, Any] | None) -> Recipe:
    """The recipe with model and data set to OWN where they are custom (a ``Data`` from ``load`` is not).

    Raises SessionError if the data were split with another seed than the recipe's, or if the recipe needs a custom
    model or data that is not given.
    """
    loaded = isinstance(data, Data) and data.name == recipe.data
    if loaded and isinstance(data, Data) and data.seed not in (None, recipe.seed):
        raise SessionError(
            f"these {data.name} were split by seed {data.seed}, but the recipe says seed = {recipe.seed}: "
            f"take load({data.name!r}, seed={recipe.seed}), or Recipe(seed={data.seed})"
        )
    custom: dict[str, str] = {}
    for what, given in (("model", model is not None), ("data", data is not None and not loaded)):
        if given:
            custom[what] = OWN
        elif getattr(recipe, what) == OWN and not loaded:
            raise SessionError(f"{what} = 'own' in the recipe: then the {what} itself must be given, {what}=...")
    return recipe.changed(**custom) if custom else recipe


def data_of(recipe: Recipe, data: Data | tuple[Any, Any] | None) -> Data:
    """The given data as ``Data``; if None, the recipe's."""
    if data is None:
        return load(recipe.data, seed=recipe.seed)
    if isinstance(data, Data):
        return data
    train, test = data
    return own(train, test, name=name_of(train))


def model_of(recipe: Recipe, data: Data) -> nn.Module:
    """The recipe's model with fresh weights, for this data."""
    r = recipe
    with process_lock():  # weights are initialised from torch's global random generator
        return models.build(
            r.model, data.input_shape, data.classes, dropout=r.dropout, batch_norm=r.batch_norm, seed=r.seed
        )


def tensors(model: nn.Module, data: Data) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """(x, y) of training and test, on the device of the model's parameters, x in their floating-point type."""
    weights = [p for p in model.parameters() if p.is_floating_point()]
    device, dtype = (weights[0].device, weights[0].dtype) if weights else (torch.device("cpu"), torch.float32)
    pairs = ((data.train_x, data.train_y), (data.test_x, data.test_y))
    train, test = ((x.to(device, dtype), y.to(device)) for x, y in pairs)
    return train, test


def identity(data: Data) -> dict[str, Any]:
    """What identifies these data: the numbers of training and test samples, and a digest of all values."""
    return {"samples": [len(data.train_y), len(data.test_y)], "data": data.digest}


def check_same(data: Data, known: Mapping[str, Any]) -> None:
    """Raise ValueError unless ``known`` contains the ``identity`` of these data."""
    given = identity(data)
    if known["samples"] != given["samples"]:
        raise ValueError(f"made with {known['samples']} training and test samples; these are {given['samples']}")
    if known["data"] != given["data"]:
        raise ValueError("made with other data: as many samples as these, but of other values; give those again")


def check(model: nn.Module, data: Data, sample: Tensor, batch_size: int | None = None) -> None:
    """Raise SessionError unless the model has finite parameters, takes the data and gives one score per class.

    sample: a few samples from ``tensors``. batch_size: of the training; None if the model is not to be trained.
    """
    for name, parameter in model.named_parameters():
        if not torch.isfinite(parameter).all():
            raise SessionError(f"{name} holds NaN or infinite values; a run has to start from finite ones")
    try:
        with evaluating(model), torch.no_grad():
            output = model(sample)
    except (RuntimeError, ValueError, TypeError, IndexError, AttributeError) as error:
        raise SessionError(f"the model cannot take this data, samples of shape {data.input_shape}: {error}") from error
    if not isinstance(output, Tensor) or output.dim() != 2 or output.shape[0] != len(sample):
        got = f"shape {tuple(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
        raise SessionError(f"the model must give one row of class scores a sample, (N, classes); it gives {got}")
    if output.shape[1] < data.classes:
        raise SessionError(
            f"the model has {output.shape[1]} outputs, but the data have {data.classes} classes "
            f"(labels 0 to {data.classes - 1}): give its last layer one output a class"
        )
    trained_norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m not in set(held(model))]
    if trained_norms and batch_size and min(batch_size, len(data.train_y)) == 1:
        raise SessionError(
            f"batch_size = {batch_size}, {len(data.train_y)} training samples: batch normalisation cannot learn from "
            "single samples; take batches of 2 or more"
        )
