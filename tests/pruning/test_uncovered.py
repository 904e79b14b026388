"""Weights without a mask are told, with names and shares, and the density of the whole model counts them."""

import copy
import warnings

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize, prune

import prunelab as pl
from prunelab.errors import CoverageWarning, collected


class Turned(nn.Module):
    """A layer of one's own, inputs first."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(inputs, outputs)), nn.Parameter(torch.zeros(outputs))

    def forward(self, x):
        return x @ self.weight + self.bias


class Language(nn.Module):
    """An embedding that is tied to the head, one that is not, layers of one's own, and one Linear."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(50, 8), nn.Embedding(10, 8)
        self.body = nn.Sequential(Turned(8, 16), nn.LayerNorm(16), Turned(16, 8))
        self.head = nn.Linear(8, 50, bias=False)
        self.head.weight = self.words.weight

    def forward(self, x):
        return self.head(self.body(self.words(x) + self.places(torch.arange(x.shape[1]))))


def counted(model: nn.Module) -> float:
    """The oracle: zeros in all parameters of two or more dimensions, tied ones once."""
    weights = [p for p in model.parameters() if p.dim() > 1]
    return sum(int((p != 0).sum()) for p in weights) / sum(p.numel() for p in weights)


def test_names_and_shares_by_hand():
    """50 x 8 weights have a mask; 10 x 8, 8 x 16 and 16 x 8 have none: 336 of 736."""
    model = Language()
    masks = pl.Masks(model)
    with pytest.warns(CoverageWarning) as told:
        masks.prune(density=0.1)
    (text,) = (str(each.message) for each in told)
    assert text.startswith("45.7 % of the 736 weights of Language have no mask and stay as they are: ")
    assert "body.0.weight (17.4 %), body.2.weight (17.4 %), places.weight (10.9 %)." in text
    assert told[0].filename == __file__, "it points to the call of prune"
    assert masks.density == 0.1 and masks.model_density == pytest.approx((40 + 336) / 736) == counted(model)
    assert "density 0.1000; density of all weights of the model 0.5109" in repr(masks)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        masks.prune(density=0.05)  # told once


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8), nn.Linear(8, 4)),
        nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.PReLU(8)),
        nn.Sequential(nn.Embedding(2, 10), nn.Flatten(), nn.Linear(30, 40)),  # 20 of 1,220: too few to tell
    ],
)
def test_nothing_is_told_where_masks_cover_nearly_all(model):
    masks = pl.Masks(model)
    masks.prune(density=0.5, scope="layer")
    assert masks.model_density == pytest.approx(counted(model))


def test_what_is_left_out_by_name_is_not_told():
    pl.Masks(Language(), layers=["head"]).prune(density=0.5)
    model = nn.Sequential(nn.Linear(8, 80), nn.Linear(80, 4))
    masks = pl.Masks(model, exclude=["0"])
    masks.prune(density=0.25)
    assert "density 0.2500; density of all weights of the model 0.7500" in repr(masks)
    assert masks.model_density == (640 + 80) / 960


def test_other_zeros_count_as_zeros():
    model = nn.Sequential(nn.Embedding(10, 4), nn.Flatten(), nn.Linear(12, 40))
    masks = pl.Masks(model)
    assert masks.model_density == 1
    with torch.no_grad():
        model[0].weight[:5] = 0
    assert masks.model_density == (20 + 480) / 520


def test_many_names_are_cut_short():
    model = nn.ModuleList([nn.Linear(4, 4), *(Turned(4, n) for n in range(4, 12))])
    with pytest.warns(CoverageWarning, match=r"8\.weight .*, 4\.weight \(\d+\.\d %\) and 3 more\."):
        pl.Masks(model).prune(density=0.5)


def test_warnings_can_be_collected_and_are_of_one_class():
    with collected() as told:
        pl.Masks(Language()).prune(density=0.1)
        pl.Masks(Language()).prune(density=0.1)
    assert len(told) == 1 and told[0].startswith("45.7 %")
    assert issubclass(CoverageWarning, pl.PrunelabWarning)
    with pytest.warns(pl.PrunelabWarning):
        pl.Masks(Language()).prune(density=0.1)


def test_a_copy_does_not_tell_again():
    masks = pl.Masks(Language())
    with collected():
        masks.prune(density=0.5)
    copy.deepcopy(masks).prune(density=0.2)


class Halved(nn.Module):
    """A parametrization that cuts every second column."""

    def forward(self, weight):
        return weight * (torch.arange(weight.shape[1]) % 2)


def test_weights_that_are_computed_count_as_they_are_used():
    model = nn.Sequential(nn.Linear(20, 40), nn.ReLU(), nn.Linear(40, 40), nn.Linear(40, 40))
    prune.l1_unstructured(model[0], "weight", amount=0.9)
    prune.l1_unstructured(model[2], "weight", amount=0.9)
    parametrize.register_parametrization(model[3], "weight", Halved())
    masks = pl.Masks.from_torch(model, exclude=["2", "3"])
    used = [model[0].weight, model[2].weight, model[3].weight]
    expected = sum(int(w.count_nonzero()) for w in used) / sum(w.numel() for w in used)
    assert masks.model_density == expected == pytest.approx((80 + 160 + 800) / 4000)
    assert f"{expected:.4f}" in repr(masks)


@pytest.mark.parametrize(
    "dtype", [torch.float8_e4m3fn, torch.float8_e5m2, torch.uint16, torch.int8, torch.bool, torch.complex64], ids=str
)
def test_weights_of_types_for_storage_count_as_others_do(dtype):
    model = nn.Sequential(nn.Linear(4, 4))
    stored = torch.tensor([[0.0, -0.0, 1.0, 2.0], [0.0, 4.0, 0.0, 1.0]]).to(dtype)
    model.register_parameter("table", nn.Parameter(stored, requires_grad=False))
    masks = pl.Masks(model)
    with collected():
        masks.prune(density=0.5)
    assert masks.model_density == (8 + 4) / (16 + 8)
    assert "density 0.5000; density of all weights of the model 0.5000" in repr(masks)


def test_a_weight_that_torch_pruned_in_two_places_counts_once():
    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8))
    model[1].weight = model[0].weight
    for layer in (model[0], model[1]):
        prune.custom_from_mask(layer, "weight", torch.eye(8))
    assert pl.Masks(model, layers="2").model_density == (8 + 64) / 128


@pytest.mark.parametrize("name", ["head", "words", "head.weight", "words.weight"])
def test_a_tied_weight_is_left_out_by_any_of_its_names(name):
    model = nn.Sequential()
    model.words, model.middle, model.head = nn.Embedding(50, 8), nn.Linear(8, 8), nn.Linear(8, 50, bias=False)
    model.head.weight = model.words.weight
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pl.Masks(model, exclude=name).prune(density=0.5)
