"""What a model of the user's brings with it, shown where the recipe's models are set: dropout and batch norm."""

from __future__ import annotations

from typing import Any

import ipywidgets as w
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from prunelab.lab.widgets import basics
from prunelab.lab.widgets.shared_looks import shared_layout
from prunelab.pruning import dropout

NAMES = 6  # modules that a tooltip names


def built_in(model: nn.Module | None) -> dict[str, w.Widget]:
    """Widgets that show a custom model's dropout rates and batch norm, by the field of the recipe that they replace.

    Disabled: they are parts of the model. Empty for None, the recipe's model.
    """
    if model is None:
        return {}
    rates = dropout.original_rates(model)
    norms = [name for name, module in model.named_modules() if isinstance(module, _BatchNorm)]
    common: dict[str, Any] = {"disabled": True, "layout": shared_layout(width="auto")}
    distinct = dict.fromkeys(f"{rate:g}" for rate in rates.values())
    tips = _tip("dropout", [f"{name} {rate:g}" for name, rate in rates.items()]), _tip("batch norm", norms)
    shown: dict[str, w.Widget] = {
        "dropout": basics.Text(value=", ".join(distinct) or "none", description="dropout", tooltip=tips[0], **common),
        "batch_norm": basics.Checkbox(
            value=bool(norms), description="batch normalisation", indent=False, tooltip=tips[1], **common
        ),
    }
    for widget in shown.values():
        widget.add_class("prunelab-control")
    return shown


def _tip(what: str, parts: list[str]) -> str:
    """What a tooltip says of the model's modules of a kind, each by its name."""
    if not parts:
        return f"Your model has no {what}"
    more = f" and {len(parts) - NAMES} more" if len(parts) > NAMES else ""
    return f"The {what} of your model: {', '.join(parts[:NAMES])}{more}"
