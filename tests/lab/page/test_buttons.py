"""Buttons that are disabled, hidden or locked, and why."""

import pytest

import prunelab as pl
from support.labs import QUICK


def test_a_disabled_button_says_why(lab):
    assert lab.buttons["retrain"].disabled and "prune first" in lab.buttons["retrain"].tooltip
    assert lab.buttons["pause"].disabled and "Nothing is running" in lab.buttons["pause"].tooltip


def test_panels_controls_and_buttons_can_be_hidden_and_locked():
    lab = pl.Lab(QUICK, hide=["mask", "regularizer", "reset"], lock=["data", "train"], start=False)
    assert lab.panels["mask"].layout.display == lab.controls["regularizer"].layout.display == "none"
    assert lab.buttons["reset"].layout.display == "none" and lab.panels["weights"].layout.display is None
    assert lab.controls["data"].disabled and not lab.controls["model"].disabled
    assert lab.buttons["train"].disabled and lab.buttons["train"].tooltip == "Locked on this page"
    lab.stop()
    with pytest.raises(pl.RecipeError, match="did you mean weights"):
        pl.Lab(QUICK, hide=["wieghts"], start=False)
