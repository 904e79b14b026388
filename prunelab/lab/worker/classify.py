"""Classification of a drawing by the dense and the pruned network, and by the network as a cut would leave it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from prunelab.lab.messages import Classification
from prunelab.pruning.copies import copied
from prunelab.sessions.session import Session
from prunelab.torch_state import evaluating


def reading(
    session: Session, dense: nn.Module | None, preview: nn.Module | None, picture: NDArray[np.float32]
) -> Classification:
    """Class probabilities (0 to 1) by these networks and the session's; all 0 for a blank picture.

    dense: the dense network. preview: the network as a cut would leave it. None for either: there is none. picture:
    (height, width), 0 (paper) to 1 (ink).
    """
    x = torch.from_numpy(picture).reshape(1, *session.data.input_shape)
    read = [_probabilities(model, x) for model in (dense, session.model, preview)]
    return Classification(*(read if picture.any() else [p and (0.0,) * len(p) for p in read]))


def dense_twin(session: Session, state: dict[str, Any]) -> nn.Module:
    """A copy of the model at the end of dense training. state: of the session at that time."""
    twin = copied(session.model)
    twin.load_state_dict(state["model"]["weights"])
    return twin


def _probabilities(model: nn.Module | None, x: torch.Tensor) -> tuple[float, ...] | None:
    if model is None:
        return None
    parameter = next(model.parameters())
    with torch.no_grad(), evaluating(model):
        scores = model(x.to(parameter.device, parameter.dtype))
    return tuple(torch.softmax(scores[0].double(), 0).tolist())
