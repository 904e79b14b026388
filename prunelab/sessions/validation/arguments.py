"""What a caller gives to a session, as recipe, data, model, masks and tensors that fit together."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from prunelab import errors, models
from prunelab.data import Data, is_loaded, load, own
from prunelab.data.custom import OTHER_TARGETS
from prunelab.errors import SessionError
from prunelab.formatting import percent
from prunelab.pruning.masks import Masks
from prunelab.pruning.reparametrisation import check_not_pruned
from prunelab.pruning.selection import LEFT_OUT
from prunelab.recipe import OWN, Recipe
from prunelab.sessions.subject import name_of
from prunelab.torch_state import process_lock


def recipe_of(recipe: Recipe, model: nn.Module | None, data: Data | tuple[Any, Any] | None) -> Recipe:
    """The recipe with model and data set to OWN where they are custom (a ``Data`` as ``load`` gives it is not).

    Raises SessionError if the data were split with another seed than the recipe's, or if the recipe needs a custom
    model or data that is not given.
    """
    loaded = isinstance(data, Data) and data.name == recipe.data and is_loaded(data)
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


def data_of(recipe: Recipe, data: Data | tuple[Any, Any] | None, *, classes: bool) -> Data:
    """The given data as ``Data``; if None, the recipe's. classes: the targets of a pair are class numbers, else values.

    Raises SessionError for a ``Data`` of values where classes are needed, and for other than two parts: a loader of two
    batches could be unpacked, too, and would train on one and test on the other.
    """
    if data is None:
        return load(recipe.data, seed=recipe.seed)
    if not isinstance(data, Data):
        if not isinstance(data, tuple | list) or len(data) != 2:
            number = f" of {len(data)}" if isinstance(data, tuple | list) else ""
            raise SessionError(
                f"data is a {type(data).__name__}{number}: must be (train, test), each a pair of tensors or a dataset; "
                "torch.utils.data.random_split divides one dataset"
            )
        train, test = data
        return own(train, test, name=name_of(train), values=not classes)
    return with_classes(data) if classes else data


def with_classes(data: Data) -> Data:
    """The same data. Raises SessionError if their targets are values, not classes."""
    if data.classes is None:
        raise SessionError(f"the data {data.name!r} have values as targets, not classes: {OTHER_TARGETS}")
    return data


def model_of(recipe: Recipe, data: Data) -> nn.Module:
    """The recipe's model with fresh weights, for this data. SessionError for data without classes."""
    r = recipe
    if data.classes is None:
        raise SessionError(
            f"model = {r.model!r}: the networks of recipes are for classification only, one output a class; "
            "the targets here are values: give a model of your own, model=..."
        )
    with process_lock():  # weights are initialised from torch's global random generator
        return models.build(
            r.model, data.input_shape, data.classes, dropout=r.dropout, batch_norm=r.batch_norm, seed=r.seed
        )


def masks_of(model: nn.Module, masks: Masks | None, *, fresh: bool) -> Masks:
    """The given masks, with all that they cut at zero; None: masks that take up the zeros of the model's weights.

    A layer of zeros alone is taken as dense: nothing would pass through it. fresh: the model is not trained yet, so
    that its zeros may be meant to learn; a GuessWarning names them. Raises SessionError for masks of another model, and
    for a model under torch.nn.utils.prune or with weights that can have no mask.
    """
    try:
        check_not_pruned(model)
    except ValueError as error:
        raise SessionError(str(error)) from error
    if masks is not None:
        if not isinstance(masks, Masks):
            raise TypeError(
                f"masks is a {type(masks).__name__}: must be Masks of the model, which take others' up by "
                "load_state_dict, or prunelab.Masks.from_torch(model)"
            )
        if masks.model is not model:
            raise SessionError("masks=: these are masks of another model, or of a copy; make them of this one")
        masks.apply()
        return masks
    try:
        masks = Masks(model)
    except ValueError as error:
        way_on = "; or leave it out with masks=prunelab.Masks(model, exclude=[...])"
        raise SessionError(str(error).replace(LEFT_OUT, way_on)) from error
    survivors = {name: masks.weight(name).detach() != 0 for name in masks}
    taken = {name: mask for name, mask in survivors.items() if mask.any() and not mask.all()}
    if taken:
        masks.load_state_dict({**masks, **taken})
    if taken and fresh:
        shares = ", ".join(
            f"{name} ({percent(1 - masks.kept_in(name) / mask.numel())})" for name, mask in taken.items()
        )
        errors.warn(
            f"weights of zero are taken as cut, and stay zero: {shares}. If they are to learn, give the session "
            "masks=prunelab.Masks(model)",
            errors.GuessWarning,
            stacklevel=4,
        )
    return masks


def tensors(model: nn.Module, data: Data) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """(x, y) of training and test, on the device of the model's parameters, in their floating-point type.

    Whole numbers (token ids, class numbers) stay as they are.
    """
    return placed(model, data.train_x, data.train_y), placed(model, data.test_x, data.test_y)


def placed(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Samples as ``tensors`` gives them."""
    weights = [p for p in model.parameters() if p.is_floating_point()]
    device, dtype = (weights[0].device, weights[0].dtype) if weights else (torch.device("cpu"), torch.float32)
    x, y = (t.to(device, dtype if t.is_floating_point() else t.dtype) for t in (x, y))
    return x, y
