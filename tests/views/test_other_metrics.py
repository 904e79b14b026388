"""Pictures of a run whose metric is not accuracy: they name it, and count in its unit."""

from dataclasses import replace

import plotly.graph_objects as go
import pytest

import prunelab as pl
from prunelab import views
from prunelab.exports import narrative
from prunelab.lab import presets, wording
from prunelab.results.objective import Objective
from prunelab.results.sensitivity import Point, Sensitivity
from prunelab.views import key_figures
from prunelab.views.line_charts import axis_around, stepped

R2 = Objective("mse", "R2", None, 1.0, classifies=False)
EXACT = Objective("bce", "exact match", classifies=False)
VALUES = {"trained": 0.953, "pruned": -1.4, "retrained": 0.921}


@pytest.fixture(scope="module")
def run():
    session = pl.Session(pl.Recipe(model="mlp-small", epochs=1, retrain_epochs=1, rounds=1))
    return [s for s in session if s.phase in VALUES]


def judged(run, objective, values=VALUES):
    return [
        replace(s, objective=objective, test_accuracy=values[s.phase], dense_accuracy=values["trained"]) for s in run
    ]


def test_a_metric_without_percent_is_drawn_in_its_own_numbers(run):
    history = judged(run, R2)
    view = views.accuracy(history)
    go.Figure(view)
    curve, axis = view["data"][0], view["layout"]["yaxis"]
    assert curve["y"] == [0.953, -1.4, 0.921] and curve["name"] == "test R2"
    assert axis["title"]["text"] == "R2" and axis["range"][0] < -1.4 and 1 < axis["range"][1] < 1.1
    assert view["layout"]["shapes"][-1]["y0"] == 0.953
    kept = f"{100 * history[-1].density:.1f} %"
    assert view["layout"]["title"]["text"] == f"R2 0.921, 0.032 below dense, with {kept} kept"
    preview = replace(history[0], phase="preview", test_accuracy=0.5)
    assert views.accuracy(history[:1], preview)["layout"]["title"]["text"] == "R2 0.953 now; 0.500 if cut now"
    assert "No R2 yet" in views.summary(views.accuracy([replace(history[0], test_accuracy=None)]))


def test_another_metric_in_percent_has_the_pictures_of_accuracy_with_its_name(run):
    history = judged(run, EXACT, {"trained": 0.9, "pruned": 0.5, "retrained": 0.912})
    view = views.accuracy(history)
    assert view["data"][0]["y"] == [90.0, 50.0, 91.2] and view["layout"]["yaxis"]["range"] == [0.0, 101.0]
    assert view["layout"]["yaxis"]["title"]["text"] == "exact match (%)"
    assert view["layout"]["title"]["text"].startswith("exact match 91.2 %, 1.2 points above dense")


def test_runs_are_compared_in_the_metric(run):
    view = views.compare({"ours": judged(run, R2)})
    go.Figure(view)
    axis = view["layout"]["yaxis"]
    assert axis["title"]["text"] == "R2" and axis["range"] == [
        pytest.approx(0.921 - 0.1 - 0.08 * 0.132, abs=1e-4),
        pytest.approx(0.96356, abs=1e-4),
    ]
    assert view["layout"]["title"]["text"].startswith("ours: R2 0.921 with ")
    texts = [text for trace in view["data"] for text in trace.get("hovertext", ())]
    assert any("R2 -1.400" in text for text in texts) and not any("right" in text for text in texts)
    assert "dense 0.953" in " ".join(note["text"] for note in view["layout"]["annotations"])
    two = views.compare({"a": judged(run, R2), "b": judged(run, R2, {**VALUES, "retrained": 0.9212})})
    assert "equal R2 0.921" in two["layout"]["title"]["text"]


def test_sensitivity_is_drawn_in_the_metric():
    points = tuple(Point("fc1.weight", d, round(100 * d), 100, r2, 0.1) for d, r2 in ((0.5, 0.949), (0.1, -0.3)))
    view = views.sensitivity(Sensitivity(0.95, 0.1, 50, ("fc1.weight",), 2, points, R2))
    go.Figure(view)
    assert view["layout"]["yaxis"]["title"]["text"] == "R2" and view["layout"]["yaxis"]["range"][0] < -0.3
    assert view["layout"]["title"]["text"] == "To lose at most 0.01 fc1 needs 50.0 % of its connections"
    assert "Within 0.01 of 0.950: fc1 needs 50.0 %, ends at R2 -0.300" in view["layout"]["meta"]["summary"]


def test_words_name_the_metric(run):
    now = judged(run, R2)[-1]
    assert key_figures.accuracy(now) == ("0.921", "dense 0.953")
    assert narrative.headline(now, None)[0] == ("R2", "0.921", "dense 0.953")
    assert narrative.title(now.recipe, now).endswith("fewer connections, R2 0.921")
    assert ": SGD with momentum 0.9, " in narrative.told(now.recipe, [now]) and "loss mse, " in narrative.told(
        now.recipe, [now]
    )


