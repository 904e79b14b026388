"""Checks that a model takes the data and can be trained: by a pass through it, before a run starts."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from prunelab.data import Data
from prunelab.errors import SessionError, first_line
from prunelab.pruning import criteria, model_state, wrappers
from prunelab.pruning.copies import copied
from prunelab.pruning.masks import Masks
from prunelab.recipe import Recipe
from prunelab.sessions.validation import loss_checks
from prunelab.torch_state import evaluating, held, seeded
from prunelab.training.objective import CLASSIFICATION, LossAndMetric

MOST_PLACES = 32  # of a sample of whole numbers, each of which may be a column with a vocabulary of its own


def check(
    model: nn.Module,
    data: Data,
    sample: tuple[Tensor, Tensor],
    batch_size: int | None = None,
    functions: LossAndMetric = CLASSIFICATION,
) -> None:
    """Raise SessionError unless the model has finite parameters, takes the data and gives what the loss is made for.

    sample: a few samples and their targets, from ``arguments.tensors``. batch_size: of the training; None if the model
    is not to be trained.
    """
    _check_parameters(model)
    output = _output(model, data, sample[0])
    loss_checks.check(model, data, sample, output, functions)
    if batch_size is not None:
        _check_trainable(model, data, sample[0], batch_size)


def _check_parameters(model: nn.Module) -> None:
    if reason := model_state.without_values(model) or wrappers.uncopied_forward(model):
        raise SessionError(reason)
    for name, parameter in model.named_parameters():
        if parameter.layout != torch.strided or parameter.is_conj() or parameter.is_neg():
            raise SessionError(model_state.uncuttable(name, parameter))
        if not criteria.finite(parameter):
            raise SessionError(f"{name} holds NaN or infinite values; a run has to start from finite ones")


def _output(model: nn.Module, data: Data, x: Tensor) -> Tensor:
    """What the model gives for a few samples ``x``. SessionError if it does not take them, or gives no row for each."""
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
    return output


def _check_trainable(model: nn.Module, data: Data, x: Tensor, batch_size: int) -> None:
    """Raise SessionError where batches are too small to learn from, or the state dict lacks what training changes."""
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
