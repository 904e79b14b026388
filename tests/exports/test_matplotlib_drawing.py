"""Matplotlib shows the numbers, colours and words of the view it was given, and all of it on the paper."""

import base64
import io
import itertools

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.patches import Rectangle
from PIL import Image

from prunelab import sensitivity, views
from prunelab.experiments.tradeoff import tradeoff
from prunelab.exports.matplotlib_drawing import draw
from prunelab.exports.matplotlib_style import colour, words
from prunelab.exports.view_list import PICTURES
from prunelab.views.figure import axis, figure
from prunelab.views.registry import REGISTRY

EVERY = [*REGISTRY, "side by side", "empty"]
NAMES = [picture.name for picture in PICTURES]
WIDTHS = (8.5, 17.4)


@pytest.fixture(scope="module")
def shown(history, measurement):
    return {picture.name: picture.draw(history, measurement, None) for picture in PICTURES}


@pytest.fixture(scope="module")
def every(shown, history, session):
    """Each view of the registry, and those that stand in its panels."""
    dense, now = next(s for s in history if s.phase == "trained"), history[-1]
    data = session.data
    curve = tradeoff(session.recipe.changed(epochs=2), densities=[0.3, 0.05], lines=["L2 only cut", "L2 retrained"])
    return shown | {
        "graph": views.graph(now),
        "compare": views.compare({"quality 1.2": history, "another run of a rather long name": history[:-2]}),
        "digits": views.flips(data.test_x.numpy(), data.test_y.numpy(), dense.predicted, now.predicted),
        "draw": views.probabilities([0.1] * 10, [0.55, *[0.05] * 9]),
        "sensitivity": views.sensitivity(sensitivity(session.model, data, densities=(0.5, 0.1))),
        "tradeoff": views.tradeoff(curve),
        "side by side": views.side_by_side("dense", dense, "now", now),
        "empty": views.empty("Nothing measured yet: press the button,<br>and sizes appear here."),
    }


def axes_of(drawn, trace):
    wanted = f"{trace.get('xaxis', 'x')} {trace.get('yaxis', 'y')}"
    return next(axes for axes in drawn.axes if axes.get_label() == wanted)


def test_standing_bars_are_the_histograms(shown):
    view = shown["weights"]
    drawn = draw(view, 17.4)
    for first in range(0, len(view["data"]), 2):
        cut, kept = view["data"][first : first + 2]
        below, above = axes_of(drawn, cut).containers
        for bars, trace, bottoms in ((below, cut, [0] * len(cut["y"])), (above, kept, cut["y"])):
            np.testing.assert_allclose([bar.get_height() for bar in bars], trace["y"])
            np.testing.assert_allclose([bar.get_y() for bar in bars], bottoms)
            np.testing.assert_allclose([bar.get_x() + bar.get_width() / 2 for bar in bars], trace["x"], atol=1e-9)
            np.testing.assert_allclose([bar.get_width() for bar in bars], trace["width"])
            assert {bar.get_facecolor() for bar in bars} == {to_rgba(trace["marker"]["color"])}


def test_stacked_bars_lie_end_to_end_beside_their_names(shown):
    view = shown["connections"]
    (axes,) = draw(view, 8.5).axes
    kept, cut = axes.containers
    np.testing.assert_allclose([bar.get_width() for bar in kept], view["data"][0]["x"])
    np.testing.assert_allclose([bar.get_x() for bar in cut], view["data"][0]["x"])
    np.testing.assert_allclose([bar.get_width() for bar in cut], view["data"][1]["x"])
    ticks = dict(zip(axes.get_yticks(), [text.get_text() for text in axes.get_yticklabels()], strict=True))
    middles = [bar.get_y() + bar.get_height() / 2 for bar in kept]
    names = dict(zip(view["layout"]["yaxis"]["tickvals"], view["layout"]["yaxis"]["ticktext"], strict=True))
    assert [ticks[round(middle)] for middle in middles] == [names[y] for y in view["data"][0]["y"]]


@pytest.mark.parametrize("name", ["size", "speed"])
def test_grouped_bars_have_their_lengths_colours_and_texts_and_do_not_overlap(name, shown):
    view = shown[name]
    drawn = draw(view, 8.5)
    (axes,) = drawn.axes
    spans = []
    for bars, trace in zip(axes.containers, view["data"], strict=True):
        np.testing.assert_allclose([bar.get_width() for bar in bars], trace["x"])
        colours = trace["marker"]["color"]
        colours = [colours] * len(trace["x"]) if isinstance(colours, str) else colours
        assert [bar.get_facecolor() for bar in bars] == [to_rgba(c) for c in colours]
        spans += [(bar.get_y(), bar.get_y() + bar.get_height()) for bar in bars]
    spans.sort()
    assert all(low >= high - 1e-9 for (_, high), (low, _) in itertools.pairwise(spans))
    expected = [text for trace in view["data"] for text in trace["text"]]
    assert [text.get_text() for text in axes.texts if text.get_text() in expected] == expected


