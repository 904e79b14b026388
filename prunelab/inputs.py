"""Inputs: what a session is given, checked before a run starts, so that no run fails late for a reason known early."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from prunelab.data import Data, load, own
from prunelab.recipe import OWN, Recipe


class SessionError(ValueError):
    """A session that cannot be, or a step that cannot be taken now; says what to do instead."""


def recipe_of(recipe: Recipe, model: nn.Module | None, data: Data | tuple[Any, Any] | None) -> Recipe:
    """The recipe that says which of model and data are the user's own (a ``Data`` that ``load`` gave is not)."""
    loaded = isinstance(data, Data) and data.name == recipe.data
    own: dict[str, str] = {}
    for what, given in (("model", model is not None), ("data", data is not None and not loaded)):
        if given:
            own[what] = OWN
        elif getattr(recipe, what) == OWN and not loaded:
            raise SessionError(f"{what} = 'own' in the recipe: then the {what} itself must be given, {what}=...")
    return recipe.changed(**own) if own else recipe


def data_of(recipe: Recipe, data: Data | tuple[Any, Any] | None) -> Data:
    if data is None:
        return load(recipe.data, seed=recipe.seed)
    if isinstance(data, Data):
        return data
    train, test = data
    return own(train, test)


def check(model: nn.Module, data: Data, sample: Tensor) -> None:
    """Raise SessionError unless the model is sound, takes the data and gives one score a class."""
    for name, parameter in model.named_parameters():
        if not torch.isfinite(parameter).all():
            raise SessionError(f"{name} holds NaN or infinite values; a run has to start from finite ones")
    training_mode = model.training
    try:
        with torch.no_grad():
            output = model.eval()(sample)
    except (RuntimeError, ValueError, TypeError, IndexError, AttributeError) as error:
        raise SessionError(f"the model cannot take this data, samples of shape {data.input_shape}: {error}") from error
    finally:
        model.train(training_mode)
    if not isinstance(output, Tensor) or output.dim() != 2 or output.shape[0] != len(sample):
        got = f"shape {tuple(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
        raise SessionError(f"the model must give one row of class scores a sample, (N, classes); it gives {got}")
    if output.shape[1] < data.classes:
        raise SessionError(
            f"the model has {output.shape[1]} outputs, but the data have {data.classes} classes "
            f"(labels 0 to {data.classes - 1}): give its last layer one output a class"
        )
