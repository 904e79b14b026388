"""How many connections each input keeps, against the mask; bands are claimed only where there are some."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest
import torch
from torch import nn

import prunelab as pl
from prunelab.exports import matplotlib_drawing
from prunelab.views import bands, pixels, summary

EDGES = ([*range(4), *range(24, 28)], range(4, 24))  # columns of the border and of the middle, 28 in all


def with_mask(kept, shape=(1, 28, 28)):
    """A snapshot whose first layer has this mask, (neurons, inputs)."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(kept.shape[1], kept.shape[0]))
    data = torch.rand(20, *shape), torch.arange(20) % kept.shape[0]
    snapshot = pl.Session(pl.Recipe(epochs=1), model=model, data=(data, data)).snapshot()
    first = replace(snapshot.layers[0], packed=np.packbits(kept).tobytes(), kept=int(kept.sum()))
    return replace(snapshot, layers=(first,))


def banded():
    """10 neurons that read the 20 middle columns of each of 28 rows."""
    image = np.zeros((28, 28), bool)
    image[:, 4:24] = True
    return np.tile(image.ravel(), (10, 1))


def title(view):
    return view["layout"]["title"]["text"]


def test_bars_are_the_sums_of_the_masks_columns():
    random = np.random.default_rng(0)
    mask = random.random((10, 784)) < 0.1
    view = bands(with_mask(mask))
    go.Figure(view)
    (trace,) = view["data"]
    assert trace["y"] == mask.sum(axis=0).tolist() and trace["x"] == list(range(784))
    border, middle = (mask[:, [28 * r + c for r in range(28) for c in columns]].sum(0).mean() for columns in EDGES)
    assert title(view) == f"1 keeps {border:.1f} connections of a border pixel, {middle:.1f} of one in the middle"
    (axes,) = matplotlib_drawing.draw(view, 17.4).axes
    assert [bar.get_height() for bar in axes.containers[0]] == trace["y"]


def test_28_rows_whose_borders_are_cut_are_28_bands():
    view = bands(with_mask(banded()))
    assert title(view) == "1 has 28 bands: 0.0 connections for a pixel at the border, 10.0 in between"
    assert "224 of 784 inputs keep none" in summary(view)
    assert all(tick % 28 == 0 for tick in view["layout"]["xaxis"]["tickvals"])


def test_a_preview_says_would_and_channels_are_rows_too():
    snapshot = replace(with_mask(banded()), phase="preview")
    assert "1 would have 28 bands" in title(bands(snapshot))
    colours = np.tile(banded(), (1, 3))
    assert "has 84 bands" in title(bands(with_mask(colours, (3, 28, 28))))


def test_it_tells_what_the_map_of_inputs_shows():
    snapshot = with_mask(banded())
    assert sum(bands(snapshot)["data"][0]["y"]) == np.array(pixels(snapshot)["data"][0]["z"]).sum()


@pytest.mark.parametrize("model", ["lenet-5", "flat"])
def test_other_inputs_have_none(model):
    if model == "lenet-5":
        snapshot = pl.Session(pl.Recipe(model="lenet-5")).snapshot()
    else:
        x, y = torch.rand(20, 6), torch.arange(20) % 2
        snapshot = pl.Session(pl.Recipe(epochs=1), model=nn.Linear(6, 2), data=((x, y), (x, y))).snapshot()
    assert bands(snapshot)["layout"]["meta"]["says"].startswith("No bands")
