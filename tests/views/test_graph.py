"""The graph: units, who reads whom, which are dead and which lines are drawn, against cases computed by hand."""

import copy
import json
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import prunelab as pl
from prunelab import models
from prunelab.results.snapshot import LayerSnapshot, Snapshot
from prunelab.sessions.snapshot_arrays import strongest
from prunelab.views import palette
from prunelab.views.figure import summary
from prunelab.views.graph import MOST_DOTS, graph
from prunelab.views.network_columns import Column, columns, folded


def layer_of(name, weight, mask=None):
    """A layer with this weight; kept is what is not zero, unless a mask says otherwise."""
    weight = torch.as_tensor(weight, dtype=torch.float32)
    mask = weight != 0 if mask is None else torch.as_tensor(mask)
    order, strengths = strongest(weight, mask)
    counts = np.zeros(81, np.int32)
    return LayerSnapshot(
        name, tuple(weight.shape), int(mask.sum()), mask.numel(), None, None, None, False, None, None, 1.0, counts,
        counts, np.packbits(mask.numpy()).tobytes(), order, strengths,
    )  # fmt: skip


def snapshot_of(*layers, shape=(3,), phase="pruned", dead=0):
    """dead: how many units of each layer, or of all but the last together, a look at the paths would find dead."""
    counts = dead if isinstance(dead, tuple) else (dead, *[0] * (len(layers) - 1))
    layers = tuple(replace(x, dead=n, effective=x.kept) for x, n in zip(layers, counts, strict=True))
    return Snapshot(
        phase=phase, round=1, rounds=1, step=0, steps=0, clock=0, recipe=pl.Recipe(), target=None,
        train_loss=None, train_accuracy=None,
        test_loss=None, test_accuracy=0.5, dense_accuracy=0.9, zeros_hold=True, exact=True, input_shape=shape,
        layers=layers, dropouts=(), predicted=np.zeros(0, np.uint8),
    )  # fmt: skip


# Three inputs, four neurons, two outputs. Nobody reads input 1; neuron 1 reads nothing, neuron 2 is read by nobody.
FIRST = [[1.0, 0, -3.0], [0, 0, 0], [2.0, 0, 0], [0, 0, 0.5]]
SECOND = [[4.0, 1.0, 0, 0], [0, 0, 0, -2.0]]
SMALL = snapshot_of(layer_of("fc1.weight", FIRST), layer_of("fc2.weight", SECOND), dead=2)


def hovers(view):
    return {text for trace in view["data"] for text in trace.get("hovertext", ())}


def lines(view):
    """The lines drawn, as pairs of ends (x, y), strongest trace first."""
    found = []
    for trace in reversed([t for t in view["data"] if t["mode"] == "lines"]):
        points = list(zip(trace["x"], trace["y"], strict=True))
        assert all(gap == (None, None) for gap in points[2::3])
        found.append(list(zip(points[0::3], points[1::3], strict=True)))
    return found


def test_a_hand_made_network_says_what_is_dead_and_what_is_drawn():
    view = graph(SMALL)
    go.Figure(view)
    assert view["layout"]["title"]["text"] == "2 of 6 neurons are dead; all 7 survivors are drawn"
    assert "inputs: 1 of 3 unread; fc1: 2 of 4 dead; fc2: 0 of 2 dead" in summary(view)
    assert hovers(view) >= {
        "input 1: 0 of 4 out", "input 2: 2 of 4 out", "fc1 neuron 0: 2 of 3 in, 1 of 2 out",
        "fc1 neuron 1: 0 of 3 in, 1 of 2 out", "fc1 neuron 2: 1 of 3 in, 0 of 2 out", "fc2 neuron 0: 2 of 4 in",
    }  # fmt: skip
    dead = next(trace for trace in view["data"] if trace["name"] == "dead")
    assert {text.partition(":")[0] for text in dead["hovertext"]} == {"input 1", "fc1 neuron 1", "fc1 neuron 2"}
    assert dead["marker"]["color"] == palette.QUIET
    assert sum(map(len, lines(view))) == 7


def test_a_preview_says_what_would_be():
    layers = SMALL.layers
    assert (
        "2 of 6 neurons would be dead"
        in graph(snapshot_of(*layers, phase="preview", dead=2))["layout"]["title"]["text"]
    )


def test_the_strongest_are_drawn_first_and_shared_out_among_the_layers():
    view = graph(SMALL, most=2)
    title = view["layout"]["title"]["text"]
    assert title.endswith("drawn are each layer's strongest, 2 of 7 survivors")
    at = {}
    for trace in view["data"]:
        for x, y, text in zip(trace["x"], trace["y"], trace.get("hovertext", ()), strict=False):
            at[text.partition(":")[0]] = (x, y)
    drawn = {line for group in lines(view) for line in group}
    assert drawn == {(at["input 2"], at["fc1 neuron 0"]), (at["fc1 neuron 0"], at["fc2 neuron 0"])}
    assert sum(map(len, lines(graph(SMALL, most=5)))) == 5, "what the small layer leaves goes to the other"


