"""The points, the order and the words of hand-made runs."""

import dataclasses
import html
import itertools
import json
import math

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

import prunelab as pl
from prunelab.views import palette
from prunelab.views.compare import compare, side_by_side
from prunelab.views.escaping import escaped, wrapped
from prunelab.views.figure import summary
from prunelab.views.line_charts import MAX_LINES, apart, style


@pytest.fixture(scope="module")
def real():
    session = pl.Session(pl.Recipe(model="mlp-small", epochs=4, retrain_epochs=2, rounds=2, quality=1.8))
    for _ in session:
        pass
    return list(session.history)


@pytest.fixture(scope="module")
def moment(real):
    """A maker of snapshots: (phase, round, accuracy, kept of a hundred)."""
    layer = real[0].layers[0]

    def make(phase, round, accuracy, kept):
        only = dataclasses.replace(layer, kept=kept, total=100)
        return dataclasses.replace(
            real[0], phase=phase, round=round, test_accuracy=accuracy, dense_accuracy=0.98, layers=(only,)
        )

    return make


@pytest.fixture(scope="module")
def runs(moment):
    dense = moment("trained", 0, 0.98, 100)
    return {
        "five rounds": [
            moment("new", 0, 0.1, 100), moment("training", 0, 0.6, 100), dense, moment("pruned", 1, 0.95, 30),
            moment("retraining", 1, 0.96, 30), moment("retrained", 1, 0.981, 30), moment("pruned", 2, 0.9, 5),
            moment("retrained", 2, 0.978, 5),
        ],
        "one shot": [dense, moment("pruned", 1, 0.2, 5), moment("retrained", 1, 0.912, 5)],
    }  # fmt: skip


def test_previews_alone_are_a_curve_of_cuts(moment):
    densities, accuracies = (100, 30, 5), (0.98, 0.95, 0.4)
    previews = [moment("preview", 0, right, kept) for right, kept in zip(accuracies, densities, strict=True)]
    for run in (previews, [moment("trained", 0, 0.98, 100), *previews[1:]]):
        view = compare({"only cut": run})
        go.Figure(view)
        line = trace(view, "only cut")
        assert line["x"] == [100, 30, 5] and line["y"] == pytest.approx([98, 95, 40])
        assert line["line"]["dash"] == "solid" and trace_names(view) == ["only cut"]
        assert "40.0 % at 5.0 % (if cut now)" in summary(view)


def test_a_preview_after_cuts_is_a_drop_of_its_run(moment):
    run = [
        moment("trained", 0, 0.98, 100), moment("pruned", 1, 0.9, 30), moment("retrained", 1, 0.97, 30),
        moment("preview", 1, 0.8, 10),
    ]  # fmt: skip
    view = compare({"run": run})
    assert trace(view, "run")["x"] == [100, 30]
    drops = trace(view, "run, after each cut")
    assert drops["x"] == [100, 30, 30, 10] and drops["marker"]["size"] == [0, 5, 0, 5]


def test_a_session_is_not_run_by_being_compared():
    session = pl.Session(pl.Recipe(model="mlp-small", epochs=1))
    with pytest.raises(TypeError, match="this is a Session: give session.history"):
        compare({"mine": session})
    assert session.phase == "new"


def trace_names(view):
    return [t["name"] for t in view["data"] if t.get("name")]


def trace(view, name):
    return next(t for t in view["data"] if t.get("name") == name)


def test_lines_go_through_what_recovered_and_falls_through_every_cut(runs):
    view = compare(runs)
    go.Figure(view)
    json.dumps(view, allow_nan=False)
    five, falls = trace(view, "five rounds"), trace(view, "five rounds, after each cut")
    assert (five["x"], five["y"]) == ([100, 30, 5], [98, 98.1, 97.8])
    assert (falls["x"], falls["y"]) == ([100, 30, 30, 5, 5], [98, 95, 98.1, 90, 97.8])
    assert [size > 0 for size in falls["marker"]["size"]] == [False, True, False, True, False]
    assert falls["line"]["width"] < five["line"]["width"] and falls["line"]["dash"] == "dot"


def test_the_title_and_the_words_state_the_finding(runs):
    view = compare(runs)
    assert view["layout"]["title"]["text"] == "five rounds: 97.8 % right with 5.0 % of the weights; one shot: 91.2 %"
    assert "five rounds: 98.0 % at 100.0 % (dense), 98.1 % at 30.0 % (round 1, retrained)" in summary(view)
    alone = compare({"five rounds": runs["five rounds"]})
    assert alone["layout"]["title"]["text"] == "five rounds: 97.8 % right with 5.0 % of the weights"
    same = compare({"a": runs["one shot"], "b": runs["one shot"]})
    assert same["layout"]["title"]["text"] == "a and b: equally right, 91.2 %, with 5.0 % of the weights"


