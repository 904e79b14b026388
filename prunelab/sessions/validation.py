"""Checks the model and data of a session before a run starts, so that no run fails late for a reason known early."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from prunelab import errors, models
from prunelab.data import Data, is_loaded, load, own
from prunelab.data.custom import OTHER_TARGETS
from prunelab.errors import SessionError, first_line
from prunelab.formatting import percent
from prunelab.pruning import criteria, model_state, wrappers
from prunelab.pruning.copies import copied
from prunelab.pruning.masks import Masks
from prunelab.pruning.reparametrisation import check_not_pruned
from prunelab.pruning.selection import LEFT_OUT
from prunelab.recipe import OWN, Recipe
from prunelab.results.objective import Objective
from prunelab.sessions.subject import name_of
from prunelab.torch_state import evaluating, held, process_lock, seeded
from prunelab.training.objective import CLASSIFICATION, LossAndMetric, LossLike, MetricLike, bce

MOST_PLACES = 32  # of a sample of whole numbers, each of which may be a column with a vocabulary of its own


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


def check_objective(objective: Objective, known: Mapping[str, Any]) -> None:
    """Raise ValueError unless ``known``, a saved state, was made with this loss and metric."""
    made = Objective.from_dict(known.get("objective"))
    if not objective.same_as(made):
        raise ValueError(
            f"made with loss {made.loss} and metric {made.metric} ({made.range}); "
            f"these are {objective.loss} and {objective.metric} ({objective.range})"
        )


def check_distillation(recipe: Recipe, objective: Objective) -> None:
    """Raise SessionError for a recipe that distills what is no classification: only classes have soft outputs."""
    if recipe.distill and not objective.classifies:
        raise SessionError(
            f"distill = {recipe.distill:g}: for classification only; the loss here is {objective.loss}. Take distill=0"
        )


def again(known: Mapping[str, Any], loss: LossLike, metric: MetricLike) -> tuple[LossLike, MetricLike]:
    """Loss and metric for ``known``, a saved state: those given, else its names.

    Raises SessionError where it was made with a function that is not given: files hold none.
    """
    saved = Objective.from_dict(known.get("objective"))
    for what, given, name in (("loss", loss, saved.loss), ("metric", metric, saved.metric)):
        if given is None and what in saved.own:
            raise SessionError(f"this session was made with a {what} of your own, {name!r}: give it again, {what}=...")
    if loss is None:
        loss = saved.loss
    if metric is None:
        metric = saved.metric
    return loss, metric


def check(
    model: nn.Module,
    data: Data,
    sample: tuple[Tensor, Tensor],
    batch_size: int | None = None,
    functions: LossAndMetric = CLASSIFICATION,
) -> None:
    """Raise SessionError unless the model has finite parameters, takes the data and gives what the loss is made for.

    sample: a few samples and their targets, from ``tensors``. batch_size: of the training; None if the model is not to
    be trained.
    """
    if reason := model_state.without_values(model) or wrappers.uncopied_forward(model):
        raise SessionError(reason)
    for name, parameter in model.named_parameters():
        if parameter.layout != torch.strided or parameter.is_conj() or parameter.is_neg():
            raise SessionError(model_state.uncuttable(name, parameter))
        if not criteria.finite(parameter):
            raise SessionError(f"{name} holds NaN or infinite values; a run has to start from finite ones")
    x, target = sample
    try:
        with evaluating(model), torch.no_grad():
            output = model(x)
    except Exception as error:  # running the model's code can raise anything
        whole = "" if x.is_floating_point() else " of whole numbers (token ids for an embedding; for others: x.float())"
        shape = f"samples of shape {data.input_shape}{whole}"
        raise SessionError(f"the model cannot take this data, {shape}: {first_line(error)}") from error
    if x.dtype == torch.int64:
        _check_token_ids(model, data, x.device)
    if not isinstance(output, Tensor) or not output.dim() or len(output) != len(x):
        got = f"shape {tuple(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
        raise SessionError(f"the model must give one tensor, a row a sample, ({len(x)}, ...) here; it gives {got}")
    if functions.objective.classifies:
        _check_classes(output, data)
    if functions.loss is bce:
        _check_yes_or_no(model, x, data)
    _check_loss(output, target, functions)
    if batch_size is None:
        return
    for name, value in model.state_dict().items():
        if name.endswith("_extra_state") and not isinstance(value, Tensor):
            raise SessionError(
                f"{name} in the model's state dict is a {type(value).__name__}, but a session keeps and saves tensors "
                "only: return tensors from get_extra_state, or leave it out"
            )
    trained_norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m not in set(held(model))]
    if trained_norms and min(batch_size, len(data.train_y)) == 1:
        raise SessionError(
            f"batch_size = {batch_size}, {len(data.train_y)} training samples: batch normalisation cannot learn from "
            "single samples; take batches of 2 or more"
        )
    if changing := _changing_unsaved(model, x):
        raise SessionError(
            f"{changing} changes in training, but is not in the model's state dict, which is what a session keeps and "
            "saves: register it as a persistent buffer"
        )


def _check_token_ids(model: nn.Module, data: Data, device: torch.device) -> None:
    """Raise SessionError where the model does not take the smallest or largest ids, which few samples may have."""
    for what, samples in (("train", data.train_x), ("test", data.test_x)):
        lowest = highest = samples.flatten(1)
        if lowest.shape[1] > MOST_PLACES:  # a text: all of its places have the same vocabulary
            lowest, highest = lowest.amin(1, keepdim=True), highest.amax(1, keepdim=True)
        rows = torch.cat([lowest.argmin(0), highest.argmax(0)]).unique()
        try:
            with evaluating(model), torch.no_grad():
                model(samples[rows].to(device))
        except Exception as error:  # running the model's code can raise anything
            ids = f"not all of token ids from {int(samples.min())} to {int(samples.max())}: {first_line(error)}"
            raise SessionError(
                f"{what} x: the model takes {ids}. An embedding needs a row for each id, from 0 on"
            ) from error


def _changing_unsaved(model: nn.Module, x: Tensor) -> str | None:
    """The first buffer that a pass in training mode changes although it is not in the state dict.

    Call it after a pass in eval mode: caches that a model fills at its first call do not change any more.
    """
    saved = model.state_dict().keys()
    before = {name: value.detach().clone() for name, value in model.named_buffers() if name not in saved}
    if not before:
        return None
    twin = copied(model)
    if not model.training:  # else modules that are held in eval mode stay so
        twin.train()
    try:
        with seeded(0, x.device), torch.no_grad():
            twin(x)
    except Exception:  # the model's code can raise anything, and training will say it
        return None
    after = dict(twin.named_buffers())
    return next((name for name, value in before.items() if not _equal(value, after.get(name))), None)


def _equal(a: Tensor, b: Tensor | None) -> bool:
    return b is not None and a.shape == b.shape and torch.allclose(a, b.to(a.dtype), rtol=0, atol=0, equal_nan=True)


def check_sparse(model: nn.Module, masks: Masks, recipe: Recipe) -> None:
    """Raise SessionError where an embedding gives sparse gradients that the optimizer or the penalty cannot take."""
    for name, module in model.named_modules():
        if not isinstance(module, nn.Embedding | nn.EmbeddingBag) or not (
            module.sparse and module.weight.requires_grad
        ):
            continue
        penalty = recipe.regularizer != "none" and recipe.strength > 0
        penalised = penalty and any(masks.weight(each) is module.weight for each in masks)
        if recipe.optimizer == "adam" or penalised:
            what = f"regularizer={recipe.regularizer!r}" if penalised else f"optimizer={recipe.optimizer!r}"
            raise SessionError(
                f"{name or type(module).__name__} has sparse=True, and {what} cannot take sparse gradients: make the "
                "embedding with sparse=False, or take optimizer='sgd' and regularizer='none'"
            )


def _check_classes(output: Tensor, data: Data) -> None:
    assert data.classes is not None
    if output.dim() != 2:
        raise SessionError(
            f"the model must give one row of class scores a sample, (N, classes); it gives shape "
            f"{tuple(output.shape)}: {OTHER_TARGETS}"
        )
    if output.shape[1] < data.classes:
        single = f"; or, as {OTHER_TARGETS}" if output.shape[1] == 1 else ""
        raise SessionError(
            f"the model has {output.shape[1]} outputs, but the data have {data.classes} classes "
            f"(labels 0 to {data.classes - 1}): give its last layer one output a class{single}"
        )


def _check_yes_or_no(model: nn.Module, x: Tensor, data: Data) -> None:
    """Raise SessionError unless targets are 0 to 1, and the outputs are scores: a second sigmoid would learn badly."""
    for what, y in (("train", data.train_y), ("test", data.test_y)):
        low, high = (float(bound) for bound in torch.aminmax(y))
        if low < 0 or high > 1:
            wrong = low if low < 0 else high
            raise SessionError(f"{what} y: {wrong:g}, but loss = 'bce' needs targets from 0 to 1")
    last = _last_sigmoid(model, x)
    if last is not None:
        raise SessionError(
            f"{last} is a sigmoid at the end of the model, but loss = 'bce' takes scores from before it: leave it out, "
            "or pass loss=torch.nn.functional.binary_cross_entropy, with a metric"
        )


def _last_sigmoid(model: nn.Module, x: Tensor) -> str | None:
    """Name of the sigmoid module whose output is the model's, whatever its shape; None if there is none."""
    given: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[..., None]:
        return lambda _module, _args, output: given.__setitem__(name, output.clone())

    sigmoids = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.Sigmoid)]
    hooks = [module.register_forward_hook(keep(name)) for name, module in sigmoids]
    try:
        with evaluating(model), torch.no_grad():
            output = model(x)
    finally:
        for hook in hooks:
            hook.remove()
    same = (name for name, values in given.items() if torch.equal(values.flatten().to(output.dtype), output.flatten()))
    return next(same, None)


