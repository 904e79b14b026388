"""Valid figures of plotly's, that show the numbers of the snapshot and state them in words."""

import base64
import io
import json
import re
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest
import torch
from PIL import Image
from torch import nn

import prunelab as pl
from prunelab import views
from prunelab.formatting import percent
from prunelab.pruning import criteria
from prunelab.views import images, palette
from prunelab.views.figure import short


@pytest.fixture(scope="module")
def session():
    session = pl.Session(pl.Recipe(model="mlp-small", epochs=4, retrain_epochs=2, rounds=2, dropout=0.5))
    for _ in session:
        pass
    return session


@pytest.fixture(scope="module")
def moments(session):
    """One snapshot of every kind: untrained, in training, settled, previewed."""
    fresh = pl.Session(pl.Recipe(model="mlp-small", epochs=1))
    kinds = {s.phase: s for s in session.history}
    return {"new": fresh.snapshot(), **kinds, "preview": session.preview(3.0)}


DRAWN = {
    "weights": views.weights,
    "connections": views.connections,
    "mask": views.mask,
    "pixels": views.pixels,
    "accuracy": lambda s: views.accuracy([s]),
    "dropout": lambda s: views.dropout([s]),
}


@pytest.mark.parametrize("name", DRAWN)
def test_every_view_of_every_moment_is_a_valid_figure_with_a_title_and_words(name, moments):
    for snapshot in moments.values():
        view = DRAWN[name](snapshot)
        go.Figure(view)
        json.dumps(view, allow_nan=False)
        assert len(view["layout"]["title"]["text"]) > 5
        assert views.summary(view).startswith(view["layout"]["title"]["text"])


def test_every_axis_with_numbers_has_a_title(moments):
    for draw in DRAWN.values():
        layout = draw(moments["retrained"])["layout"]
        titles = [v["title"]["text"] for k, v in layout.items() if k.startswith("xaxis") and v.get("visible", True)]
        assert all(titles)


def test_histograms_and_thresholds_are_the_snapshots(session):
    snapshot = session.snapshot()
    view = views.weights(snapshot)
    for i, layer in enumerate(snapshot.layers):
        cut, kept = view["data"][2 * i : 2 * i + 2]
        assert (sum(cut["y"]), sum(kept["y"])) == (layer.total - layer.kept, layer.kept)
        assert (cut["marker"]["color"], kept["marker"]["color"]) == (palette.CUT, palette.KEPT)
        lines = [s["x0"] for s in view["layout"]["shapes"] if s["xref"] == kept["xaxis"]]
        assert sorted(lines) == [-layer.threshold, layer.threshold]


def test_thresholds_can_be_drawn_at_another_quality_from_what_the_page_gets(session, moments):
    preview = moments["preview"]
    meta = views.weights(preview)["layout"]["meta"]
    assert meta["preview"] and not views.weights(moments["retrained"])["layout"]["meta"]["preview"]
    for i, (cut, layer) in enumerate(zip(meta["cuts"], preview.layers, strict=True)):
        assert (cut["layer"], cut["traces"], cut["note"]) == (layer.name, [2 * i, 2 * i + 1], i)
        assert cut["quality"] * cut["deviation"] == pytest.approx(layer.threshold)
        assert cut["quality"] == pytest.approx(3.0) and cut["follows"]
    # Before any cut nobody has computed a deviation; the histogram tells it well enough to draw.
    fresh = pl.Session(pl.Recipe(model="mlp-small", epochs=1))
    for cut in views.weights(fresh.snapshot())["layout"]["meta"]["cuts"]:
        exact = criteria.deviation(fresh.masks.weight(cut["layer"]))
        assert cut["deviation"] == pytest.approx(exact, rel=0.01) and cut["quality"] is None and cut["follows"]


def test_layers_with_a_quality_of_their_own_do_not_follow(session):
    recipe = pl.Recipe(model="mlp-small", epochs=1, layer_quality={"fc2": 1.5})
    own = pl.Session(recipe)
    for _ in own.ticks("train"):
        pass

    def follow(*args, **options):
        return [cut["follows"] for cut in views.weights(*args, **options)["layout"]["meta"]["cuts"]]

    assert follow(own.preview(1.0)) == [True, False, True]
    assert follow(own.preview(1.5)) == [True, True, True], "at the same quality a picture cannot tell"
    assert follow(own.preview(1.5), own={"fc2.weight"}) == [True, False, True]


