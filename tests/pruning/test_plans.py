"""What masks are given is looked at before anything changes: plans, scores, saved states, names."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

import prunelab as pl
from prunelab.pruning.strategies import Regrowth


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))


def of_fewer_layers(model, masks):
    return pl.Masks(model, layers=["0"]).plan(density=0.1)


def of_more_layers(model, masks):
    return pl.Masks(network()).plan(density=0.1)


def of_another_model(model, masks):
    return pl.Masks(network(), exclude="0").plan(density=0.1)


def of_a_copy(model, masks):
    return copy.deepcopy(masks).plan(density=0.1)


def older(model, masks):
    plan = masks.plan(density=0.5)
    masks.prune(density=0.2)
    return plan


@pytest.mark.parametrize("foreign", [of_fewer_layers, of_more_layers, of_another_model, of_a_copy, older])
def test_a_plan_of_other_masks_is_refused_and_nothing_is_changed(foreign):
    model = network()
    masks = pl.Masks(model, exclude="0")
    masks.prune(density=0.6)
    plan = foreign(model, masks)
    before, weights = masks.state_dict(), copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match="other masks, or these have been changed since: make it anew"):
        masks.commit(plan)
    assert list(masks) == ["2.weight"]
    assert all(torch.equal(value, before[name]) for name, value in masks.state_dict().items())
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())


def scores() -> dict[str, torch.Tensor]:
    return {"0.weight": torch.rand(8, 8), "2.weight": torch.rand(8, 8)}


@pytest.mark.parametrize("what", ["scores", "gradients"])
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"0.weight": torch.full((8, 8), torch.nan)}, "of 0.weight are NaN or infinite"),
        ({"0.weight": torch.rand(8, 8).index_fill(0, torch.tensor(3), torch.inf)}, "of 0.weight are NaN or infinite"),
        ({"0.weight": torch.rand(8, 1)}, r"of 0.weight are of shape \(8, 1\); needed: \(8, 8\)"),
        ({"0.weight": torch.rand(64)}, r"of 0.weight are of shape \(64,\)"),
        ({"4.weight": torch.rand(8, 8)}, "'4.weight' matches no layer with a mask"),
        ({"0.weight": None}, "0.weight: there are no (scores|gradients) of these weights"),
        ({"0.weight": None, "2.weight": None}, "0.weight, 2.weight: there are no"),
    ],
)
def test_scores_and_gradients_that_do_not_fit_are_refused_by_name(what, wrong, words):
    masks = pl.Masks(network())
    masks.prune(density=0.5)
    given = {name: value for name, value in (scores() | wrong).items() if value is not None}
    with pytest.raises(ValueError, match=words):
        masks.plan(density=0.2, **({"scores": given} if what == "scores" else {"regrowth": Regrowth(0.3, given)}))


@pytest.mark.parametrize(
    "dtype",
    [torch.bool, torch.uint8, torch.int8, torch.int16, torch.int64, torch.float8_e4m3fn, torch.float16, torch.float64],
    ids=str,
)
def test_scores_of_any_type_are_ranked_by_magnitude(dtype):
    masks = pl.Masks(network())
    ranks = {name: (torch.randint(-128, 128, v.shape) * (v < 0.25)).to(dtype) for name, v in scores().items()}
    magnitudes = [np.abs(rank.double().numpy()).ravel() for rank in ranks.values()]
    order = np.argsort(-np.concatenate(magnitudes), kind="stable")  # of equal ones the first
    expected = np.zeros(len(order), bool)
    expected[order[: round(0.3 * masks.total)]] = True
    found = masks.plan(density=0.3, scores=ranks).masks
    assert np.array_equal(np.concatenate([found[name].numpy().ravel() for name in ranks]), expected)


def test_scores_may_be_named_by_layer_and_in_any_order():
    masks, ranks = pl.Masks(network()), scores()
    expected = masks.plan(density=0.3, scores=ranks).masks
    found = masks.plan(density=0.3, scores={"2": ranks["2.weight"], "0": ranks["0.weight"]}).masks
    # By hand: the largest scores of both layers together.
    border = torch.cat([value.flatten() for value in ranks.values()]).sort(descending=True).values[round(0.3 * 128) - 1]
    for name, mask in expected.items():
        assert torch.equal(mask, ranks[name] >= border) and torch.equal(mask, found[name])


def test_a_state_that_is_refused_changes_nothing():
    model = network()
    masks = pl.Masks(model)
    masks.prune(quality=0.5)
    before = masks.state_dict()
    for name, value, words in (
        ("0.weight.deviation", torch.tensor(torch.nan), "0.weight.deviation = nan: must be finite"),
        ("0.weight.deviation", torch.tensor(-1.0), "0.weight.deviation = -1.0: must be finite and at least 0"),
        ("2.weight", torch.zeros(8, 8, dtype=torch.bool), "2.weight has no survivor"),
        ("2.weight", torch.ones(8, 7, dtype=torch.bool), "mask 2.weight is torch.bool of shape"),
    ):
        with pytest.raises(ValueError, match=words):
            masks.load_state_dict({**before, "0.weight.deviation": torch.tensor(9.0), name: value})
        assert all(torch.equal(value, masks.state_dict()[name]) for name, value in before.items())
    model[0].weight = nn.Parameter(torch.randn(8, 8))
    with pytest.raises(ValueError, match="has been replaced"):
        masks.load_state_dict({**before, "0.weight.deviation": torch.tensor(9.0)})
    assert masks.state_dict()["0.weight.deviation"] == before["0.weight.deviation"]


class Spread(nn.Module):
    """A matrix that is called as the deviations in a saved state are."""

    def __init__(self) -> None:
        super().__init__()
        self.deviation = nn.Parameter(torch.randn(6, 6))


def test_a_weight_that_is_called_deviation_is_saved_and_loaded():
    model = nn.Sequential(Spread())
    masks = pl.Masks(model, layers=["0.deviation"])
    masks.prune(quality=0.5)
    again = pl.Masks(model, layers=["0.deviation"])
    again.load_state_dict(masks.state_dict())
    assert torch.equal(again["0.deviation"], masks["0.deviation"])
    assert again.plan(quality=1.0).cuts == masks.plan(quality=1.0).cuts


def test_zeros_of_a_broken_network_are_not_taken_up():
    model = network()
    with torch.no_grad():
        model[2].weight[0, 0] = torch.nan
    with pytest.raises(ValueError, match="2.weight holds NaN or infinite weights"):
        pl.Masks.from_zeros(model)


def test_names_may_be_read_once_only():
    model = network()
    for masks in (pl.Masks(model, exclude=iter(["2"])), pl.Masks.from_zeros(model, exclude=iter(["2"]))):
        assert list(masks) == ["0.weight"] and masks.untold() is None
    torch.nn.utils.prune.l1_unstructured(model[0], "weight", 0.5)
    masks = pl.Masks.from_torch(model, exclude=iter(["2"]))
    assert list(masks) == ["0.weight"] and masks.untold() is None
