"""Masks against oracles: NumPy for thresholds, torch.nn.utils.prune for densities."""

import copy
import itertools
from collections import OrderedDict
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import prune as torch_prune

import prunelab as pl


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 12), nn.ReLU(), nn.Linear(12, 4))


@pytest.mark.parametrize("std", ["dense", "survivors", "all"])
def test_threshold_is_quality_times_the_deviation_that_numpy_gives(std):
    model = network()
    masks = pl.Masks(model)
    dense = {name: masks.weight(name).detach().numpy().copy() for name in masks}
    masks.prune(quality=0.5, std=std)
    survivors = {name: masks.weight(name).detach().numpy().copy() for name in masks}
    cuts = masks.prune(quality=0.9, std=std)
    for name, cut in cuts.items():
        first = np.abs(dense[name]) >= np.float32(0.5 * dense[name].astype(np.float64).std())
        values = {"dense": dense[name], "survivors": survivors[name][first], "all": survivors[name]}[std]
        expected = 0.9 * values.astype(np.float64).std()
        assert cut.threshold == pytest.approx(expected, rel=1e-12)
        kept = first & (np.abs(survivors[name]) >= np.float32(expected))
        np.testing.assert_array_equal(masks[name].numpy(), kept)
        assert (cut.kept, cut.total) == (kept.sum(), kept.size)


def test_dense_deviation_is_remembered_whatever_rule_cut_first():
    model = network()
    masks = pl.Masks(model)
    spread = {name: masks.weight(name).detach().double().numpy().std() for name in masks}
    masks.prune(density=0.5)
    for name, cut in masks.prune(quality=1.0).items():
        assert cut.deviation == pytest.approx(spread[name], rel=1e-12)


@pytest.mark.parametrize("number", [np.float32, np.float64, Fraction, int])
def test_real_numbers_of_any_kind_are_taken(number):
    model, twin = network(), network()
    assert pl.Masks(model).prune(quality=number(1)) == pl.Masks(twin).prune(quality=1.0)
    assert pl.Masks(network()).prune(density=number(1)) == pl.Masks(network()).prune(density=1.0)
    for bad in (True, "1", 1j, None):
        with pytest.raises(ValueError, match="quality"):
            pl.Masks(network()).prune(quality={"0": bad})
    with pytest.raises(ValueError, match="density = True"):
        pl.Masks(network()).prune(density=True)


@pytest.mark.parametrize("scope", ["global", "layer"])
def test_density_keeps_the_largest_magnitudes_as_torch_does(scope):
    model, twin = network(), network()
    masks = pl.Masks(model)
    masks.prune(density=0.2, scope=scope)
    linears = [module for module in twin if isinstance(module, nn.Linear)]
    if scope == "global":
        cut = masks.total - round(0.2 * masks.total)
        torch_prune.global_unstructured(
            [(m, "weight") for m in linears], pruning_method=torch_prune.L1Unstructured, amount=cut
        )
    else:
        for m in linears:
            torch_prune.l1_unstructured(m, "weight", amount=m.weight.numel() - round(0.2 * m.weight.numel()))
    for name, m in zip(masks, linears, strict=True):
        assert torch.equal(masks[name], m.weight_mask.bool())
        assert torch.equal(masks.weight(name), m.weight)


def test_neurons_go_whole_smallest_norm_first_and_outputs_stay():
    model = network()
    masks = pl.Masks(model)
    norms = {name: masks.weight(name).detach().norm(dim=1) for name in masks}
    masks.prune(density=0.5, unit="neuron", scope="layer")
    for name in list(masks)[:-1]:
        rows = masks[name].any(1)
        assert torch.equal(rows, masks[name].all(1)), "a neuron is kept whole or cut whole"
        assert rows.sum() == round(0.5 * len(rows))
        assert norms[name][rows].min() >= norms[name][~rows].max()
    assert masks["4.weight"].all()


