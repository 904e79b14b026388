"""Losses and metrics against NumPy and values computed by hand."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import prunelab as pl
from prunelab.errors import SessionError
from prunelab.results.objective import CLASSIFYING, Objective
from prunelab.training import evaluation, objective, steps


def pairs(samples: int = 613, outputs: int = 2):
    """(outputs, targets), float32."""
    random = np.random.default_rng(5)
    made = (random.normal(size=(samples, outputs)).astype(np.float32) for _ in range(2))
    return tuple(map(torch.from_numpy, made))


def r2_by_hand(output, target) -> float:
    o, t = output.double().numpy(), target.double().numpy()
    return float((1 - ((t - o) ** 2).sum(0) / ((t - t.mean(0)) ** 2).sum(0)).mean())


def test_losses_are_their_formulas():
    output, target = pairs()
    o, t = output.double().numpy(), target.double().numpy()
    assert float(objective.mse(output, target)) == pytest.approx(((o - t) ** 2).mean(), rel=1e-6)
    yes = (target > 0.3).long()
    p, y = 1 / (1 + np.exp(-o)), yes.numpy()
    by_hand = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()
    assert float(objective.bce(output, yes)) == pytest.approx(by_hand, rel=1e-5)


def test_metrics_are_their_formulas():
    output, target = pairs()
    assert objective.r2(output, target) == pytest.approx(r2_by_hand(output, target), rel=1e-9)
    # sum of squared errors 0.25 + 0 + 0.25, around the mean 2 + 0 + 2
    assert objective.r2(torch.tensor([1.5, 2.0, 2.5]), torch.tensor([1.0, 2.0, 3.0])) == 0.75
    assert objective.r2(target, target) == 1.0
    scores = torch.tensor([[2.0, -1.0], [0.5, 0.1], [-3.0, 4.0], [-1.0, -1.0]])
    labels = torch.tensor([[1, 0], [1, 0], [0, 1], [1, 0]])
    assert objective.exact_match(scores, labels) == 0.5, "samples 0 and 2"
    assert objective.decisions(scores, labels) == 6 / 8
    assert objective.accuracy(scores, torch.tensor([0, 0, 1, 1])) == 0.75, "of equal scores the first counts"


def test_a_target_that_does_not_vary_gives_one_if_met_and_else_zero():
    still, off = torch.full((5,), 3.0), torch.tensor([3.0, 3.0, 3.0, 3.0, 4.0])
    assert objective.r2(still, still) == 1.0 and objective.r2(off, still) == 0.0


def test_a_column_and_a_row_of_targets_are_the_same_and_nothing_is_repeated():
    output, target = pairs(outputs=1)
    flat = target.squeeze(1)
    for o, t in ((output, flat), (output.squeeze(1), target), (output, target)):
        assert float(objective.mse(o, t)) == pytest.approx(float(((output - target) ** 2).mean()), rel=1e-6)
    assert objective.mse(output, flat.double()).dtype == torch.float32, "targets take the type of the outputs"
    with pytest.raises(ValueError, match=r"outputs of shape \(613, 2\), targets of shape \(613,\)"):
        objective.mse(pairs()[0], flat)


@pytest.mark.parametrize(("loss", "function"), [("mse", F.mse_loss), ("bce", F.binary_cross_entropy_with_logits)])
def test_an_evaluation_is_of_all_samples_whatever_its_chunks(loss, function):
    _, target = pairs()
    target = (target > 0).float() if loss == "bce" else target
    x, model = torch.randn(613, 3, generator=torch.Generator().manual_seed(0)), nn.Linear(3, 2)
    assert len(x) % evaluation.CHUNK and len(x) > evaluation.CHUNK, "the last chunk is short"
    functions = objective.loss_and_metric(loss, None, target)
    tested = evaluation.evaluate(model, x, target, functions)
    with torch.no_grad():
        output = model(x)
    assert tested.loss == pytest.approx(float(function(output, target)), rel=1e-5)
    expected = (
        r2_by_hand(output, target) if loss == "mse" else float(((output > 0) == (target > 0.5)).all(1).float().mean())
    )
    assert tested.accuracy == pytest.approx(expected, rel=1e-6) and len(tested.predicted) == 0


@pytest.mark.parametrize("loss", [F.cross_entropy, nn.CrossEntropyLoss()], ids=["function", "module"])
@pytest.mark.parametrize("shape", [(), (7,), (4, 5)], ids=["classes", "sequences", "pictures"])
def test_the_test_loss_of_classes_at_every_place_is_the_mean_over_all(loss, shape):
    torch.manual_seed(0)
    x, y = torch.randn(613, 6, *shape), torch.randint(3, (613, *shape))
    model = nn.Conv1d(6, 3, 1) if len(shape) == 1 else nn.Conv2d(6, 3, 1) if shape else nn.Linear(6, 3)
    functions = objective.loss_and_metric(loss, lambda o, t: (o.argmax(1) == t).double().mean(), y)
    with torch.no_grad():
        expected = float(F.cross_entropy(model(x).double(), y))
    assert evaluation.evaluate(model, x, y, functions).loss == pytest.approx(expected, rel=1e-5)


def test_a_step_follows_the_loss_and_gives_no_accuracy_of_other_metrics():
    output, target = pairs(64)
    models = [nn.Linear(2, 2) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    optimizers = [torch.optim.SGD(m.parameters(), lr=0.1) for m in models]
    functions = objective.loss_and_metric("mse", None, target)
    loss, accuracy = steps.training_step(models[0], optimizers[0], output, target, functions=functions)
    by_hand = ((models[1](output) - target) ** 2).mean()
    by_hand.backward()
    optimizers[1].step()
    assert loss == pytest.approx(float(by_hand.detach())) and accuracy is None
    torch.testing.assert_close(models[0].weight, models[1].weight)


@pytest.mark.parametrize(
    ("loss", "metric", "outputs", "expected"),
    [
        (None, None, 1, ("cross-entropy", "accuracy", 0.0, True)),
        ("mse", None, 1, ("mse", "R2", None, False)),
        ("bce", None, 1, ("bce", "accuracy", 0.0, False)),
        ("bce", None, 3, ("bce", "exact match", 0.0, False)),
        ("bce", "accuracy", 3, ("bce", "accuracy", 0.0, False)),
        (nn.HuberLoss(), "R2", 1, ("HuberLoss", "R2", None, False)),
        (F.cross_entropy, "accuracy", 1, ("cross entropy", "accuracy", 0.0, True)),
        (lambda o, t: o.mean(), pl.Metric(lambda o, t: 0, "fit", -2, None), 1, ("own loss", "fit", -2, False)),
        (None, lambda o, t: 0.5, 1, ("cross-entropy", "own metric", 0.0, True)),
    ],
)
def test_an_objective_is_named_for_its_loss_and_metric(loss, metric, outputs, expected):
    made = objective.loss_and_metric(loss, metric, torch.zeros(4, outputs)).objective
    assert (made.loss, made.metric, made.low, made.classifies) == expected
    assert made.own == tuple(
        n for n, f in (("loss", loss), ("metric", metric)) if f is not None and not isinstance(f, str)
    )
    assert Objective.from_dict(made.to_dict()) == made


@pytest.mark.parametrize(
    ("loss", "metric", "words"),
    [
        ("msee", None, "loss = 'msee': did you mean 'mse'"),
        ("bce", "R2", "metric = 'R2' with loss = 'bce': .*exact match"),
        (None, "exact match", "metric = 'exact match' with loss = 'cross-entropy'"),
        (nn.MSELoss(), None, "a loss of your own needs a metric"),
        (3, None, "loss = 3"),
    ],
)
def test_names_that_do_not_exist_or_fit_are_refused(loss, metric, words):
    with pytest.raises(SessionError, match=words):
        objective.loss_and_metric(loss, metric, torch.zeros(4))


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        (lambda o, t: 7.0, "gave 7, but its range is 0 to 1.*prunelab.Metric"),
        (lambda o, t: -0.5, "gave -0.5"),
        (lambda o, t: math.nan, "gave nan"),
        (lambda o, t: o, "not one number"),
        (pl.Metric(lambda o, t: 1.0, "error", None, 0.0), "gave 1, but its range is at most 0"),
        (pl.Metric(lambda o, t: 1.0, "wins", 2.0, None), "its range is at least 2"),
    ],
)
def test_a_metric_outside_its_range_is_an_error(metric, words):
    output, target = pairs()
    functions = objective.loss_and_metric(objective.mse, metric, target)
    with pytest.raises(SessionError, match=words):
        functions.measured(output, target)


def test_outputs_that_are_not_finite_have_no_metric():
    output, target = pairs()
    output[3, 0] = math.inf
    functions = objective.loss_and_metric(objective.mse, lambda o, t: 1 / 0, target)
    assert math.isnan(functions.measured(output, target))


@pytest.mark.parametrize(
    "wrong", [{"name": ""}, {"name": "x" * 41}, {"low": 1.0}, {"low": math.nan}, {"high": math.inf}]
)
def test_a_metric_has_a_name_and_a_range(wrong):
    with pytest.raises(ValueError, match="name = |low = "):
        pl.Metric(objective.r2, **wrong)
    with pytest.raises(TypeError, match="function"):
        pl.Metric("R2")


def test_figures_are_said_in_the_unit_of_their_metric():
    r2, exact = Objective("mse", "R2", None, 1.0, False), Objective("bce", "exact match", classifies=False)
    assert [o.says(0.913) for o in (CLASSIFYING, exact, r2)] == ["91.3 % right", "exact match 91.3 %", "R2 0.913"]
    assert [o.label for o in (CLASSIFYING, exact, r2)] == ["accuracy (%)", "exact match (%)", "R2"]
    assert [o.plotted(0.91304) for o in (CLASSIFYING, r2)] == [91.304, 0.91304]
    assert [o.gap(-0.032) for o in (CLASSIFYING, r2)] == ["3.2 points", "0.032"]
    assert [o.allows(1.5) for o in (CLASSIFYING, r2, Objective(high=None))] == [False, False, True]
    assert r2.allows(-3.0) and not exact.allows(-3.0)
