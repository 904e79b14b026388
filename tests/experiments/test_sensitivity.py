"""One layer at a time, against cuts made by hand on a copy; the model stays as it was."""

import copy
import csv
import io

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import prunelab as pl
from prunelab.data import load
from prunelab.data.custom import is_split
from prunelab.experiments.sensitivity import DENSITIES, sensitivity, stream
from prunelab.results.sensitivity import Point, Sensitivity
from prunelab.training import evaluation
from support.own_models import HOLDING, blobs


@pytest.fixture(scope="module")
def session():
    session = pl.Session(pl.Recipe(model="mlp-small", epochs=6, batch_norm=True))
    for _ in session.train():
        pass
    return session


@pytest.fixture(scope="module")
def plain():
    """A network without batch norm, and its test set."""
    session = pl.Session(pl.Recipe(model="mlp-small", epochs=6))
    for _ in session.train():
        pass
    return session.model, (session.data.test_x, session.data.test_y)


def unchanged(model, before):
    return all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_each_point_is_the_accuracy_of_that_cut_alone(plain):
    model, (x, y) = plain
    result = sensitivity(model, (x, y), densities=(0.5, 0.05))
    whole = evaluation.evaluate(model, x, y)
    assert (result.accuracy, result.samples, result.complete) == (whole.accuracy, len(y), True)
    assert [(p.layer, p.density) for p in result.points] == [
        (layer, density) for layer in ("fc1.weight", "fc2.weight", "fc3.weight") for density in (0.5, 0.05)
    ]
    for point in result.points:
        twin = copy.deepcopy(model)
        weight = twin.get_parameter(point.layer)
        count = round(point.density * weight.numel())
        with torch.no_grad():
            smallest = weight.abs().flatten().sort(descending=True).values[count]
            weight[weight.abs() <= smallest] = 0
        assert (point.kept, point.total) == (count, weight.numel())
        tested = evaluation.evaluate(twin, x, y)
        assert point.accuracy == tested.accuracy and point.loss == pytest.approx(tested.loss, rel=1e-5)
    assert len({p.accuracy for p in result.points}) > 2


def test_train_and_test_are_taken_as_a_session_takes_them(session):
    data = session.data
    train, test = (data.train_x, data.train_y), (data.test_x, data.test_y)
    expected = sensitivity(session.model, data, densities=(0.1,))
    assert sensitivity(session.model, (train, test), densities=(0.1,)).points == expected.points
    sets = [TensorDataset(*part) for part in (train, test)]
    assert sensitivity(session.model, [train, sets[1]], densities=(0.1,)).points == expected.points
    assert sensitivity(session.model, test, densities=(0.1,)).points != expected.points, "one pair: no recalibration"


def test_train_and_test_of_a_regression():
    model = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
    x, y = torch.rand(40, 3), torch.rand(40, 2)
    split = ((x[:30].numpy(), y[:30].numpy()), (x[30:].numpy(), y[30:].numpy()))
    result = pl.sensitivity(model, split, densities=(0.5,), loss="mse")
    assert (
        result.samples == 10 and result.points == pl.sensitivity(model, split[1], densities=(0.5,), loss="mse").points
    )


@pytest.mark.parametrize(
    "pair",
    [
        (torch.ones(2, 3), torch.tensor([0, 1])),
        ([torch.ones(3), torch.zeros(3)], [torch.tensor(0), torch.tensor(1)]),
        ([[1.0, 2.0], [3.0, 4.0]], [0, 1]),
        ([np.ones((4, 4)), np.ones((4, 4))], [np.ones(2), np.ones(2)]),
        None,
    ],
)
def test_one_pair_is_no_split(pair):
    assert not is_split(pair)


def test_the_model_stays_untouched_mode_and_all(session):
    model = session.model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    threads = torch.get_num_threads()
    for _ in stream(model, session.data, densities=(0.1,), threads=1):
        assert unchanged(model, before), "not even for a moment: a lab may go on with it"
    assert unchanged(model, before) and model.training and torch.get_num_threads() == threads


def test_batch_norm_is_measured_again_after_each_cut_if_there_is_training_data(session):
    data = session.data
    result = sensitivity(session.model, data, densities=(0.3, 0.1), layers=["fc1"])
    for point in result.points:
        twin = copy.deepcopy(session.model)
        pl.Masks(twin, layers=["fc1"]).prune(density=point.density)
        evaluation.recalibrate(twin, data.train_x)
        assert point.accuracy == evaluation.evaluate(twin, data.test_x, data.test_y).accuracy
    after = sensitivity(session.model, data, densities=(0.1,), layers=["fc2"]).points
    assert after == sensitivity(session.model, data, densities=(0.1,), layers=["fc1", "fc2"]).points[1:]
    bare = sensitivity(session.model, (data.test_x, data.test_y), densities=(0.1,), layers=["fc1"])
    assert bare.points[0].loss != result.points[1].loss


