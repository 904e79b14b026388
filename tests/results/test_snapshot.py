"""Snapshots and layers print as one line that fits a cell."""

from __future__ import annotations

import html

import torch

import prunelab as pl
from prunelab import exports, views


def test_snapshots_and_sessions_say_where_how_good_and_how_large_in_one_line():
    session = pl.Session(pl.Recipe(model="mlp-small", epochs=2, retrain_epochs=1, rounds=2, seed=3))
    assert repr(session) == "Session(mlp-small on digits, seed 3; untrained: accuracy unknown with all 6,464 weights)"
    dense = session.finish("train")
    says = f"{100 * dense.test_accuracy:.1f} % right"
    assert repr(dense) == f"Snapshot(dense, trained: {says} with all 6,464 weights)"
    preview = session.preview(density=0.2)
    assert repr(preview).startswith("Snapshot(if cut now: ") and repr(preview).endswith("with 20.0 % of 6,464 weights)")
    cut = session.prune(density=0.2)
    says = f"round 1, pruned: {100 * cut.test_accuracy:.1f} % right with 20.0 % of 6,464 weights)"
    assert repr(session) == "Session(mlp-small on digits, seed 3; " + says
    assert repr(cut) == "Snapshot(" + says
    layer = cut.layers[0]
    assert repr(layer) == f"LayerSnapshot(fc1.weight, 64 x 64: {100 * layer.density:.1f} % of 4,096 weights kept)"


def test_another_metric_stands_where_accuracy_would():
    x = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
    data = (x, x @ torch.tensor([[1.0], [2.0], [0.0], [0.0]]))
    session = pl.Session(pl.Recipe(epochs=1), model=torch.nn.Linear(4, 1), data=(data, data), loss="mse")
    assert "R2" in repr(session.finish("train"))


def test_moments_have_names():
    session = pl.Session(pl.Recipe(model="mlp-small", epochs=1, retrain_epochs=1, rounds=2))
    assert session.snapshot().moment == "untrained"
    session.finish()
    assert [s.moment for s in session.history if s.settled] == [
        "dense, trained", "round 1, pruned", "round 1, retrained", "round 2, pruned", "round 2, retrained",
    ]  # fmt: skip


def test_a_round_that_only_cut_is_not_called_retrained():
    session = pl.Session(pl.Recipe(model="mlp-small", epochs=1, retrain_epochs=0, rounds=1))
    session.finish()
    names = ["dense, trained", "round 1, pruned", "round 1, pruned, not retrained"]
    assert [s.moment for s in session.history if s.settled] == names
    assert [s.only_cut for s in session.history if s.settled] == [False, False, True]
    hovers = [text for each in views.compare({"run": session.history})["data"] for text in each.get("hovertext", ())]
    assert any("round 1, pruned, not retrained" in text for text in hovers)
    assert not any("round 1, retrained" in text for text in hovers)
    page = html.unescape(exports.report(session.recipe, list(session.history)))
    assert "round 1, pruned, not retrained · " in page and "round 1, retrained" not in page