def test_whole_neurons_are_ranked_in_each_layer_unless_all_layers_are_asked_for():
    def kept(**options):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(64, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU(), nn.Linear(100, 10))
        masks = pl.Masks(model)
        masks.prune(density=0.15, unit="neuron", **options)
        return [int(mask.any(1).sum()) for mask in masks.values()]

    assert kept() == kept(scope="layer") == [45, 15, 10]
    assert kept(scope="global") == [60, 1, 10]  # fc2's larger fan-in makes its weights smaller: one neuron is left


def test_single_weights_are_ranked_over_all_layers_unless_each_is_asked_for():
    first, second = network(), network()
    second.load_state_dict(first.state_dict())
    assert pl.Masks(first).prune(density=0.2) == pl.Masks(second).prune(density=0.2, scope="global")


class Reordered(nn.Module):
    """The layer that gives the outputs is registered first."""

    def __init__(self, branches: bool = False) -> None:
        super().__init__()
        self.head = nn.Linear(6, 4)
        self.first = nn.Linear(5, 8)
        self.second = nn.Linear(8, 6)
        self.branches = branches

    def forward(self, x):
        if self.branches and x.sum() > 1e9:
            return x
        return self.head(torch.relu(self.second(torch.relu(self.first(x)))))


class TwoHeads(nn.Module):
    """Outputs are a sum with a shortcut, and a second one beside it; one of the three by a function."""

    def __init__(self) -> None:
        super().__init__()
        self.deep, self.skip, self.aside = nn.Linear(6, 4), nn.Linear(5, 4), nn.Linear(6, 2)
        self.hidden = nn.Linear(5, 6)

    def forward(self, x):
        h = torch.relu(self.hidden(x))
        return torch.log_softmax(self.deep(h) + self.skip(x), 1), nn.functional.linear(h, self.aside.weight)


def test_the_outputs_are_where_the_graph_ends_not_what_was_registered_last():
    masks = pl.Masks(Reordered())
    cuts = masks.prune(density=0.5, unit="neuron")
    assert cuts["head.weight"].density == 1 and cuts["first.weight"].density < 1 > cuts["second.weight"].density
    masks = pl.Masks(TwoHeads())
    assert masks.outputs() == {"deep.weight", "skip.weight", "aside.weight"}
    assert pl.Masks(Tied()).outputs() == {"encoder.weight"}, "tied: the decoder's weights by their first name"
    assert pl.Masks(nn.Linear(4, 3)).outputs() == {"weight"}
    named = nn.Sequential(OrderedDict(code=nn.Linear(4, 3), graph=nn.Linear(3, 2)))
    assert pl.Masks(named).outputs() == {"graph.weight"}
    assert pl.Masks(nn.Sequential(nn.Sequential(nn.Linear(4, 3), nn.ReLU()))).outputs() == {"0.0.weight"}


def test_outputs_of_a_model_that_cannot_be_traced_are_said_or_found_by_an_example():
    model = Reordered(branches=True)
    assert pl.Masks(model).outputs(torch.zeros(2, 5)) == {"head.weight"}
    masks = pl.Masks(model)
    for look in (masks.outputs, lambda: masks.prune(density=0.9, unit="neuron")):
        with pytest.warns(
            pl.PrunelabWarning, match=r"Reordered does not show .* outputs: second\.weight, registered last"
        ):
            found = look()
    assert masks.outputs.__self__ is masks and found["second.weight"].density == 1
    assert masks.outputs(torch.zeros(2, 5)) == {"head.weight"} == masks.outputs(), "a guess is not remembered"
    masks = pl.Masks(model, outputs=["head"])
    assert copy.deepcopy(masks).outputs() == masks.outputs() == {"head.weight"}
    assert masks.prune(density=0.5, unit="neuron")["head.weight"].density == 1
    none = pl.Masks(model, outputs=[])  # said, not guessed: every layer may lose neurons
    assert none.outputs() == none.outputs(torch.zeros(2, 5)) == frozenset()
    assert all(cut.density < 1 for cut in none.prune(density=0.5, unit="neuron", scope="layer").values())
    with pytest.raises(ValueError, match="'tail' matches no layer"):
        pl.Masks(model, outputs=["tail"])