def test_a_scan_can_be_watched_and_left(plain):
    model, data = plain
    seen = stream(model, data, densities=(0.5, 0.1))
    first = next(seen)
    assert (first.points, first.planned, first.complete, first.ranking) == ((), 6, False, ())
    second = next(seen)
    assert len(second.points) == 1 and first.points == ()
    threads = torch.get_num_threads()
    seen.close()
    assert torch.get_num_threads() == threads
    *_, last = stream(model, data, densities=(0.5, 0.1))
    assert last == sensitivity(model, data, densities=(0.1, 0.5, 0.5))


def test_what_is_cut_already_stays_cut(plain):
    model, data = plain
    pruned = copy.deepcopy(model)
    pl.Masks(pruned).prune(density=0.2, scope="layer")
    result = sensitivity(pruned, data, densities=(0.6, 0.1), layers=["fc1"])
    total = pruned.fc1.weight.numel()
    assert [p.kept for p in result.points] == [round(0.2 * total), round(0.1 * total)]
    assert result.points[0].accuracy == result.accuracy


def made(curves, accuracy=0.98):
    points = tuple(
        Point(layer, density, round(1000 * density), 1000, right, 0.0)
        for layer, curve in curves.items()
        for density, right in curve
    )
    return Sensitivity(accuracy, 0.0, 50, tuple(curves), len(points), points)


def test_what_a_layer_needs_is_how_far_down_it_stays_within_a_point():
    curves = {
        "a": [(0.5, 0.97), (0.1, 0.9), (0.05, 0.98)],  # 0.05 is luck: 0.1 had already failed
        "b": [(0.5, 0.9), (0.1, 0.9), (0.05, 0.1)],
        "c": [(0.5, 0.99), (0.1, 0.98), (0.05, 0.975)],
    }
    result = made(curves)
    assert [result.needs(layer) for layer in "abc"] == [0.5, 1.0, 0.05]
    assert result.needs("a", tolerance=0.1) == 0.05
    assert result.ranking == ("b", "a", "c")
    with pytest.raises(KeyError, match="fc9"):
        result.of("fc9")


def test_layers_that_need_the_same_are_ranked_by_what_they_cost():
    assert made({"a": [(0.5, 0.9)], "b": [(0.5, 0.5)]}).ranking == ("b", "a")


def test_the_table_can_be_read_back():
    result = made({"a": [(0.5, 0.97), (0.1, 0.9)]})
    rows = list(csv.DictReader(io.StringIO(result.to_csv())))
    assert [row["layer"] for row in rows] == ["(none)", "a", "a"]
    assert [float(row["accuracy"]) for row in rows] == [0.98, 0.97, 0.9]
    assert result.rows()[1] == {
        "layer": "a", "density": 0.1, "kept": 100, "total": 1000, "accuracy": 0.9, "loss": 0.0,
        "quality": None,
    }  # fmt: skip


def test_a_convolution_is_cut_like_any_layer():
    torch.manual_seed(0)
    data = load("digits")
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 10))
    result = sensitivity(model, data, densities=(0.25,))
    assert [(p.layer, p.kept) for p in result.points] == [("0.weight", 9), ("3.weight", 360)]


def test_usual_densities_go_down_from_near_all_to_a_hundredth():
    assert list(DENSITIES) == sorted(DENSITIES, reverse=True) and DENSITIES[-1] == 0.01


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"densities": ()}, "densities is empty"),
        ({"densities": (0.0,)}, "density = 0.0"),
        ({"densities": (1.5,)}, "density = 1.5"),
        ({"layers": ["fc9"]}, "fc9"),
        ({"threads": 0}, "threads = 0"),
        ({"data": (torch.zeros(3, 7), torch.tensor([0, 1, 2]))}, "cannot take this data"),
        ({"data": (torch.zeros(3, 64), torch.tensor([0, 1]))}, "3 samples in x, 2 labels"),
        ({"model": nn.ReLU()}, "no Linear or Conv layer"),
    ],
)
def test_what_cannot_be_scanned_is_refused_at_once(plain, changes, words):
    model, data = plain
    arguments = {"model": model, "data": data, **changes}
    with pytest.raises(ValueError, match=words):
        stream(arguments.pop("model"), arguments.pop("data"), **arguments)


@pytest.mark.parametrize("kind", HOLDING)
def test_a_model_that_holds_results_of_its_last_step_is_scanned_as_before(kind):
    build, layer = HOLDING[kind]
    model, fresh, (x, y) = build(), build(), blobs()
    model.eval()
    model(x).sum().backward()
    scans = [pl.sensitivity(each, (x, y), layers=layer, densities=[0.5, 0.1]) for each in (fresh.eval(), model)]
    assert scans[0].points == scans[1].points


@pytest.mark.parametrize("densities", [0.25, np.float32(0.25), np.array([0.25]), (d for d in [0.25])])
def test_one_density_or_several_in_any_iterable(plain, densities):
    model, data = plain

    assert sensitivity(model, data, densities=densities, layers="fc3") == sensitivity(
        model, data, densities=(0.25,), layers="fc3"
    )