def test_no_line_is_a_valid_picture():
    view = graph(SMALL, most=0)
    go.Figure(view)
    assert sum(map(len, lines(view))) == 0


def test_filters_are_dots_and_flattened_channels_are_read_in_runs():
    torch.manual_seed(0)
    conv = torch.zeros(2, 1, 3, 3)
    conv[0, 0, :, 0] = 1.0  # three weights, one line
    fc = torch.zeros(2, 8)  # two channels of 2 x 2
    fc[0, 0], fc[0, 3], fc[1, 2] = 1.0, 2.0, 3.0
    view = graph(snapshot_of(layer_of("conv1.weight", conv), layer_of("fc.weight", fc), shape=(1, 6, 6), dead=1))
    assert hovers(view) >= {
        "channel 0: 3 of 18 out", "conv1 filter 0: 3 of 9 in, 3 of 8 out", "conv1 filter 1: 0 of 9 in, 0 of 8 out",
    }  # fmt: skip
    assert sum(map(len, lines(view))) == 3, "one to the filter, one to each neuron"
    assert view["layout"]["title"]["text"] == "1 of 4 neurons or filters is dead; all 6 survivors are drawn"


def test_grouped_convolutions_read_their_own_channels():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(4, 6, 1, groups=2), nn.Flatten(), nn.Linear(6 * 4, 3))
    with torch.no_grad():
        model[0].weight[:3, 1] = 0  # nobody reads channel 1; a look at gradients says the same
    x = torch.rand(8, 4, 2, 2, requires_grad=True)
    model(x).sum().backward()
    silent = x.grad.abs().sum((0, 2, 3)) == 0
    found, readings = columns(snapshot_of(layer_of("0.weight", model[0].weight), layer_of("2.weight", model[2].weight),
                                          shape=(4, 2, 2)))  # fmt: skip
    assert found[0].dead.tolist() == silent.tolist() == [False, True, False, False]
    assert [(r.groups, r.run) for r in readings] == [(2, 1), (1, 4)]


def test_a_layer_that_does_not_fit_gets_inputs_of_its_own():
    view = graph(snapshot_of(layer_of("a.weight", torch.ones(4, 3)), layer_of("b.weight", torch.ones(2, 7))))
    assert {"into b input 6: 2 of 2 out", "a neuron 0: 3 of 3 in"} <= hovers(view)
    assert view["layout"]["title"]["text"].startswith("No neuron is dead"), "nobody is known to read a: not called dead"


@pytest.fixture(scope="module")
def mnist_sized():
    torch.manual_seed(0)
    x, y = torch.rand(40, 1, 28, 28), torch.arange(40) % 10
    model = models.build("lenet-300-100", (1, 28, 28), 10)
    session = pl.Session(pl.Recipe(epochs=1), model=model, data=((x, y), (x, y)))
    for _ in session.train():
        pass
    session.prune(1.6)
    return session


def test_at_784_inputs_dots_and_lines_stay_few_and_the_picture_says_so(mnist_sized):
    snapshot = mnist_sized.snapshot()
    view = graph(snapshot)
    go.Figure(view)
    assert sum(len(t["x"]) for t in view["data"] if t["mode"] == "markers") == 392 + 300 + 100 + 10
    assert sum(map(len, lines(view))) <= 300
    assert "inputs: 0 of 784 unread, 2 a dot" in summary(view)
    assert "784, 2 a dot" in json.dumps(view["layout"]["annotations"])
    assert len(json.dumps(view, allow_nan=False)) < 120_000
    assert any(text.startswith("inputs 28 to 29 (row 1, column 0): ") for text in hovers(view))


def test_a_last_dot_of_fewer_units_counts_these_alone():
    view = graph(snapshot_of(layer_of("fc.weight", torch.ones(2, 1501)), shape=(1501,)))
    assert "inputs 1498 to 1499: 4 of 4 out" in hovers(view) and "input 1500: 2 of 2 out" in hovers(view)


def test_counts_and_the_dead_are_the_masks(mnist_sized):
    masks = mnist_sized.masks
    found, _ = columns(mnist_sized.snapshot())
    for column, into, out in zip(found[1:3], ("fc1", "fc2"), ("fc2", "fc3"), strict=True):
        np.testing.assert_array_equal(column.into.kept, masks[into].sum(1))
        np.testing.assert_array_equal(column.out.kept, masks[out].sum(0))
        one_sided = ~masks[into].any(1) | ~masks[out].any(0)
        assert not (one_sided.numpy() & ~column.dead).any(), "a unit without connections on a side is on no path"


