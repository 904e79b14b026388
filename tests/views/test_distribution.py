"""Weights before and after: the same bins, all survivors counted, and peaks only where there are some."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from hypothesis.extra import numpy as arrays

import prunelab as pl
from prunelab.exports import matplotlib_drawing
from prunelab.results.snapshot import BINS
from prunelab.views import distribution, summary
from prunelab.views.distribution import peaks, rebinned


@pytest.fixture(scope="module")
def history():
    session = pl.Session(pl.Recipe(epochs=5, retrain_epochs=2, rounds=1, quality=1.0))
    for _ in session:
        pass
    return list(session.history)


def shaped(layer, values, limit):
    """A layer with these survivors."""
    counts = np.histogram(values, BINS, (-limit, limit))[0].astype(np.int32)
    return replace(layer, limit=limit, kept_counts=counts, kept=int(counts.sum()))


def with_values(history, dense, now, limit=1.0):
    """A dense snapshot and one after retraining whose layers have these weights."""
    first = next(s for s in history if s.phase == "trained")
    last = history[-1]
    whole = (shaped(layer, dense, limit) for layer in first.layers)
    return [
        replace(first, layers=tuple(replace(layer, total=layer.kept) for layer in whole)),
        replace(last, layers=tuple(shaped(layer, now, limit) for layer in last.layers)),
    ]


def test_survivors_of_both_stand_in_the_same_bins(history):
    view = distribution(history)
    go.Figure(view)
    json.dumps(view, allow_nan=False)
    dense = next(s for s in history if s.phase == "trained")
    for i, layer in enumerate(history[-1].layers):
        above, below = view["data"][2 * i : 2 * i + 2]
        assert above["x"] == below["x"] and above["width"] == below["width"]
        assert sum(above["y"]) == pytest.approx(dense.layer(layer.name).total, abs=2)
        assert sum(below["y"]) == pytest.approx(layer.kept, abs=2)
    axes = view["layout"]
    assert axes["xaxis"]["range"] == axes["xaxis2"]["range"]
    assert axes["yaxis"]["domain"][0] > axes["yaxis2"]["domain"][1], "dense on top"


@given(
    arrays.arrays(np.int32, BINS, elements=some.integers(0, 10**6)),
    some.floats(1e-6, 1e3),
    some.floats(1.0, 100.0),
)
def test_rebinning_loses_no_weight_and_keeps_their_mean(counts, own, wider):
    new = rebinned(counts, own, own * wider)
    assert new.sum() == pytest.approx(counts.sum(), rel=1e-9, abs=1e-6) and (new > -1e-6).all()
    if wider == 1.0:
        assert new.tolist() == counts.tolist()


def test_rebinning_of_uniform_weights_is_uniform_as_far_as_they_go():
    new = rebinned(np.full(BINS, 100, np.int32), 1.0, 3.0)
    assert new[BINS // 2] == pytest.approx(300)
    assert new[: BINS // 3 - 1].max() == 0 and new.sum() == pytest.approx(100 * BINS)


def test_peaks_are_counted_by_shape():
    random = np.random.default_rng(0)

    def shape(values):
        return peaks(np.histogram(values, BINS, (-1, 1))[0])

    normal = random.normal(0, 0.3, 20000)
    assert shape(normal) == 1
    assert shape(normal[abs(normal) > 0.3]) == 2
    assert shape(random.uniform(-1, 1, 20000)) == 1
    assert shape(random.normal(0.5, 0.1, 20000)) == 1, "a peak on one side alone is one"
    assert shape(np.zeros(10)) == 1 and shape([]) == 1


def test_the_title_claims_two_peaks_only_where_one_became_two(history):
    random = np.random.default_rng(1)
    one = random.normal(0, 0.25, 30000)
    two = one[abs(one) > 0.25]
    every = distribution(with_values(history, one, two))
    assert every["layout"]["title"]["text"] == "One peak in the dense network, two after retraining: every layer"
    assert "fc1: dense one peak, now two peaks of" in summary(every)
    still = distribution(with_values(history, one, one[:20000]))["layout"]["title"]["text"]
    assert still.endswith("left after retraining; no layer is seen to go from one peak to two")
    few = distribution(with_values(history, one, two[:100]))
    assert "two after" not in few["layout"]["title"]["text"] and "too few for a shape of 100 survivors" in summary(few)


def test_a_cut_and_a_preview_are_called_so(history):
    pruned = [s for s in history if s.phase in ("trained", "pruned")]
    assert "after the cut" in distribution(pruned)["layout"]["title"]["text"]
    preview = replace(pruned[-1], phase="preview")
    assert "after this cut" in distribution([*pruned[:-1], preview])["layout"]["title"]["text"]


def test_nothing_is_shown_before_a_cut_or_without_the_dense_network(history):
    dense = [s for s in history if s.round == 0]
    for nothing in (dense, history[-1:]):
        assert "Nothing to compare yet" in distribution(nothing)["layout"]["meta"]["says"]


def test_one_layer_can_be_chosen_and_of_many_four_are_shown(history):
    assert len(distribution(history, ["fc2.weight"])["data"]) == 2
    with pytest.raises(KeyError, match="fc9"):
        distribution(history, ["fc9.weight"])
    many = [
        replace(s, layers=tuple(replace(s.layers[0], name=f"l{i}.weight") for i in range(6)))
        for s in history
        if s.phase in ("trained", "retrained")
    ]
    view = distribution(many)
    assert len(view["data"]) == 8 and view["layout"]["title"]["text"].endswith("(4 of 6 layers shown)")


def test_its_twin_in_print_has_the_same_bars(history):
    view = distribution(history)
    drawn = matplotlib_drawing.draw(view, 17.4)
    assert len(drawn.axes) == len(view["data"]) == 6
    for axes, trace in zip(drawn.axes, view["data"], strict=True):
        assert [bar.get_height() for bar in axes.containers[0]] == trace["y"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"phase": "retrained", "steps": 46}, "after retraining"),
        ({"phase": "retraining", "steps": 46}, "after retraining"),
        ({"phase": "retrained", "steps": 0}, "after the cut"),
        ({"phase": "pruned", "steps": 0}, "after the cut"),
        ({"phase": "preview", "steps": 0}, "after this cut"),
    ],
)
def test_the_title_says_retraining_where_there_was_some(history, changes, words):
    *before, last = history
    view = distribution([*before, replace(last, **changes)])
    assert (words in view["layout"]["title"]["text"]) and ("retraining" in view["layout"]["title"]["text"]) == (
        words == "after retraining"
    )
    assert view["data"][1]["name"].endswith(f", {replace(last, **changes).moment}")


def test_rounds_that_only_cut_are_real():
    session = pl.Session(pl.Recipe(model="mlp-small", epochs=1, retrain_epochs=0, rounds=1))
    session.finish()
    assert session.history[-1].phase == "retrained"
    assert "after the cut" in distribution(session.history)["layout"]["title"]["text"]


@pytest.mark.filterwarnings("ignore::prunelab.PrunelabWarning")
def test_a_network_with_zeros_from_the_start_is_not_called_dense():
    x = torch.randn(64, 8, generator=torch.Generator().manual_seed(0))
    model = torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    with torch.no_grad():
        model[0].weight[:, :3] = 0.0
    data = (x, (x[:, 4] > 0).long())
    session = pl.Session(pl.Recipe(retrain_epochs=1, rounds=1), model=model, data=(data, data), trained=True)
    for _ in range(2):
        view = distribution(session.history)
        assert view["data"] == []
        assert view["layout"]["meta"]["says"] == "No dense network to compare with: this one had zeros from the start."
        session.finish()