def test_curves_and_points_stand_where_the_view_puts_them(shown):
    for name in ("accuracy", "dropout"):
        view = shown[name]
        drawn = draw(view, 8.5)
        lines = [line for axes in drawn.axes for line in axes.lines if len(line.get_xdata()) > 2]
        points = [points for axes in drawn.axes for points in axes.collections]
        curves = [trace for trace in view["data"] if trace["mode"] == "lines"]
        clouds = [trace for trace in view["data"] if trace["mode"] == "markers"]
        assert (len(lines), len(points)) == (len(curves), len(clouds))
        for line, trace in zip(lines, curves, strict=True):
            np.testing.assert_allclose(line.get_xdata(), trace["x"])
            np.testing.assert_allclose(line.get_ydata(), np.array(trace["y"], float))
            assert line.get_color() == to_rgba(trace["line"]["color"])
        for cloud, trace in zip(points, clouds, strict=True):
            np.testing.assert_allclose(cloud.get_offsets(), np.column_stack([trace["x"], trace["y"]]))
            np.testing.assert_allclose(cloud.get_facecolors(), [to_rgba(c) for c in trace["marker"]["color"]])


def test_thresholds_and_the_dense_accuracy_are_lines_of_the_view(shown):
    for name in ("weights", "accuracy"):
        wanted = sorted(s[key] for s in shown[name]["layout"]["shapes"] if s["type"] == "line" for key in ("x0", "y1"))
        drawn = [line for axes in draw(shown[name], 17.4).axes for line in axes.lines if len(line.get_xdata()) == 2]
        assert sorted(v for line in drawn for v in (line.get_xdata()[0], line.get_ydata()[1])) == wanted


def test_bands_of_rounds_reach_over_both_axes(shown):
    drawn = draw(shown["accuracy"], 8.5)
    bands = [p for axes in drawn.axes for p in axes.patches if isinstance(p, Rectangle)]
    rects = [s for s in shown["accuracy"]["layout"]["shapes"] if s["type"] == "rect"]
    assert [(band.get_x(), band.get_x() + band.get_width()) for band in bands] == [(s["x0"], s["x1"]) for s in rects]
    boxes = [axes.get_window_extent() for axes in drawn.axes]
    for band in bands:
        box = band.get_window_extent()
        assert box.y0 == pytest.approx(min(b.y0 for b in boxes)) and box.y1 == pytest.approx(max(b.y1 for b in boxes))


