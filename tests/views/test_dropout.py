"""The title says what happens to the rates, as they are written; labels can be read."""

from dataclasses import replace

import pytest

import prunelab as pl
from prunelab import views
from support.label_boxes import apart


@pytest.fixture(scope="module")
def untrained():
    return pl.Session(pl.Recipe(model="lenet-300-100", dropout=0.2, epochs=1))


@pytest.mark.parametrize(
    ("quality", "says"), [(0.02, "Dropout stays near 0.20: little is cut"), (1.5, "fell from 0.20")]
)
def test_a_rate_that_is_written_alike_is_not_said_to_fall(quality, says):
    session = pl.Session(pl.Recipe(epochs=1))
    session.finish("train")
    cut_now = views.dropout([session.snapshot(), session.preview(quality)])["layout"]["title"]["text"]
    assert says.replace("stays", "would stay").replace("fell", "would fall") in cut_now
    session.prune(quality)
    assert says in views.dropout(list(session.history))["layout"]["title"]["text"]


@pytest.mark.parametrize("fc1", [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0])
@pytest.mark.parametrize("fc3", [0.0, 0.5, 1.0, 2.0])
def test_labels_of_unequal_layers_do_not_lie_on_each_other(untrained, fc1, fc3):
    view = views.dropout([untrained.snapshot(), untrained.preview({"fc1": fc1, "fc2": 0.8, "fc3": fc3})])
    labels = view["layout"]["annotations"]
    assert len(labels) == 2 and apart(view)
    assert max(labels, key=lambda label: label["y"])["yshift"] > 0, "the upper label is above its point"


@pytest.mark.parametrize("count", [1, 3, 6])
def test_any_number_of_equal_rates_is_labelled(untrained, count):
    now = untrained.snapshot()
    many = tuple(replace(now.dropouts[0], name=f"drop{i}") for i in range(count))
    view = views.dropout([replace(now, dropouts=many)])
    assert len(view["layout"]["annotations"]) == count and apart(view)
