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


@pytest.mark.parametrize(
    ("rates", "says"),
    [
        ([(0.0, 0.0), (0.1, 0.04)], "Dropout fell: drop1 from 0.10 to 0.04"),
        ([(0.2, 0.2), (0.2, 0.07)], "Dropout fell: drop1 from 0.20 to 0.07"),
        ([(0.2, 0.198), (0.5, 0.3), (0.5, 0.2)], "Dropout fell: drop1 from 0.50 to 0.30, drop2 from 0.50 to 0.20"),
        ([(0.1, 0.05), (0.2, 0.1), (0.0, 0.0), (0.3, 0.2)],
         "Dropout fell: drop0 from 0.10 to 0.05, drop1 from 0.20 to 0.10, and 1 more"),
        ([(0.2, 0.1), (0.2, 0.07)], "Dropout fell from 0.20 to 0.07–0.10"),
        ([(0.0, 0.0), (0.2, 0.199)], "Dropout stays near 0.00 and 0.20: little is cut"),
    ],
)  # fmt: skip
def test_only_rates_that_fell_are_named(untrained, rates, says):
    now = untrained.snapshot()
    dropouts = tuple(
        replace(now.dropouts[0], name=f"drop{i}", original=original, rate=rate)
        for i, (original, rate) in enumerate(rates)
    )
    cut = replace(now, phase="pruned", round=1, dropouts=dropouts)
    assert views.dropout([cut])["layout"]["title"]["text"] == says


BLOCK = "transformer.encoder.layers"


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["drop1", "drop2"], ["drop1", "drop2"]),
        ([f"{BLOCK}.{i}.dropout" for i in (3, 4)], ["transfor...3.dropout", "transfor...4.dropout"]),
        ([f"{part}coder.layers.0.dropout" for part in ("en", "de")], ["encoder.l....dropout", "decoder.l....dropout"]),
        ([f"{'a' * 40}{i}{'b' * 40}" for i in (1, 2)], [f"{'a' * 40}{i}..." for i in (1, 2)]),
        (["a < b", "a > b"], ["a &lt; b", "a &gt; b"]),
    ],
    ids=["short", "near the end", "at the start", "in the middle", "markup"],
)
def test_dropouts_with_long_names_are_told_apart(untrained, names, shown):
    now = untrained.snapshot()
    rates = (0.4, 0.3)
    dropouts = tuple(
        replace(now.dropouts[0], name=name, original=0.5, rate=rate) for name, rate in zip(names, rates, strict=True)
    )
    kept = replace(now.dropouts[0], name="kept", original=0.5, rate=0.5)  # else the title names none
    view = views.dropout([replace(now, phase="pruned", round=1, dropouts=(*dropouts, kept))])
    first, second = (f"{name} from 0.50 to {rate:.2f}" for name, rate in zip(shown, rates, strict=True))
    assert view["layout"]["title"]["text"] == f"Dropout fell: {first}, {second}"
    labels = [label["text"] for label in view["layout"]["annotations"]]
    assert labels == ["kept 0.50", *(f"{name} {rate:.2f}" for name, rate in zip(shown, rates, strict=True))]
    hovers = {trace["hovertemplate"] for trace in view["data"] if trace["mode"] == "markers"}
    assert len(hovers) == 3


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
