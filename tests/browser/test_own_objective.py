"""A regression of one's own on the page: the metric is named, and the model's own dropout and batch norm are shown."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from support.lab_page import button, expect_drawn, expect_root, root, unfold

LAB = """
import torch, prunelab as pl
from torch import nn
torch.manual_seed(0)
x = torch.randn(400, 4)
y = x[:, 0] + x[:, 1] ** 2
first = nn.Linear(4, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.25)
model = nn.Sequential(*first, nn.Linear(32, 32), nn.ReLU(), nn.Dropout(0.4), nn.Linear(32, 1))
data = (x[:300], y[:300]), (x[300:], y[300:])
recipe = pl.Recipe(epochs=20, retrain_epochs=3, rounds=2, learning_rate=0.02, quality=1.0)
pl.Lab(recipe, model=model, data=data, loss="mse", show=["digits", "draw"])
"""


def test_a_regression_is_shown_by_its_metric(
    page: Page, notebook: Callable[..., Path], voila: Callable[..., str]
) -> None:
    voila(notebook(LAB))
    expect_root(page, state="ready", phase="trained")
    button(page, "Run all").click()
    expect_root(page, state="ready", phase="retrained", round="2")
    expect_drawn(page)
    expect(root(page)).to_contain_text("R2")
    r2 = float(root(page).get_attribute("data-accuracy") or "nan")
    accuracy = root(page).locator(".pl-accuracy .prunelab-plot")
    expect(accuracy).to_contain_text(f"R2 {r2:.3f}")
    expect(root(page).locator(".pl-digits")).to_contain_text("Classification only")
    unfold(page)
    rates = root(page).get_by_role("textbox", name="dropout", exact=True)
    expect(rates).to_have_value("0.25, 0.4")
    expect(rates).to_be_disabled()
    norm = root(page).get_by_role("checkbox", name="batch normalisation", exact=True)
    expect(norm).to_be_checked()
    expect(norm).to_be_disabled()