def test_a_unit_with_connections_on_both_sides_is_dead_if_no_path_leads_through_them():
    # Neuron 0 of a reads the input; neuron 1 reads nothing, and is all that neuron 1 of b reads. Output 0 reads both.
    a, b, c = [[1.0], [0]], [[1.0, 0], [0, 1.0]], [[1.0, 1.0]]
    layers = (layer_of("a.weight", a), layer_of("b.weight", b), layer_of("c.weight", c))
    snapshot = snapshot_of(*layers, shape=(1,), dead=(1, 1, 0))
    found, _ = columns(snapshot)
    assert [column.dead.tolist() for column in found] == [[False], [False, True], [False, True], [False]]
    assert graph(snapshot)["layout"]["title"]["text"].startswith("2 of 5 neurons are dead")


@pytest.mark.parametrize("quality", [1.0, 1.6, 2.0, 2.5, 3.0])
def test_as_many_are_dead_as_everywhere_else(mnist_sized, quality):
    preview = mnist_sized.preview(quality)
    found, _ = columns(preview)
    assert [int(column.dead.sum()) for column in found[1:]] == [layer.dead for layer in preview.layers]
    title = graph(preview)["layout"]["title"]["text"]
    assert title.startswith(f"{preview.dead:,} of 410 neurons would be dead" if preview.dead else "No neuron would")


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=12))
def test_folding_keeps_every_unit_and_few_dots(sizes):
    found = folded([Column(str(i), "neuron", size) for i, size in enumerate(sizes)], MOST_DOTS)
    assert sum(column.dots for column in found) <= MOST_DOTS
    assert all((column.dots - 1) * column.fold < column.units <= column.dots * column.fold for column in found)
    if sum(sizes) <= MOST_DOTS:
        assert all(column.fold == 1 for column in found)


def test_names_of_layers_cannot_be_markup():
    view = graph(snapshot_of(layer_of("<b>x</b>.weight", torch.ones(2, 3))))
    assert "<b>x" not in json.dumps([view["data"], view["layout"]["meta"]])
    assert any(text.startswith("&lt;b&gt;x&lt;/b&gt; neuron 0") for text in hovers(view))


TRANSPOSED = [(4, 6, 1, 3), (6, 4, 2, 2), (3, 9, 3, 1), (8, 8, 8, 3), (5, 2, 1, 4)]  # inputs, outputs, groups, kernel


@pytest.mark.parametrize(("inputs", "outputs", "groups", "kernel"), TRANSPOSED)
def test_transposed_convolutions_read_their_inputs_and_give_their_outputs(inputs, outputs, groups, kernel):
    generator = torch.Generator().manual_seed(inputs)
    weight = torch.rand(inputs, outputs // groups, kernel, generator=generator) + 0.5
    weight *= torch.rand(weight.shape, generator=generator) < 0.4
    weight[0, 0, 0] = 1.0
    ones = torch.eye(inputs)[:, :, None]  # a sample for each input alone: its outputs are those that read it
    reads = torch.nn.functional.conv_transpose1d(ones, (weight != 0).float(), groups=groups).sum(2).long().T
    layer = replace(layer_of("up.weight", weight), transposed=groups)
    assert layer.sizes == (outputs, inputs // groups, kernel)
    snapshot = snapshot_of(layer, shape=(inputs, 8), dead=int((reads.sum(1) == 0).sum()))
    (into, out), (reading,) = columns(snapshot)
    assert (into.units, out.units) == (inputs, outputs)
    assert out.into.kept.tolist() == reads.sum(1).tolist() and out.into.possible == inputs // groups * kernel
    assert into.out.kept.tolist() == reads.sum(0).tolist()
    assert out.dead.tolist() == (reads.sum(1) == 0).tolist()
    starts, ends = reading.units(layer, np.flatnonzero(layer.mask))
    found = np.zeros((outputs, inputs), int)
    np.add.at(found, (ends, starts), 1)
    assert found.tolist() == reads.tolist()


@pytest.mark.parametrize("groups", [1, 2])
def test_the_title_counts_the_filters_of_transposed_convolutions(groups, tmp_path):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.ConvTranspose2d(8, 32, 3, padding=1, groups=groups), nn.ReLU(),
        nn.Conv2d(32, 2, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    )  # fmt: skip
    x = torch.rand(16, 1, 6, 6)
    data = (x, (x.mean((1, 2, 3)) > 0.5).long())
    session = pl.Session(pl.Recipe(), model=model, data=(data, data), trained=True)
    session.prune(density=0.15)
    now = session.snapshot()
    assert [layer.sizes[0] for layer in now.layers] == [8, 32, 2] and 0 < now.dead < 42
    assert [c.units for c in columns(now)[0]] == [1, 8, 32, 2]
    view = graph(now)
    assert view["layout"]["title"]["text"].startswith(f"{now.dead} of 42 neurons or filters are dead")
    dead = next(trace for trace in view["data"] if trace["name"] == "dead")
    assert len(dead["x"]) == now.dead
    session.save(tmp_path)
    model = copy.deepcopy(model)
    again = pl.Session.load(tmp_path, model=model, data=(data, data))
    assert graph(again.history[-1]) == view