def test_excluding_the_output_layer_spares_no_other_and_one_hidden_layer_can_be_pruned_alone():
    model = network()
    masks = pl.Masks(model, exclude=["4"])
    cuts = masks.prune(density=0.5, unit="neuron", scope="layer")
    assert {name: cut.density for name, cut in cuts.items()} == {"0.weight": 0.5, "2.weight": 0.5}
    assert pl.Masks(network(), layers=["0"]).prune(density=0.5, unit="neuron")["0.weight"].kept == 15 * 20
    with pytest.raises(ValueError, match=r"4\.weight: these neurons are the network's outputs"):
        pl.Masks(network(), layers=["4"]).prune(density=0.5, unit="neuron")


@pytest.mark.parametrize("groups", [1, 2])
def test_filters_of_a_transposed_convolution_go_whole(groups):
    """The oracle is what comes out: a filter that is cut leaves its channel at zero, the others as they were."""
    torch.manual_seed(0)
    layer = nn.ConvTranspose2d(4, 6, 3, groups=groups, bias=False)
    model = nn.Sequential(layer, nn.ReLU(), nn.Flatten(), nn.Linear(6 * 36, 3))
    x = torch.randn(2, 4, 4, 4)
    before = layer(x).detach()
    per_group = 6 // groups
    norms = [
        layer.weight.detach().chunk(groups)[channel // per_group][:, channel % per_group].square().mean().item()
        for channel in range(6)
    ]
    cuts = pl.Masks(model).prune(density=0.5, unit="neuron")
    after = layer(x).detach()
    alive = after.abs().sum((0, 2, 3)) > 0
    assert set(alive.nonzero().flatten().tolist()) == set(np.argsort(norms)[3:].tolist())
    torch.testing.assert_close(after[:, alive], before[:, alive])
    assert cuts["0.weight"].density == 0.5


def test_two_of_four_keeps_the_two_largest_of_every_four_neighbours():
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 4))
    masks = pl.Masks(model)
    dense = {name: masks.weight(name).detach().numpy().copy() for name in masks}
    cuts = masks.prune(density=0.5, unit="2:4")
    for name, weights in dense.items():
        fours = np.abs(weights).reshape(-1, 4)
        expected = np.zeros_like(fours, dtype=bool)
        np.put_along_axis(expected, np.argsort(fours, axis=1)[:, 2:], True, axis=1)
        assert (masks[name].numpy() == expected.reshape(weights.shape)).all()
        assert cuts[name].kept * 2 == cuts[name].total == weights.size
    masks.prune(density=0.5, unit="2:4")
    assert masks.density == 0.5
    masks.prune(density=0.1)
    few = masks.kept
    masks.prune(density=0.5, unit="2:4")
    assert masks.kept == few, "what is cut stays cut, and survivors that fit stay"


def test_two_of_four_refuses_layers_that_it_does_not_fit():
    model = nn.Sequential(nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(18, 8), nn.Linear(8, 3))
    with pytest.raises(ValueError, match="0.weight, 2.weight: 2:4 fits"):
        pl.Masks(model).prune(density=0.5, unit="2:4")
    masks = pl.Masks(model, layers=["3"])
    masks.prune(density=0.5, unit="2:4")
    assert masks.density == 0.5


def test_filters_go_whole():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 4))
    masks = pl.Masks(model)
    masks.prune(density=0.25, unit="neuron")
    filters = masks["0"].flatten(1)
    assert torch.equal(filters.any(1), filters.all(1)) and filters.any(1).sum() == 2


