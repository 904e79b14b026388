"""What the dense and the pruned network make of one drawing."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from prunelab.lab.messages import Classification
from prunelab.sessions.session import Session
from prunelab.torch_state import evaluating


def reading(session: Session, dense: nn.Module | None, picture: NDArray[np.float32]) -> Classification:
    """Probabilities of the classes for ``picture`` (height, width), 0 to 1; in a blank picture all are 0."""
    x = torch.from_numpy(picture).reshape(1, *session.data.input_shape)
    read = _read(dense, x), _read(session.model, x)
    return Classification(*read) if picture.any() else Classification(*(p and (0.0,) * len(p) for p in read))


def dense_twin(session: Session, state: dict[str, Any]) -> nn.Module:
    """A copy of the model as it was when dense training ended. state: of the session at that moment."""
    twin = copy.deepcopy(session.model)
    twin.load_state_dict(state["model"]["weights"])
    return twin


def _read(model: nn.Module | None, x: torch.Tensor) -> tuple[float, ...] | None:
    if model is None:
        return None
    parameter = next(model.parameters())
    with torch.no_grad(), evaluating(model):
        scores = model(x.to(parameter.device, parameter.dtype))
    return tuple(torch.softmax(scores[0].double(), 0).tolist())