def test_kept_weights_run_down_from_all_on_a_logarithmic_axis(runs):
    x = compare(runs)["layout"]["xaxis"]
    assert x["type"] == "log" and x["range"][0] > 2 > math.log10(5) > x["range"][1]
    assert x["ticktext"][:3] == ["100", "50", "20"] and x["tickvals"][-1] == 5


@pytest.mark.parametrize(("given", "level"), [(None, 98), (0.9, 90)])
def test_dense_is_a_dashed_line_known_or_given(runs, given, level):
    line = compare(runs, given)["layout"]["shapes"][0]
    assert line["y0"] == line["y1"] == level
    assert line["line"]["dash"] == "dash" and line["line"]["color"] == palette.DENSE


def test_every_run_is_named_at_its_end(runs):
    view = compare(runs)
    names = {note["text"]: note["y"] for note in view["layout"]["annotations"]}
    assert set(names) == {"five rounds", "one shot", "dense 98.0 %"}
    assert names["dense 98.0 %"] > names["five rounds"] > names["one shot"]
    tie = next(t for t in view["data"] if t["x"][0] == 5 and t["y"][0] == 91.2)
    assert tie["y"][1] == names["one shot"]


def test_a_run_that_was_never_retrained_is_followed_to_its_end(moment, runs):
    bare = [runs["one shot"][0], moment("pruned", 1, 0.9, 40), moment("pruned", 1, 0.45, 10)]
    view = compare({**runs, "no retraining": bare})
    assert trace(view, "no retraining, after each cut")["y"] == [98, 90, 45]
    assert view["layout"]["yaxis"]["range"][0] > 45, "what matters is not flattened"
    assert any("↓ 45 %" in note["text"] for note in view["layout"]["annotations"]), "and the end is named all the same"
    near = compare({"five rounds": runs["five rounds"], "bare": [*bare[:2], moment("pruned", 1, 0.8, 10)]})
    assert near["layout"]["yaxis"]["range"][0] < 80, "an end that is not far below is in the picture"
    many = {str(i): runs["one shot"] for i in range(5)}
    crowded = compare({**many, "no retraining": bare})
    falls = [t["name"] for t in crowded["data"] if "cut" in t.get("name", "")]
    assert falls == ["no retraining, after each cut"], "a crowd shows no falls, but this one is all there is"


def test_a_cut_that_reads_more_than_any_end_is_in_the_picture(moment, runs):
    """With 20 % it reads more than dense, as small networks do; in the end it has lost much."""
    bare = [runs["one shot"][0], moment("pruned", 1, 0.999, 20), moment("pruned", 1, 0.8, 10)]
    view = compare({"bare": bare, "five rounds": runs["five rounds"]})
    assert trace(view, "bare, after each cut")["y"] == [98, 99.9, 80] and view["layout"]["yaxis"]["range"][1] > 99.9


def test_of_many_runs_the_newest_are_shown_each_in_a_style_of_its_own(runs):
    view = compare({f"run {i}": runs["one shot"] for i in range(11)})
    assert view["layout"]["title"]["text"].endswith("(8 of 11 runs shown)")
    drawn = [t for t in view["data"] if t.get("name", "").startswith("run")]
    assert [t["name"] for t in drawn] == [f"run {i}" for i in range(3, 11)]
    looks = {(t["line"]["color"], t["line"]["dash"], t["marker"]["symbol"]) for t in drawn}
    assert len(looks) == MAX_LINES == len({style(i).symbol for i in range(MAX_LINES)})
    chosen = {palette.KEPT, palette.CUT, palette.LINE, palette.OTHER}
    assert {colour for colour, _, _ in looks} == chosen


def test_nothing_to_compare_says_so(real):
    for nothing in ({}, {"a": []}, {"a": [dataclasses.replace(real[0], phase="new")]}):
        view = compare(nothing)
        go.Figure(view)
        assert "Nothing to compare yet" in view["layout"]["annotations"][0]["text"]


def test_a_real_run_is_drawn_as_it_was(real):
    view = compare({"real": real})
    settled = [s for s in real if s.phase in ("trained", "retrained")]
    assert trace(view, "real")["y"] == pytest.approx([100 * s.test_accuracy for s in settled], abs=1e-3)
    assert trace(view, "real")["x"] == pytest.approx([100 * s.density for s in settled], abs=1e-4)


HOSTILE = "<img src=x onerror=alert(1)> & $x^2$ %{x}"


def test_names_are_text_not_markup(runs, real):
    for view in (compare({HOSTILE: runs["one shot"]}), side_by_side(HOSTILE, real[0], HOSTILE, real[-1])):
        go.Figure(view)
        text = json.dumps(view)
        assert "<img" not in text and "$" not in text
        templates = [t["hovertemplate"] for t in view["data"] if "hovertemplate" in t]
        assert not any("onerror" in template or "x^2" in template for template in templates)
    assert html.unescape(trace(compare({HOSTILE: runs["one shot"]}), escaped(HOSTILE))["name"]) == HOSTILE