@pytest.mark.parametrize("replace", ["assign", "parameter"])
def test_weights_that_are_no_longer_the_models_are_not_pruned_in_silence(replace):
    model = network()
    masks = pl.Masks(model)
    plan = masks.plan(quality=1.0)
    if replace == "assign":
        model.load_state_dict({n: p.detach().clone() for n, p in model.state_dict().items()}, assign=True)
    else:
        model[0].weight = nn.Parameter(torch.randn(30, 20))
    before = copy.deepcopy(model.state_dict())
    for attempt in (
        lambda: masks.prune(quality=1.0),
        lambda: masks.commit(plan),
        lambda: masks.load_state_dict(masks.state_dict()),
        lambda: masks.attach(torch.optim.SGD(model.parameters(), lr=0.1)),
        masks.apply,
        masks.zeros_hold,
        lambda: masks.density,
        lambda: masks.kept,
        lambda: masks.kept_in("0"),
    ):
        with pytest.raises(ValueError, match=r"0\.weight has been replaced.*Masks\(model\)"):
            attempt()
    assert repr(masks).startswith("Masks(1,008 of 1,008")
    assert all(mask.all() for mask in masks.values())
    assert all(torch.equal(before[n], t) for n, t in model.state_dict().items())
    model.to(torch.float64)
    assert pl.Masks(model).prune(quality=1.0)["0.weight"].density < 1


def test_nothing_is_renamed_or_wrapped():
    model = network()
    before = [(name, type(module)) for name, module in model.named_modules()], list(model.state_dict())
    masks = pl.Masks(model)
    masks.attach(torch.optim.SGD(model.parameters(), lr=0.1))
    masks.prune(quality=1.0)
    assert before == ([(name, type(module)) for name, module in model.named_modules()], list(model.state_dict()))


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(10, 10, bias=False)
        self.decoder = nn.Linear(10, 10, bias=False)
        self.decoder.weight = self.encoder.weight

    def forward(self, x):
        return self.decoder(torch.relu(self.encoder(x)))


def test_tied_weights_have_one_mask_and_count_once():
    model = Tied()
    masks = pl.Masks(model)
    assert list(masks) == ["encoder.weight"] and masks.total == 100
    assert masks["decoder"] is masks["encoder.weight"]
    masks.prune(quality={"decoder": 1.0})
    optimizer = torch.optim.Adam(model.parameters())
    masks.attach(optimizer)
    for _ in range(3):
        model(torch.randn(4, 10)).square().sum().backward()
        optimizer.step()
    assert masks.zeros_hold() and masks.kept < 100


def test_deepcopy_gives_independent_masks_on_a_copy_of_the_model():
    model = network()
    masks = pl.Masks(model)
    masks.prune(quality=0.5)
    twin = copy.deepcopy(masks)
    assert twin.model is not model and twin.weight("0") is dict(twin.model.named_parameters())["0.weight"]
    twin.prune(quality=1.5)
    assert twin.kept < masks.kept and masks.zeros_hold() and twin.zeros_hold()
    pair = copy.deepcopy({"model": model, "masks": masks})
    assert pair["masks"].model is pair["model"]


def test_state_dict_round_trip_goes_on_exactly():
    model = network()
    masks = pl.Masks(model)
    masks.prune(quality=0.7)
    other = pl.Masks(copy.deepcopy(model))
    other.load_state_dict(masks.state_dict())
    assert all(torch.equal(masks[name], other[name]) for name in masks)
    assert masks.prune(quality=1.1) == other.prune(quality=1.1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"quality": float("nan")}, "nan"),
        ({"quality": -0.5}, "-0.5"),
        ({"quality": {"fc9": 1.0}}, "fc9"),
        ({"density": 0.0}, "0.0"),
        ({"density": 1.5}, "1.5"),
        ({}, "either quality= or density="),
        ({"quality": 1.0, "density": 0.5}, "either"),
        ({"quality": 1.0, "std": "some"}, "some"),
        ({"density": 0.5, "scope": "galaxy"}, "galaxy"),
        ({"quality": 1.0, "unit": "neuron"}, "density="),
        ({"density": 0.4, "unit": "2:4"}, "two of four is 0.5"),
        ({"density": 0.5, "unit": "1:2"}, "2:4"),
    ],
)
def test_bad_requests_are_errors_and_change_nothing(arguments, words):
    masks = pl.Masks(network())
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        masks.prune(**arguments)
    assert masks.density == 1.0