@pytest.mark.parametrize(
    ("values", "objective", "low", "high"),
    [
        ([0.91, 0.95], R2, (0.88, 0.91), (1.0, 1.01)),
        ([-30.0, 0.9], R2, (-40.0, -30.0), (1.0, 2.0)),
        ([3.0, 8.0], Objective(low=None, high=None), (0.0, 3.0), (8.0, 10.0)),
        ([2.0], Objective(low=None, high=None), (1.9, 2.0), (2.0, 2.1)),
    ],
)
def test_an_axis_holds_all_values_and_little_more(values, objective, low, high):
    start, end = stepped(values, objective)
    assert low[0] <= start < low[1] and high[0] < end <= high[1]


def test_an_axis_stays_within_the_bounds_of_its_metric():
    assert axis_around(1.0, 99.0, 0.08, EXACT) == [0, 101] and axis_around(0.1, 0.99, 0.1, R2) == [0.011, 1.01]


# A metric without a range, in any unit: the same error in micrometres, metres and megametres.
UNITS = [1e-6, 1e-3, 1.0, 1e3, 1e6]
ERROR = Objective("mae", "minus error", None, 0.0, classifies=False)
MENDED = {"trained": -1.0, "pruned": -2.0, "retrained": -1.02}


def in_unit(run, unit, objective=ERROR, values=MENDED):
    return judged(run, objective, {phase: unit * value for phase, value in values.items()})


@pytest.mark.parametrize("objective", [ERROR, replace(ERROR, high=None), replace(ERROR, low=0.0, high=None)])
@pytest.mark.parametrize("unit", UNITS)
def test_the_unit_of_a_metric_decides_nothing_and_its_values_can_be_read(run, unit, objective):
    sign = 1.0 if objective.low == 0 else -1.0
    values = {phase: 3 + value if sign > 0 else value for phase, value in MENDED.items()}  # 2, 1 and 1.98
    history = in_unit(run, unit, objective, values)
    dense, _, now = (s.test_accuracy for s in history)
    assert float(objective.text(now)) == pytest.approx(now, rel=0.01)
    assert float(objective.gap(dense - now)) == pytest.approx(dense - now, rel=0.01)
    title = views.accuracy(history)["layout"]["title"]["text"]
    assert "below dense" in title and "as good as dense" not in title
    equal = in_unit(run, unit, objective, {**values, "retrained": values["trained"] * 1.0001})
    assert "as good as dense" in views.accuracy(equal)["layout"]["title"]["text"]
    assert "This cut was deep" in wording.went_too_deep(history[1])
    assert wording.went_too_deep(history[2]) is None, "2 % are no harm"
    unmended = in_unit(run, unit, objective, {**values, "retrained": values["pruned"]})
    assert "did not mend" in wording.went_too_deep(unmended[2])
    for view in (views.accuracy(history), views.compare({"ours": history})):
        low, high = view["layout"]["yaxis"]["range"]
        assert low <= min(dense, now) and dense <= high, "the picture holds both"
        assert high - low < 3 * abs(dense), "and is not flat"


@pytest.mark.parametrize("unit", UNITS)
def test_runs_are_told_apart_in_every_unit(run, unit):
    ours, theirs = in_unit(run, unit), in_unit(run, unit, values={**MENDED, "retrained": -1.5})
    compared = views.compare({"ours": ours, "theirs": theirs})["layout"]["title"]["text"]
    assert compared.startswith("ours: minus error") and "equal" not in compared
    preset = presets.presets(ours[0].recipe)[0]
    assert "hardly a difference" not in preset.says((theirs[-1], ours[-1]))
    near = in_unit(run, unit, values={**MENDED, "retrained": -1.0201})
    assert "hardly a difference" in preset.says((near[-1], ours[-1]))
    assert "equal minus error" in views.compare({"a": near, "b": ours})["layout"]["title"]["text"]


@pytest.mark.parametrize(
    ("objective", "values", "scale"),
    [
        (EXACT, (0.1, 0.2), 1.0),
        (R2, (0.1, -40.0), 1.0),
        (Objective(low=-1.0, high=1.0), (0.1,), 2.0),
        (Objective(low=0.0, high=100.0), (3.0,), 100.0),
        (ERROR, (-3.0, -7.5), 7.5),
        (ERROR, (0.0,), 1.0),
    ],
)
def test_differences_are_judged_by_the_range_or_the_values(objective, values, scale):
    assert objective.scale(*values) == scale


@pytest.mark.parametrize(
    ("metric", "shown"), [("AUC", "AUC"), ("mIoU", "MIoU"), ("R2", "R2"), ("accuracy", "Accuracy")]
)
def test_a_moment_between_two_tests_calls_the_metric_by_its_name(run, metric, shown):
    history = judged(run, Objective("mine", metric))
    view = views.accuracy(history, moment=replace(history[1], test_accuracy=None))
    assert view["layout"]["title"]["text"] == f"{shown} was not measured at this moment"
