"""What a session is given in the place of something else: refused in words, before anything has begun."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import prunelab as pl
from prunelab.errors import Diverged, SessionError

SUMS = {
    "torch's": nn.CrossEntropyLoss(reduction="sum"),
    "a function": lambda output, target: F.cross_entropy(output, target) * len(target),
    "with weights": nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0]), reduction="sum"),
}
MEANS = {
    "torch's": nn.CrossEntropyLoss(),
    "smooth": nn.CrossEntropyLoss(label_smoothing=0.1),
    "zero": lambda output, target: output.sum() * 0,
    "margin": lambda output, target: F.multi_margin_loss(output, target),
}


def data(samples=60):
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(samples, 8, generator=generator)
    return (x, (3 * x[:, 0]).long()), (x, (3 * x[:, 0]).long())


def network():
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))


@pytest.mark.parametrize("loss", SUMS.values(), ids=SUMS)
def test_a_loss_that_is_a_sum_over_a_batch_is_refused(loss):
    with pytest.raises(SessionError, match="is a sum over a batch"):
        pl.Session(model=network(), data=data(), loss=loss, metric="accuracy")


@pytest.mark.parametrize("loss", MEANS.values(), ids=MEANS)
def test_a_loss_that_is_a_mean_is_taken(loss):
    assert pl.Session(model=network(), data=data(), loss=loss, metric="accuracy").phase == "new"


class Masking(nn.Module):
    """One class is not to be chosen."""

    def __init__(self, other=-math.inf):
        super().__init__()
        self.layers, self.other = network(), other

    def forward(self, x):
        return torch.cat([self.layers(x), torch.full((len(x), 1), self.other)], 1)


def balanced(output, target):
    hits = (output.argmax(1) == target).double()
    return float(torch.stack([hits[target == each].mean() for each in target.unique()]).mean())


def test_masked_classes_are_no_broken_outputs_for_a_metric_of_ones_own():
    torch.manual_seed(0)
    masking = Masking()
    finite = Masking(-1e9)
    finite.load_state_dict(masking.state_dict())
    cut = [
        pl.Session(model=model, data=data(), metric=balanced, trained=True).prune(density=0.5)
        for model in (masking, finite)
    ]
    assert cut[0].test_accuracy == cut[1].test_accuracy and cut[0].kept == cut[1].kept


class Brittle(nn.Module):
    """Divides by its smallest weight."""

    def __init__(self):
        super().__init__()
        self.layers = network()

    def forward(self, x):
        return self.layers(x) * (self.layers[0].weight.abs().min() / self.layers[0].weight.abs().min())


def test_what_is_not_finite_after_a_cut_is_named():
    def bears_all(output, target):
        return F.cross_entropy(output.nan_to_num(), target)

    session = pl.Session(model=Brittle(), data=data(), trained=True, loss=bears_all, metric=balanced)
    with pytest.raises(Diverged, match="the balanced would be nan: nothing was cut"):
        session.prune(density=0.5)
    with pytest.raises(Diverged, match="the test loss would be nan: nothing was cut"):
        pl.Session(model=Brittle(), data=data(), trained=True, metric=balanced).prune(density=0.5)


@pytest.mark.parametrize("samples", [0, -1, True, 2.5])
def test_a_preview_of_no_samples_is_refused(samples):
    session = pl.Session(model=network(), data=data(), trained=True)
    with pytest.raises(ValueError, match=f"samples = {samples!r}: must be a whole number, at least 1"):
        session.preview(density=0.5, samples=samples)


@pytest.mark.parametrize("seconds", [0, -1.0, math.nan])
def test_a_preview_in_no_time_is_refused(seconds):
    session = pl.Session(model=network(), data=data(), trained=True)
    with pytest.raises(ValueError, match="seconds = .*must be above 0"):
        session.preview(density=0.5, seconds=seconds)


def test_dicts_are_no_masks_and_no_recipes():
    with pytest.raises(TypeError, match="masks is a dict: must be Masks of the model"):
        pl.Session(model=network(), data=data(), masks={"0": torch.ones(16, 8)})
    session = pl.Session(model=network(), data=data())
    with pytest.raises(TypeError, match="recipe is a dict: must be a Recipe"):
        session.change({"quality": 1.0})