def test_the_map_has_the_colour_of_every_number(shown):
    (trace,) = shown["pixels"]["data"]
    (image,) = draw(shown["pixels"], 8.5).axes[0].images
    cells = np.array(image.get_array())
    rows, columns = np.shape(trace["z"])
    cells = cells[:: cells.shape[0] // rows, :: cells.shape[1] // columns]
    for z, cell in zip(np.ravel(trace["z"]), cells.reshape(-1, 4), strict=True):
        stops = [stop for stop, _ in trace["colorscale"]]
        expected = [
            np.interp(z / trace["zmax"], stops, [colour(c)[channel] for _, c in trace["colorscale"]])
            for channel in range(4)
        ]
        np.testing.assert_allclose(cell, expected, atol=1e-6)
    assert image.get_extent() == [-0.5, columns - 0.5, rows - 0.5, -0.5]


def test_the_mask_is_the_views_image_cell_by_cell(shown, history):
    (source,) = shown["mask"]["layout"]["images"]
    raw = base64.b64decode(source["source"].removeprefix("data:image/png;base64,"))
    expected = np.asarray(Image.open(io.BytesIO(raw)).convert("RGBA"))
    (axes,) = draw(shown["mask"], 8.5).axes
    (image,) = axes.images
    rows, columns = history[-1].layers[0].shape
    cells = np.array(image.get_array())
    np.testing.assert_array_equal(cells[:: cells.shape[0] // rows, :: cells.shape[1] // columns], expected)
    assert image.get_extent() == [0, columns, rows, 0] and (axes.get_xlim(), axes.get_ylim()) == (
        (0, columns),
        (rows, 0),
    )


@pytest.mark.parametrize("name", NAMES)
def test_title_labels_and_ranges_are_the_views(name, shown):
    view = shown[name]
    drawn = draw(view, 8.5)
    (title,) = drawn.texts
    assert " ".join(title.get_text().split()) == view["layout"]["title"]["text"]
    said = {text.get_text() for axes in drawn.axes for text in axes.texts}
    assert {words(note["text"]) for note in view["layout"].get("annotations", ())} <= said
    for trace in view["data"]:
        axes = axes_of(drawn, trace)
        for letter, limits, label in (("x", axes.get_xlim(), axes.xaxis), ("y", axes.get_ylim(), axes.yaxis)):
            spec = view["layout"][f"{letter}axis{trace.get(f'{letter}axis', letter)[1:]}"]
            assert limits == pytest.approx(spec.get("range", limits))
            assert label.get_label_text() in (spec["title"]["text"], "")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_cut_off_and_nothing_runs_into_the_title(name, width, shown, history):
    narrow = (name, width) == ("weights", 8.5)  # all layers beside each other are for a page
    drawn = draw(views.weights(history[-1], ["fc1.weight"]) if narrow else shown[name], width)
    assert drawn.bbox.width / drawn.dpi * 2.54 == pytest.approx(width)
    drawn.canvas.draw()
    ink = np.asarray(drawn.canvas.buffer_rgba())[..., :3].min(axis=2) < 250
    assert ink.any() and not (ink[0].any() or ink[-1].any() or ink[:, 0].any() or ink[:, -1].any())
    (title,) = drawn.texts
    below = max(axes.get_tightbbox().y1 for axes in drawn.axes)
    assert title.get_window_extent().y0 >= below


@pytest.mark.parametrize("name", EVERY)
def test_every_view_of_the_registry_is_drawn_whole(name, every):
    view = every[name]
    drawn = draw(view, 17.4)
    drawn.canvas.draw()
    ink = np.asarray(drawn.canvas.buffer_rgba())[..., :3].min(axis=2) < 250
    assert ink.any() and not (ink[0].any() or ink[-1].any() or ink[:, 0].any() or ink[:, -1].any())
    said = [text.get_text() for axes in drawn.axes for text in axes.texts]
    assert {words(note["text"]) for note in view["layout"].get("annotations", ())} <= set(said)
    for trace in view["data"]:
        axes = axes_of(drawn, trace)
        for letter, axis_ in (("x", axes.xaxis), ("y", axes.yaxis)):
            spec = view["layout"].get(f"{letter}axis{trace.get(f'{letter}axis', letter)[1:]}", {})
            assert axis_.get_visible() == spec.get("visible", True)


def test_dead_neurons_are_hollow_and_faint_lines_are_faint(every):
    view = every["graph"]
    (axes,) = draw(view, 17.4).axes
    alive, dead = axes.collections
    (trace,) = [t for t in view["data"] if t.get("name") == "dead"]
    assert len(dead.get_offsets()) == len(trace["x"]) > 0
    assert not len(dead.get_facecolors()) and len(alive.get_facecolors())
    np.testing.assert_allclose(dead.get_edgecolors()[0], to_rgba(trace["marker"]["color"]))
    lines = [t for t in view["data"] if t["mode"] == "lines"]
    assert [line.get_alpha() for line in axes.lines] == [t["opacity"] for t in lines]


def test_symbols_of_lines_alone_are_seen_and_unknown_ones_are_named():
    lines = [{"type": "scatter", "mode": "markers", "x": [0, 1], "y": [0, 1]}]
    marked = [t | {"marker": {"symbol": "line-ew", "color": "#000000"}} for t in lines]
    (points,) = draw(figure(marked, "Dash"), 8.5).axes[0].collections
    assert points.get_linewidths()[0] > 0
    with pytest.raises(ValueError, match="hexagram-open.*known are circle"):
        draw(figure([t | {"marker": {"symbol": "hexagram-open"}} for t in lines], "Star"), 8.5)


def test_logarithmic_axes_and_ticks_of_ones_own():
    view = figure(
        [{"type": "scatter", "mode": "lines", "x": [100, 10, 1], "y": [1, 2, None], "line": {"color": "#000000"}}],
        "Falls",
        xaxis=axis("kept (%)", type="log", range=[2, 0], tickvals=[100, 10, 1], ticktext=["all", "10", "1"]),
        yaxis=axis("y"),
    )
    (axes,) = draw(view, 8.5).axes
    assert axes.get_xscale() == "log" and axes.get_xlim() == pytest.approx((100, 1))
    assert [text.get_text() for text in axes.get_xticklabels()] == ["all", "10", "1"]
    assert np.isnan(axes.lines[0].get_ydata()[2])


def test_what_views_are_not_made_of_is_an_error():
    with pytest.raises(ValueError, match="pie"):
        draw(figure([{"type": "pie"}], "Pie"), 8.5)
    lines = [{"type": "scatter", "x": [0, 1], "y": [0, 1]}]
    with pytest.raises(ValueError, match="circle"):
        draw(figure(lines, "Circle", shapes=[{"type": "circle", "x0": 0, "x1": 1, "y0": 0, "y1": 1}]), 8.5)
    with pytest.raises(ValueError, match="papaya"):
        colour("papaya")


def test_words_lose_their_markup_and_are_no_formulas():
    assert words("<b>fc1</b> 3 %<br>of &lt;all&gt; $x$") == "fc1 3 %\nof <all> \\$x\\$"
