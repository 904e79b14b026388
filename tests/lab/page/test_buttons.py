"""Buttons that are disabled, hidden or locked, and why."""

import pytest

import prunelab as pl
from prunelab.lab.widgets.shared_looks import is_shown
from support.labs import QUICK


def test_a_disabled_button_says_why(lab):
    assert lab.buttons["retrain"].disabled and "prune first" in lab.buttons["retrain"].tooltip
    assert lab.buttons["pause"].disabled and "Nothing is running" in lab.buttons["pause"].tooltip


def test_panels_controls_and_buttons_can_be_hidden_and_locked():
    lab = pl.Lab(QUICK, hide=["mask", "regularizer", "reset"], lock=["data", "train"], start=False)
    assert not is_shown(lab.panels["mask"]) and not is_shown(lab.controls["regularizer"])
    assert not is_shown(lab.buttons["reset"]) and is_shown(lab.panels["weights"])
    assert lab.controls["data"].disabled and not lab.controls["model"].disabled
    assert lab.buttons["train"].disabled and lab.buttons["train"].tooltip == "Locked on this page"
    lab.stop()
    with pytest.raises(pl.RecipeError, match="did you mean weights"):
        pl.Lab(QUICK, hide=["wieghts"], start=False)
