"""Networks that other tools pruned: torch.nn.utils.prune is the oracle for what was cut and what comes out."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

import prunelab as pl
from prunelab.errors import LeftOutWarning
from prunelab.pruning.reparametrisation import computed
from support.layer_kinds import KINDS, NAMED, GptConv1D, Tagger, alone, ids, normed, owner


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 12), nn.ReLU(), nn.Linear(12, 3))


def batch() -> torch.Tensor:
    return torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def test_what_torch_pruned_becomes_an_ordinary_network_with_the_same_outputs_and_masks():
    model = network()
    prune.l1_unstructured(model[0], "weight", amount=0.5)
    prune.ln_structured(model[3], "weight", amount=0.25, n=2, dim=0)
    prune.random_unstructured(model[3], "weight", amount=0.3)  # on top: torch keeps a container of both
    prune.l1_unstructured(model[3], "bias", amount=4)
    expected = {"0.weight": model[0].weight_mask.bool(), "3.weight": model[3].weight_mask.bool()}
    with torch.no_grad():
        outputs, biases = model(batch()), (model[3].bias == 0).sum()
    with pytest.warns(LeftOutWarning, match=r"^3\.bias: torch pruned these too, but biases"):
        masks = pl.Masks.from_torch(model)
    assert {name: p.shape for name, p in model.named_parameters()} == {
        name: p.shape for name, p in network().named_parameters()
    }
    assert not list(model.buffers()) and not any(module._forward_pre_hooks for module in model.modules())
    assert all(torch.equal(masks[name], mask) for name, mask in expected.items())
    assert masks["5.weight"].all() and masks.zeros_hold()
    with torch.no_grad():
        assert torch.equal(model(batch()), outputs)
    assert (model[3].bias == 0).sum() == biases == 4


def test_a_survivor_that_happens_to_be_zero_is_a_survivor_in_torchs_masks_and_not_in_zeros():
    model = network()
    with torch.no_grad():
        model[5].weight[0, 0] = 0
    mask = torch.ones_like(model[5].weight)
    mask[1, 1] = 0
    prune.custom_from_mask(model[5], "weight", mask)
    masks = pl.Masks.from_torch(model)
    assert masks["5"][0, 0] and not masks["5"][1, 1] and masks.kept_in("5") == 35
    assert pl.Masks.from_zeros(model).kept_in("5") == 34


def test_zeros_are_taken_for_masks_and_pruning_and_training_go_on_from_there():
    model = network()
    first = pl.Masks(model)
    first.prune(density=0.3)
    masks = pl.Masks.from_zeros(copy.deepcopy(model))
    assert all(torch.equal(masks[name], first[name]) for name in first)
    optimizer = torch.optim.Adam(masks.model.parameters(), lr=0.01)
    masks.attach(optimizer)
    for _ in range(3):
        optimizer.zero_grad()
        masks.model(batch()).square().sum().backward()
        optimizer.step()
    assert masks.zeros_hold() and masks.density == first.density
    survivors = masks.weight("3").detach()[masks["3"]].double()
    fresh = pl.Masks.from_zeros(masks.model)
    assert fresh.prune(quality=0.5)["3.weight"].deviation == pytest.approx(float(survivors.std(correction=0)))


def test_a_network_that_nobody_pruned_or_that_is_dead_is_refused_in_words():
    model = network()
    with pytest.raises(ValueError, match="from_zeros"):
        pl.Masks.from_torch(model)
    assert pl.Masks.from_zeros(model).density == 1.0
    nn.init.zeros_(model[3].weight)
    with pytest.raises(ValueError, match=r"3\.weight has no survivor"):
        pl.Masks.from_zeros(model)
    assert pl.Masks.from_zeros(model, exclude=["3"]).density == 1.0


def state_of(model: nn.Module):
    """All that a refusal must leave: names in their order, values, hooks, and what is computed."""
    values = {name: value.detach().clone() for name, value in model.state_dict().items()}
    hooks = {name: list(module._forward_pre_hooks.values()) for name, module in model.named_modules()}
    return values, hooks, prune.is_pruned(model), [name for name, _ in model.named_parameters()]


def same_state(before, model: nn.Module) -> bool:
    after = state_of(model)
    return (
        list(before[0]) == list(after[0])
        and all(torch.allclose(before[0][name], value, 0, 0, equal_nan=True) for name, value in after[0].items())
        and before[1:] == after[1:]
    )


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.parametrize("kind", [*KINDS, *NAMED])
def test_every_kind_of_layer_that_torch_pruned_is_taken_up(kind):
    model, inputs, names = alone(kind)
    for name in names:  # masks of our own: torch cannot draw any for complex weights
        module, each = owner(model, name)
        prune.custom_from_mask(module, each, torch.rand(getattr(module, each).shape) > 0.6)
    expected = {name: getattr(owner(model, name)[0], f"{owner(model, name)[1]}_mask").bool() for name in names}
    outputs = model(*inputs)
    masks = pl.Masks.from_torch(model)
    assert list(masks) == names and all(torch.equal(masks[name], expected[name]) for name in names)
    assert not prune.is_pruned(model) and torch.equal(model(*inputs), outputs)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    masks.attach(optimizer)
    for _ in range(3):
        optimizer.zero_grad()
        model(*inputs).square().backward()
        optimizer.step()
    assert masks.zeros_hold() and not any(bool(masks.weight(name)[~expected[name]].any()) for name in names)
    zeros = pl.Masks.from_zeros(model, layers=names)
    assert all(torch.equal(zeros[name], expected[name]) for name in names)


def whole_layer(model):
    prune.l1_unstructured(model.head, "weight", amount=0.5)
    prune.custom_from_mask(model.lstm, "weight_hh_l0", torch.zeros(32, 8))


def under_a_norm_too(model):
    prune.l1_unstructured(model.head, "weight", amount=0.5)
    normed(model.attention.out_proj)


def tied_on_one_side(model):
    model.tied = nn.Linear(8, 12, bias=False)
    model.tied.weight = model.words.weight
    prune.l1_unstructured(model.tied, "weight", amount=0.5)


def tied_in_two_ways(model):
    tied_on_one_side(model)
    prune.custom_from_mask(model.words, "weight", torch.eye(12, 8))


def nan_where_cut(model):
    with torch.no_grad():
        model.head.weight[0, 0] = float("nan")
    mask = torch.ones(3, 8)
    mask[0, 0] = 0
    prune.custom_from_mask(model.head, "weight", mask)
    prune.l1_unstructured(model.lstm, "weight_hh_l0", amount=0.5)


REFUSALS = {
    whole_layer: r"lstm\.weight_hh_l0 has no survivor",
    under_a_norm_too: r"attention\.out_proj\.weight is computed .* by _SpectralNorm.*exclude=",
    tied_on_one_side: r"tied\.weight is tied to words\.weight, which torch did not cut in the same way",
    tied_in_two_ways: r"words\.weight is tied to tied\.weight_orig, which torch did not cut in the same way",
    nan_where_cut: r"head\.weight holds NaN or infinite weights where torch cut it",
}


@pytest.mark.parametrize("spoil", REFUSALS)
def test_a_refusal_names_the_weight_and_leaves_all_as_it_was(spoil):
    model = Tagger()
    spoil(model)
    before = state_of(model)
    with pytest.raises(ValueError, match=f"^{REFUSALS[spoil]}"):
        pl.Masks.from_torch(model)
    assert same_state(before, model)


def test_what_is_left_out_stays_under_torchs_pruning():
    model = Tagger()
    for name in ("lstm.weight_hh_l0", "lstm.bias_hh_l0", "head.weight", "head.bias", "words.weight"):
        prune.random_unstructured(*owner(model, name), amount=0.5)
    outputs = model(ids(2, 5))
    with pytest.raises(ValueError, match="'tail' matches no layer"):
        pl.Masks.from_torch(model, exclude="tail")
    masks = pl.Masks.from_torch(model, exclude=["lstm", "head.bias"])
    assert list(masks) == ["words.weight", "attention.in_proj_weight", "attention.out_proj.weight", "head.weight"]
    assert {each.full_name for each in computed(model)} == {"lstm.weight_hh_l0", "lstm.bias_hh_l0", "head.bias"}
    with pytest.warns(LeftOutWarning, match=r"^lstm\.bias_hh_l0: torch pruned these too"):
        second = pl.Masks.from_torch(model, layers="lstm")
    assert list(second) == ["lstm.weight_ih_l0", "lstm.weight_hh_l0"] and second.kept_in("lstm.weight_hh_l0") == 128
    assert [each.full_name for each in computed(model)] == ["head.bias"]
    assert torch.equal(model(ids(2, 5)), outputs)


def test_tied_weights_that_torch_cut_alike_are_one_with_one_mask():
    model = Tagger()
    model.tied = nn.Linear(8, 12, bias=False)
    model.tied.weight = model.words.weight
    mask = (torch.rand(12, 8) < 0.5).float()
    for layer in (model.words, model.tied):
        prune.custom_from_mask(layer, "weight", mask)
    masks = pl.Masks.from_torch(model)
    assert model.tied.weight is model.words.weight and torch.equal(masks["tied"], mask.bool())
    assert masks["words"] is masks["tied"] and masks.zeros_hold()


def test_a_shared_module_is_taken_up_once():
    shared = nn.Linear(6, 6)
    prune.l1_unstructured(shared, "weight", amount=0.5)
    masks = pl.Masks.from_torch(nn.Sequential(shared, nn.ReLU(), shared))
    assert list(masks) == ["0.weight"] and masks.kept == 18 and masks["2"] is masks["0"]


def test_zeros_of_embeddings_are_taken_up_and_those_of_ones_own_modules_are_told():
    model = nn.ModuleDict({"text": Tagger(), "gpt": GptConv1D(6, 8), "fresh": GptConv1D(6, 8), "none": GptConv1D(2, 2)})
    assert "text.words.weight" not in pl.Masks.from_zeros(model), "the row for padding is no cut"
    with torch.no_grad():
        model["text"].words.weight[3:, ::2] = 0
        model["text"].lstm.weight_hh_l0[:, 4:] = 0
        model["gpt"].weight[:, :4] = 0
        model["none"].weight.zero_()  # not learned yet, or a zero to begin with: no cut
    with pytest.warns(LeftOutWarning, match=r"^gpt\.weight \(50\.0 % zeros\): of no kind of layer that is masked"):
        masks = pl.Masks.from_zeros(model)
    assert masks.kept_in("text.words") == 96 - 8 - 36 and masks.kept_in("text.lstm") == 512 - 128
    assert "gpt.weight" not in masks
    assert pl.Masks.from_zeros(model, exclude="gpt.weight").density == masks.density
    assert pl.Masks.from_zeros(model, layers=["gpt.weight"]).density == 0.5
