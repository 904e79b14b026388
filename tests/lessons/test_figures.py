"""Pictures of the lessons: valid for plotly, drawn for print, and with all figures in words."""

import itertools

import plotly.graph_objects as go
import pytest

from prunelab import views
from prunelab.exports.matplotlib_drawing import draw
from prunelab.lessons import figures

DENSITIES = [1, 0.5, 0.1]
ROWS = [[98.0, 97.0, 80.0], [97.0, 96.0, 70.0]]
VIEWS = {
    "curves": figures.curves(DENSITIES, {"cut <only>": ROWS, "retrained": ROWS[:1]}, "finding"),
    "deep curves": figures.curves(DENSITIES, {"cut": [[98.0, 60.0, 10.0]]}, "finding"),
    "seeds": figures.seeds({"dense": [98, 97.5], "cut": [96, 97]}, "finding"),
    "far seeds": figures.seeds({"dense": [98, 97.5], "cut to 5 %, not yet retrained": [66, 90]}, "finding"),
    "one column": figures.seeds({"dense": [98, 97.5, 99.2]}, "finding"),
    "bars": figures.bars({"dense": 203024, "cut": 24652}, "finding", "bytes"),
    "lines": figures.lines([1, 2, 3], {"constant": [26, 26, 26], "rising": [50, 20, 6.6]}, "finding",
                           across="round", up="kept (%)"),
}  # fmt: skip


@pytest.mark.parametrize("name", VIEWS)
def test_views_are_valid_and_drawn_for_print(name):
    go.Figure(VIEWS[name])
    assert draw(VIEWS[name], 12).axes


@pytest.mark.parametrize("name", VIEWS)
def test_their_text_alternative_has_the_title_and_every_series(name):
    said = views.summary(VIEWS[name])
    assert said.startswith("finding. ") and said.endswith(".")
    for series in {"curves": ["cut <only>", "retrained"], "bars": ["203,024"], "lines": ["6.6 at 3"]}.get(name, []):
        assert series in said


def test_every_seed_is_a_thin_line_and_their_mean_a_thick_one():
    traces = [t for t in VIEWS["curves"]["data"] if t["mode"] == "lines"]
    widths = [(t["name"], t["line"]["width"], t["y"]) for t in traces]
    assert ("retrained, seed 0", 1, ROWS[0]) in widths
    assert ("cut &lt;only&gt;, mean", 2.5, [97.5, 96.5, 75.0]) in widths
    assert sum(width == 1 for _, width, _ in widths) == 3


def test_what_falls_far_leaves_the_picture_and_its_name_says_how_far():
    view = VIEWS["deep curves"]
    assert view["layout"]["yaxis"]["range"][0] > 50
    assert any("↓ 10 %" in each["text"] for each in view["layout"]["annotations"])


def test_a_short_axis_is_ruled_in_digits_a_long_one_is_not():
    marks = VIEWS["seeds"]["layout"]["yaxis"]["tickvals"]
    steps = {round(b - a, 3) for a, b in itertools.pairwise(marks)}
    assert steps <= {0.278, 0.279} and min(marks) % (100 / 359) < 0.28
    assert "tickvals" not in VIEWS["far seeds"]["layout"]["yaxis"]


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: figures.curves(DENSITIES, {}, ""), "0 lines"),
        (lambda: figures.curves(DENSITIES, {"a": [[1.0]]}, ""), "a: needs one value for each of 3 points"),
        (lambda: figures.curves(DENSITIES, {"a": []}, ""), "at least one seed"),
        (lambda: figures.seeds({"a": [1], "b": [1, 2]}, ""), "as many in all"),
        (lambda: figures.seeds({}, ""), "columns none"),
        (lambda: figures.lines([1, 2], {"a": [1]}, "", across="", up=""), "each of 2 points"),
        (lambda: figures.lines([1], {str(i): [1] for i in range(9)}, "", across="", up=""), "9 lines"),
    ],
)
def test_what_cannot_be_drawn_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()
