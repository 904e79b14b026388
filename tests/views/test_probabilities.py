"""The bars are the numbers, the title is the verdict."""

import json
import math

import plotly.graph_objects as go
import pytest

from prunelab.views import palette
from prunelab.views.figure import summary
from prunelab.views.probabilities import probabilities

SEVEN = [0.0, 0.01, 0, 0, 0, 0, 0, 0.98, 0.01, 0]
ONE = [0.0, 0.55, 0, 0, 0, 0, 0, 0.4, 0.05, 0]


def title(view):
    return view["layout"]["title"]["text"]


def test_two_bars_a_class_and_both_verdicts():
    view = probabilities(SEVEN, ONE)
    go.Figure(view)
    json.dumps(view, allow_nan=False)
    assert title(view) == "dense says 7 (98 %), pruned says 1 (55 %)"
    dense, pruned = view["data"]
    assert dense["x"] == [100 * p for p in SEVEN] and pruned["x"] == pytest.approx([100 * p for p in ONE])
    assert (dense["marker"]["color"], pruned["marker"]["color"]) == (palette.DENSE, palette.KEPT)
    assert view["layout"]["yaxis"]["ticktext"] == [str(i) for i in range(10)]
    assert "7: dense 98.0 %, pruned 40.0 %" in summary(view)


def test_agreement_is_said_once():
    assert title(probabilities(SEVEN, SEVEN)) == "both say 7: dense 98 %, pruned 98 %"


def test_one_network_alone_is_drawn_alone():
    assert title(probabilities(SEVEN, None)) == "dense says 7 (98 %)"
    assert title(probabilities(None, ONE)) == "pruned says 1 (55 %)"
    assert title(probabilities(SEVEN, ONE, preview=True)) == "dense says 7 (98 %), if cut now it says 1 (55 %)"
    assert title(probabilities(SEVEN, SEVEN, preview=True)) == "both say 7: dense 98 %, if cut now 98 %"


def test_before_anything_is_drawn_the_view_asks_for_it():
    view = probabilities(None, None)
    go.Figure(view)
    assert title(view) == "Draw a digit" and not view["data"]
    says = view["layout"]["meta"]["says"]
    assert says == "Draw a digit: the dense and the pruned network say here what they read."


def test_classes_may_have_names_equal_ones_and_hostile_ones():
    view = probabilities([0.7, 0.2, 0.1], [0.1, 0.2, 0.7], ["<b>cat</b>", "dog", "dog"])
    assert title(view) == "dense says &lt;b&gt;cat&lt;/b&gt; (70 %), pruned says dog (70 %)"
    assert view["data"][0]["y"] == [0, 1, 2], "two classes of one name keep a bar each"
    assert "<b>cat" not in json.dumps(view)


def test_of_many_classes_the_likeliest_ten_are_shown():
    dense = [0.0] * 40 + [0.1] * 6 + [0.4]
    pruned = [0.05] * 4 + [0.0] * 42 + [0.8]
    view = probabilities(dense, pruned)
    assert title(view) == "both say 46: dense 40 %, pruned 80 % (10 of 47 classes shown)"
    assert [int(t) for t in view["layout"]["yaxis"]["ticktext"]] == [0, 1, 2, *range(40, 47)]


@pytest.mark.parametrize(
    ("dense", "pruned", "words"),
    [
        ([0.5, 0.5], [1.0], "1 probabilities for 2 classes"),
        ([], [], "0 probabilities"),
        ([math.nan, 0.5], None, "nan is no probability"),
        ([2.5, -1.5], None, "softmax"),
    ],
)
def test_what_is_no_probability_is_refused(dense, pruned, words):
    with pytest.raises(ValueError, match=words):
        probabilities(dense, pruned)