def test_a_name_that_matches_nothing_is_an_error_with_a_suggestion():
    model = nn.Sequential()
    model.add_module("classifier", nn.Linear(3, 2))
    with pytest.raises(ValueError, match="did you mean 'classifier'"):
        pl.Masks(model, layers=["clasifier"])
    with pytest.raises(ValueError, match="matches no layer"):
        pl.Masks(model, exclude=["head"])
    with pytest.raises(ValueError, match="nothing to prune"):
        pl.Masks(nn.Sequential(nn.ReLU()))
    with pytest.raises(ValueError, match="another model"):
        pl.Masks(model).attach(torch.optim.SGD(network().parameters(), lr=0.1))
    torch_prune.l1_unstructured(model.classifier, "weight", amount=1)
    with pytest.raises(ValueError, match="from_torch"):
        pl.Masks(model)


def test_nan_weights_are_refused():
    model = network()
    with torch.no_grad():
        model[0].weight[0, 0] = float("nan")
    with pytest.raises(ValueError, match=r"0\.weight holds NaN"):
        pl.Masks(model).prune(quality=1.0)


def test_a_layer_about_to_lose_everything_keeps_its_strongest_and_says_so():
    model = network()
    masks = pl.Masks(model)
    strongest = masks.weight("2").detach().abs().argmax()
    cuts = masks.prune(quality={"2": 100.0})
    assert cuts["2.weight"].spared and cuts["2.weight"].kept == 1
    assert masks["2"].flatten()[strongest]
    assert not cuts["0.weight"].spared


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1000),
    qualities=st.lists(st.floats(0, 4), min_size=2, max_size=4).map(sorted),
    std=st.sampled_from(["dense", "survivors", "all"]),
)
def test_masks_are_idempotent_monotone_and_add_up(seed, qualities, std):
    model = network(seed)
    fresh = [pl.Masks(copy.deepcopy(model)) for _ in qualities]
    for masks, quality in zip(fresh, qualities, strict=True):
        cuts = masks.prune(quality=quality, std=std)
        assert masks.kept == sum(cut.kept for cut in cuts.values()) == sum(int(masks[n].sum()) for n in masks)
        assert masks.total == sum(cut.total for cut in cuts.values()) == 20 * 30 + 30 * 12 + 12 * 4
        assert all(cut.kept >= 1 for cut in cuts.values())
        assert masks.zeros_hold()
        if std == "dense":  # the other deviations shrink as weights go, and so would the threshold
            before = {name: masks[name].clone() for name in masks}
            masks.prune(quality=quality, std=std)
            assert all(torch.equal(before[name], masks[name]) for name in masks)
    for milder, harder in itertools.pairwise(fresh):
        assert all(not (harder[name] & ~milder[name]).any() for name in milder), "a higher quality cuts a superset"


@settings(max_examples=40, deadline=None)
@given(
    density=st.floats(0.005, 1.0),
    scope=st.sampled_from(["global", "layer"]),
    unit=st.sampled_from(["weight", "neuron"]),
)
def test_density_is_reached_and_what_is_cut_stays_cut(density, scope, unit):
    masks = pl.Masks(network())
    masks.prune(density=0.6, scope="layer")
    before = {name: masks[name].clone() for name in masks}
    masks.prune(density=density, scope=scope, unit=unit)
    assert all(not (masks[name] & ~before[name]).any() for name in masks)
    assert all(masks[name].any() for name in masks)
    if unit == "weight" and scope == "layer":
        for name in masks:
            total = masks[name].numel()
            assert masks.kept_in(name) == min(int(before[name].sum()), max(round(density * total), 1))


def test_a_name_without_a_mask_is_not_in_the_masks():
    model = nn.Sequential(nn.Embedding(3, 4), nn.Linear(4, 2))
    masks = pl.Masks(model)
    assert [name in masks for name in ("1.weight", "1", "0.weight", "1.bias", "fc9", 7)] == [True, True] + [False] * 4
    with pytest.raises(ValueError, match="no layer with a mask"):
        masks["0.weight"]