def test_what_was_cut_is_told_apart_from_what_would_be(session):
    def told(snapshot, **options):
        return [cut["before"] for cut in views.weights(snapshot, **options)["layout"]["meta"]["cuts"]]

    now, preview = session.snapshot(), session.preview(3.0)
    assert told(now) == told(preview) == [None] * 3
    first, *small = now.layers  # those with few weights have wider bins
    merged = [layer.cut_counts.reshape(27, 3).sum(1).tolist() for layer in small]
    assert told(preview, before=now) == [first.cut_counts.tolist(), *merged]
    dense = pl.Session(pl.Recipe(model="mlp-small", epochs=1))
    for _ in dense.ticks("train"):
        pass
    assert told(dense.preview(1.0)) == told(dense.preview(1.0), before=dense.snapshot()) == [[]] * 3


def test_connections_state_the_counts(session):
    snapshot = session.snapshot()
    kept = views.connections(snapshot)["data"][0]
    assert kept["customdata"] == [layer.kept for layer in reversed(snapshot.layers)]
    assert kept["x"] == pytest.approx([100 * layer.density for layer in reversed(snapshot.layers)], abs=1e-3)


LONG = "transformer.encoder_decoder_model.decoder.block.3.layer.1.EncDecAttention"


@pytest.mark.parametrize(
    "names",
    [["0", "2", "4"], [f"{LONG}.{part}" for part in ("query", "key", "value")], [f"{i}.{LONG}.query" for i in "012"]],
    ids=["numbers", "long, differing at the end", "long, differing at the start"],
)
def test_bars_and_counts_stand_at_their_layers_whatever_these_are_called(names, session):
    snapshot = session.snapshot()
    layers = [replace(x, name=f"{name}.weight") for name, x in zip(names, snapshot.layers, strict=True)]
    view = views.connections(replace(snapshot, layers=tuple(layers)))
    axis, kept = view["layout"]["yaxis"], view["data"][0]
    shown = dict(zip(axis["tickvals"], axis["ticktext"], strict=True))
    assert len(set(shown.values())) == len(set(kept["y"])) == 3
    assert [shown[y] for y in kept["y"]] == [short(layer) for layer in layers[::-1]]
    at = {shown[note["y"]]: note["text"] for note in view["layout"]["annotations"]}
    assert at == {short(layer): f"{percent(layer.density)} · {layer.kept:,}" for layer in layers}
    assert [text.partition(":")[0] for text in kept["hovertext"]] == [shown[y] for y in kept["y"]]


def test_pixels_count_the_neurons_that_read_them(session):
    snapshot = session.snapshot()
    z = np.array(views.pixels(snapshot)["data"][0]["z"])
    np.testing.assert_array_equal(z.ravel(), session.masks["fc1"].sum(0).numpy())


def test_a_convolutions_map_is_of_its_kernel():
    session = pl.Session(pl.Recipe(model="lenet-5", epochs=1))
    z = np.array(views.pixels(session.snapshot())["data"][0]["z"])
    assert z.shape == (5, 5) and (z == 20).all()


def test_the_mask_image_is_the_mask(session):
    layer = session.snapshot().layer("fc2.weight")
    view = views.mask(session.snapshot(), "fc2.weight")
    source = view["layout"]["images"][0]["source"]
    raw = base64.b64decode(source.removeprefix("data:image/png;base64,"))
    pixels = np.array(Image.open(io.BytesIO(raw)).convert("RGBA"))
    assert pixels.shape[:2] == layer.shape
    np.testing.assert_array_equal(pixels[..., 3] == 255, layer.mask)
    with pytest.raises(KeyError, match="fc9"):
        views.mask(session.snapshot(), "fc9.weight")


def test_large_masks_are_averaged_to_what_a_screen_shows():
    mask = np.random.default_rng(0).random((1700, 900)) < 0.1
    packed = np.packbits(mask).tobytes()
    raw = base64.b64decode(images.mask_image(packed, 1700, 900).removeprefix("data:image/png;base64,"))
    pixels = np.array(Image.open(io.BytesIO(raw)).convert("RGBA")).astype(float)
    assert pixels.shape[:2] == (567, 450)
    density = (pixels[..., 3].mean() - 60) / (255 - 60)
    assert density == pytest.approx(mask.mean(), abs=0.01)


def test_a_preview_that_was_not_tested_moves_no_axis(session):
    untested = replace(session.preview(1.0), test_accuracy=None)
    assert views.accuracy(session.history, untested) == views.accuracy(session.history)


def test_accuracy_shows_the_history_the_dense_line_and_the_preview(session):
    preview = session.preview(3.0)
    view = views.accuracy(session.history, preview)
    measured = [100 * s.test_accuracy for s in session.history]
    assert view["data"][0]["y"] == pytest.approx(measured, abs=1e-3)
    assert view["data"][2]["y"] == pytest.approx([100 * preview.test_accuracy], abs=1e-3)
    lines = [s["y0"] for s in view["layout"]["shapes"] if s["type"] == "line"]
    assert lines == pytest.approx([100 * session.snapshot().dense_accuracy])


