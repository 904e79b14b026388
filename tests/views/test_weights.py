"""The histogram at the ends of its range: a deep cut, a layer with few weights, many layers; and its legend."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

import prunelab as pl
from prunelab import views
from prunelab.results.snapshot import BINS
from prunelab.views import palette


@pytest.fixture(scope="module")
def dense():
    return pl.Session(pl.Recipe(model="lenet-300-100")).snapshot()


def with_counts(snapshot, kept, cut, *, phase="pruned"):
    """The snapshot with these numbers of weights in bins of its first layer: {bin: number}."""
    layer = snapshot.layers[0]
    counts = np.zeros((2, BINS), np.int32)
    for row, numbers in zip(counts, (kept, cut), strict=True):
        for place, number in numbers.items():
            row[place] = number
    survivors, total = int(counts[0].sum()), int(counts.sum())
    threshold = 1.5 * 2 * layer.limit / BINS  # three whole bins around zero lie between the lines
    own = {"kept": survivors, "total": total, "quality": 1.0, "threshold": threshold}
    first = replace(layer, kept_counts=counts[0], cut_counts=counts[1], **own)
    return replace(snapshot, phase=phase, layers=(first, *snapshot.layers[1:]))


def test_survivors_of_a_deep_cut_have_a_scale_of_their_own_and_an_arrow_says_so(dense):
    deep = with_counts(dense, {0: 40, 80: 30}, {40: 12_345, 41: 7_000})
    layout = views.weights(deep)["layout"]
    assert layout["yaxis"]["range"] == [0, 40], "the axis ends at the tallest bar of survivors"
    arrows = [note for note in layout["annotations"] if note["text"].startswith("↑")]
    assert [(arrow["text"], arrow["xref"]) for arrow in arrows] == [("↑ 12k", "x domain")]
    assert "↑ taller" in layout["meta"]["legend"][1]["text"]


def test_a_cut_that_leaves_visible_survivors_keeps_the_scale_of_all(dense):
    layout = views.weights(with_counts(dense, {0: 2_000}, {40: 12_345}))["layout"]
    assert layout["yaxis"]["range"][1] >= 12_345
    assert not [note for note in layout["annotations"] if note["text"].startswith("↑")]
    assert "cut off" not in layout["meta"]["legend"][1]["text"]


def test_a_dense_layer_with_one_tall_bar_is_not_taken_for_cut(dense):
    layout = views.weights(with_counts(dense, {40: 12_345, 0: 3}, {}))["layout"]
    assert layout["yaxis"]["range"][1] >= 12_345


def test_a_layer_with_few_weights_has_wider_bins_with_the_same_weights(dense):
    view = views.weights(dense)
    for i, layer in enumerate(dense.layers):
        bars = view["data"][2 * i + 1]
        wide = layer.total < 40 * BINS
        assert (layer.name == "fc3.weight") is wide
        assert len(bars["x"]) == len(bars["y"]) == (27 if wide else 81)
        assert bars["width"] * len(bars["x"]) == pytest.approx(2 * layer.limit)
        assert sum(bars["y"]) == layer.kept
        assert bars["x"][len(bars["x"]) // 2] == 0


def test_the_legend_names_the_colours_that_the_picture_has(dense):
    cut = views.weights(with_counts(dense, {0: 2_000}, {40: 1_000}))
    colours = {trace["name"].split()[-1]: trace["marker"]["color"] for trace in cut["data"]}
    legend = {entry["text"]: (entry["colour"], entry["as"]) for entry in cut["layout"]["meta"]["legend"]}
    assert legend == {
        "kept": (colours["kept"], "bar"),
        "cut": (colours["cut"], "bar"),
        "threshold": (cut["layout"]["shapes"][0]["line"]["color"], "line"),
    }
    assert colours == {"kept": palette.KEPT, "cut": palette.CUT}
    uncut = views.weights(dense)["layout"]
    assert not uncut["shapes"] and [entry["text"] for entry in uncut["meta"]["legend"]] == ["kept", "cut"]


@pytest.mark.parametrize(
    ("kept", "phase", "says"),
    [
        ({0: 50, 80: 50}, "pruned", "none of them between the lines"),
        ({0: 50, 40: 7, 41: 2, 80: 41}, "retrained", "; 9 have moved between the lines"),
        ({0: 50, 80: 50}, "retrained", "of fc1 are left"),
    ],
)
def test_the_title_says_where_the_survivors_are(dense, kept, phase, says):
    view = views.weights(with_counts(dense, kept, {40: 900}, phase=phase), ["fc1.weight"])
    title = view["layout"]["title"]["text"]
    assert title.startswith("10.0 % of 1,000 connections of fc1 are left") and title.endswith(says)


def test_two_rows_are_announced_so_that_the_page_makes_room():
    for model, rows in (("lenet-300-100", 1), ("lenet-5", 2)):
        view = views.weights(pl.Session(pl.Recipe(model=model)).snapshot())
        assert view["layout"]["meta"]["rows"] == rows


def test_percentages_never_show_a_little_as_nothing_nor_nearly_all_as_all():
    from prunelab.formatting import percent

    shown = {0: "0.0 %", 1: "100.0 %", 0.99996: "99.996 %", 0.9994: "99.9 %", 1e-6: "0.0001 %", 0.00834: "0.83 %"}
    assert {value: percent(value) for value in shown} == shown
    for number in range(1, 2000):
        text = percent(number / 2000)
        assert re.fullmatch(r"\d+\.\d+ %", text) and 0 < float(text[:-2]) < 100


def test_after_a_cut_at_which_connections_come_back_the_title_does_not_deny_them():
    recipe = pl.Recipe(
        model="mlp-small", rule="density", density=0.05, regrow=0.5, rounds=2, epochs=3, retrain_epochs=1
    )
    session = pl.Session(recipe)
    session.finish("train")
    session.prune()
    session.finish("retrain")
    title = views.weights(session.prune())["layout"]["title"]["text"]
    assert session.masks.kept and re.search(r"are left, \d+ of them between the lines$", title), title


def test_what_was_spared_has_not_moved():
    session = pl.Session(pl.Recipe(model="mlp-small", epochs=1))
    session.finish("train")
    snapshot = session.prune(10)
    assert all(layer.spared for layer in snapshot.layers)
    assert "between" not in views.weights(snapshot)["layout"]["title"]["text"]
