"""Modes: a model in eval mode for a moment, and every module back in the mode its owner chose.

``model.train()`` afterwards would be wrong: who fine-tunes a network often holds its batch norms in eval mode.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from torch import nn


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[nn.Module]:
    """Within the block ``model`` is in eval mode; afterwards each of its modules is in the mode it was in."""
    before = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield model
    finally:
        for module, training in before:
            module.training = training


def held(model: nn.Module) -> list[nn.Module]:
    """The modules that somebody holds in eval mode within a model in training mode.

    None in a model that is in eval mode itself: that says nothing about its modules.
    """
    return [module for module in model.modules() if not module.training] if model.training else []