def _check_loss(output: Tensor, target: Tensor, functions: LossAndMetric) -> None:
    """Raise SessionError unless the loss gives one finite-typed number for an output of the model and its targets."""
    name = functions.objective.loss
    try:
        with torch.no_grad():
            loss = functions.loss(output, target)
    except Exception as error:  # a loss of the user's can raise anything
        shapes = f"outputs of shape {tuple(output.shape)} and targets of shape {tuple(target.shape)}"
        raise SessionError(f"the loss {name} cannot take {shapes}, {target.dtype}: {first_line(error)}") from error
    if not isinstance(loss, Tensor) or loss.dim() or not loss.is_floating_point():
        got = f"shape {tuple(loss.shape)}, {loss.dtype}" if isinstance(loss, Tensor) else type(loss).__name__
        raise SessionError(f"the loss {name} must give one number as a tensor, the mean over a batch; it gives {got}")
    if "loss" not in functions.objective.own:
        return
    with torch.no_grad():
        twice = functions.loss(torch.cat([output, output]), torch.cat([target, target]))
    if math.isfinite(loss) and loss and torch.allclose(twice, 2 * loss, rtol=1e-3, atol=0):
        raise SessionError(
            f"the loss {name} is a sum over a batch: for the same samples twice it gives twice as much. It must be "
            'their mean, which does not depend on the size of a batch (torch\'s: reduction="mean")'
        )