@given(st.text(), st.integers(4, 30), st.integers(1, 3))
def test_text_survives_or_is_clipped(text, width, most):
    plain = " ".join(text.split())
    back = html.unescape(escaped(text))
    assert back == html.unescape(plain) or back == plain or back.endswith("...")
    assert not set("<>$") & set(escaped(text))
    lines = wrapped(text, width, most).split("<br>")
    assert len(lines) <= most
    assert not set("<>$") & set("".join(lines))


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(1, 8)), min_size=1, max_size=9))
def test_labels_do_not_overlap_and_stay_inside(labels):
    wanted, heights = zip(*labels, strict=True)
    places = apart(wanted, heights, 0, 100)
    boxes = sorted((place - h / 2, place + h / 2) for place, h in zip(places, heights, strict=True))
    assert boxes[0][0] >= -1e-6 and boxes[-1][1] <= 100 + 1e-6
    assert all(above[0] >= below[1] - 1e-6 for below, above in itertools.pairwise(boxes))


def test_labels_that_have_room_stand_at_their_lines():
    assert apart([20, 80], [10, 10], 0, 100) == [20, 80]


def test_two_layers_side_by_side_on_the_same_scales(real):
    trained = next(s for s in real if s.phase == "trained")
    view = side_by_side("before", trained, "after", real[-1], "fc2.weight")
    go.Figure(view)
    json.dumps(view, allow_nan=False)
    left, right = trained.layer("fc2.weight"), real[-1].layer("fc2.weight")
    layout = view["layout"]
    limit = max(left.limit, right.limit)
    assert layout["xaxis"]["range"] == layout["xaxis2"]["range"] == [-limit, limit]
    assert layout["yaxis"]["range"] == layout["yaxis2"]["range"]
    bars = {(t["xaxis"], t["name"]): t for t in view["data"]}
    for axes, layer in (("x", left), ("x2", right)):
        kept = bars[axes, "kept"]
        assert kept["customdata"] == layer.kept_counts.tolist()
        assert kept["marker"]["color"] == palette.KEPT
        area = np.array(kept["y"]) * kept["width"]
        assert area.sum() == pytest.approx(layer.kept * 2 * max(left.limit, right.limit) / 81, rel=1e-4), (
            "equal areas count alike"
        )
    assert {abs(s["x0"]) for s in layout["shapes"]} == {right.threshold}
    assert layout["title"]["text"].startswith("fc2 keeps 100.0 % in before, ")


def test_side_by_side_knows_its_layers(real):
    with pytest.raises(KeyError, match="fc9"):
        side_by_side("a", real[0], "b", real[-1], "fc9.weight")


@pytest.mark.parametrize(("kept", "total"), [(1, 25_000_000), (3, 78_000_000), (1, 2**40)])
def test_a_few_survivors_of_millions_have_a_place_on_the_axis(moment, kept, total):
    deep = moment("pruned", 1, 0.1, kept)
    deep = dataclasses.replace(deep, layers=(dataclasses.replace(deep.layers[0], total=total),))
    view = compare({"deep": [moment("trained", 0, 0.98, 100), deep]})
    x = trace(view, "deep, after each cut")["x"]
    assert x == pytest.approx([100, 100 * kept / total], rel=1e-5)
    assert math.log10(x[-1]) > view["layout"]["xaxis"]["range"][1] > math.log10(x[-1]) - 1


OTHER_METRICS = [
    ({"metric": "R2", "low": None}, r"'one' is judged by accuracy \(0 to 1\), 'other' by R2 \(at most 1\)"),
    ({"metric": "exact match"}, r"'one' is judged by accuracy \(0 to 1\), 'other' by exact match \(0 to 1\)"),
    ({"high": None}, r"'one' is judged by accuracy \(0 to 1\), 'other' by accuracy \(at least 0\)"),
]


@pytest.mark.parametrize(("changes", "words"), OTHER_METRICS)
def test_runs_that_are_judged_by_different_metrics_are_not_drawn_on_one_axis(moment, changes, words):
    one, two = moment("trained", 0, 0.98, 100), moment("trained", 0, 0.4, 100)
    two = dataclasses.replace(two, objective=dataclasses.replace(two.objective, **changes))
    with pytest.raises(ValueError, match=f"views.compare draws one metric: {words}; compare runs of one metric"):
        compare({"one": [one], "other": [two]})


def test_runs_that_learn_by_different_losses_are_compared_by_their_metric(moment):
    run = [moment("trained", 0, 0.98, 100)]
    other = [
        dataclasses.replace(s, objective=dataclasses.replace(s.objective, loss="mine", own=("loss",))) for s in run
    ]
    assert compare({"one": run, "other": other})["data"]