def test_one_moment_alone_is_a_point_as_no_line_goes_through_it(session):
    untrained, *_, last = (s for s in session.history if s.test_accuracy is not None)
    assert untrained.train_loss is None and last.train_loss is not None
    for history, modes in (([last], ["markers", "markers"]), ([untrained, last], ["lines", "markers"]),
                           ([untrained, last, last], ["lines", "lines"])):  # fmt: skip
        curves = views.accuracy(history)["data"]
        assert [curve["mode"] for curve in curves] == modes
        assert all(curve["marker"]["color"] == curve["line"]["color"] for curve in curves if curve["mode"] == "markers")


def test_a_round_under_way_is_named_by_its_number_until_there_is_room(session):
    """Its name would run into that of the round before."""
    last = session.snapshot()

    def names(*rounds: tuple[int, int, int]) -> list[str]:
        history = [replace(last, round=number, clock=clock) for number, *ends in rounds for clock in ends]
        notes = views.accuracy(history)["layout"]["annotations"]
        return [text for text in (note["text"] for note in notes) if re.fullmatch(r"dense|(round )?\d", text)]

    assert names((0, 1, 900), (1, 900, 1000)) == ["dense", "round 1"]
    assert names((0, 1, 900), (1, 900, 1400), (2, 1400, 1899)) == ["dense", "round 1", "2"]
    assert names((0, 1, 900), (1, 900, 1400), (2, 1400, 1900)) == ["dense", "round 1", "round 2"]


def test_dropout_points_lie_on_the_curve_of_the_rule(session):
    view = views.dropout(session.history)
    for trace in view["data"][1:]:
        expected = 0.5 * np.sqrt(np.array(trace["x"]) / 100)
        np.testing.assert_allclose(trace["y"], expected, atol=1e-3)
        assert len(trace["x"]) == 3, "dense and two rounds"


def test_networks_without_dropout_or_images_say_so():
    torch.manual_seed(0)
    x, y = torch.randn(40, 5), torch.arange(40) % 2
    session = pl.Session(pl.Recipe(epochs=1), model=nn.Linear(5, 2), data=((x, y), (x, y)))
    assert "No dropout" in views.dropout([session.snapshot()])["layout"]["annotations"][0]["text"]
    assert "not the pixels" in views.pixels(session.snapshot())["layout"]["annotations"][0]["text"]


def test_many_layers_are_limited_and_the_title_says_so():
    model = nn.Sequential(*[nn.Linear(5, 5) for _ in range(9)])
    x, y = torch.randn(40, 5), torch.arange(40) % 5
    session = pl.Session(pl.Recipe(epochs=1), model=model, data=((x, y), (x, y)))
    view = views.weights(session.snapshot())
    go.Figure(view)
    assert "6 of 9 layers" in view["layout"]["title"]["text"] and len(view["data"]) == 12
    assert len(views.weights(session.snapshot(), ["8.weight"])["data"]) == 2


def test_a_layer_about_to_lose_everything_is_marked(session):
    words = json.dumps(views.weights(session.preview(10.0)))
    assert "strongest kept" in words


def test_names_of_layers_are_text_whatever_they_hold():
    """plotly.js reads a little HTML: a name of a user's own model is never read so."""
    hostile = '<b onclick="x">a</b>$x$'
    model = nn.Sequential()
    model.add_module("flat", nn.Flatten())
    model.add_module(hostile, nn.Linear(64, 12))
    model.add_module(f"{hostile} rate", nn.Dropout(0.5))
    model.add_module("out", nn.Linear(12, 10))
    session = pl.Session(pl.Recipe(epochs=1), model=model)
    for _ in session.ticks("train"):
        pass
    preview = session.preview(1.0)
    drawn = [views.weights(preview), views.connections(preview), views.mask(preview), views.pixels(preview)]
    drawn += [views.dropout([session.snapshot(), preview]), views.graph(preview)]
    drawn += [views.accuracy(session.history, preview), views.side_by_side("one", preview, "other", preview)]
    for view in drawn:
        shown = {**view, "layout": {name: part for name, part in view["layout"].items() if name != "meta"}}
        text = json.dumps(shown, default=str)
        assert "<b onclick" not in text and "$x$" not in text and "&amp;" not in text, view["layout"]["title"]
    assert hostile in views.summary(views.connections(preview))
