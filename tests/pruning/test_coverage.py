"""Of every module it is said whether it is pruned, and why; a cut bears it out."""

import warnings

import pytest
import torch
from torch import nn

import prunelab as pl
from prunelab.errors import CoverageWarning
from prunelab.models import build
from prunelab.pruning import coverage
from prunelab.results.subject import Module, Subject
from support.own_models import Reader


def models():
    plain = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 12), nn.Linear(12, 5))
    lstm = nn.ModuleDict({"memory": nn.LSTM(6, 5), "head": nn.Linear(5, 3)})
    lists = nn.ModuleDict({"free": nn.ParameterList([torch.ones(2), torch.ones(3)]), "up": nn.ConvTranspose2d(3, 4, 2)})
    shared = nn.Linear(6, 6)
    return {
        "plain": plain,
        "lstm": lstm,
        "lists": lists,
        "shared": nn.Sequential(shared, nn.ReLU(), shared, nn.Linear(6, 3)),
        "reader": Reader(),
        "lenet-5": build("lenet-5", (1, 28, 28), 10, batch_norm=True),
        "alone": nn.Linear(8, 4),
    }


def test_every_kind_of_reason_by_hand():
    """20 x 8 words are tied to the layer ``again``; attention is 24 x 8 + 24, and a Linear of 8 x 8 + 8 inside."""
    only = coverage.ONLY
    attention = "the projections of attention; never cut: in_proj_bias"
    assert pl.Masks(Reader(), exclude=["back"]).modules() == (
        Module("", "Reader", 0, 1, False, only),
        Module("words", "Embedding", 0, 0, True, "tied to again.weight, and counted there"),
        Module("attention", "MultiheadAttention", 192, 24, True, attention),
        Module("attention.out_proj", "NonDynamicallyQuantizableLinear", 64, 8, True, "a Linear layer; never cut: bias"),
        Module("norm", "LayerNorm", 0, 16, False, only),
        Module("hidden", "Linear", 128, 16, True, "a Linear layer; never cut: bias"),
        Module("back", "Linear", 0, 128, False, "left out by name (layers= or exclude=)"),
        Module("again", "Linear", 160, 20, True, "a Linear layer; never cut: bias"),
        Module("out", "Linear", 60, 3, True, "a Linear layer; never cut: bias"),
    )


def test_what_is_not_counted_is_told_without_the_biases_of_pruned_layers():
    """By hand: 1 + 16 + 128 values in modules that are not pruned; 192 + 412 weights in 5 layers that are."""
    subject = Subject("Reader", "words", pl.Masks(Reader(), exclude=["back"]).modules())
    assert (subject.counted, subject.layers, subject.uncounted) == (604, 5, 145)


def test_layers_of_outputs_stay_whole_when_neurons_are_cut():
    masks = pl.Masks(models()["plain"])
    assert [module.pruned for module in masks.modules()] == [True, False, True, True]
    conv, norm, hidden, out = masks.modules("neuron")
    assert (conv.pruned, norm.pruned, hidden.pruned, out.pruned) == (True, False, True, False)
    assert out.counted == 60 and "outputs" in out.why and conv.why == "a Conv layer; never cut: bias"


@pytest.mark.parametrize("unit", ["weight", "neuron"])
@pytest.mark.parametrize("name", models())
def test_a_cut_changes_exactly_the_modules_that_are_called_pruned(name, unit):
    model = models()[name]
    guessed = {"lstm": ["head"], "lists": ["up"]}  # these two have no forward: which outputs they give is not known
    masks = pl.Masks(model, outputs=guessed.get(name))
    modules = masks.modules(unit)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    if any(module.pruned for module in modules):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CoverageWarning)
            masks.prune(density=0.3, unit=unit, scope="layer")
    else:  # all of its layers give the outputs
        with pytest.raises(ValueError, match="nothing to prune"):
            masks.prune(density=0.3, unit=unit, scope="layer")
    for module in modules:
        own = dict(model.get_submodule(module.name).named_parameters(recurse=False))
        names = {key: f"{module.name}.{key}" if module.name else key for key in own}
        cut = any(not torch.equal(before[names[key]], value) for key, value in own.items())
        assert cut == module.pruned, module


@pytest.mark.parametrize("name", models())
def test_every_parameter_is_counted_once(name):
    model = models()[name]
    masks = pl.Masks(model)
    assert sum(module.counted for module in masks.modules()) == masks.total
    assert sum(m.counted + m.others for m in masks.modules()) == sum(p.numel() for p in model.parameters())


def test_what_cannot_be_told_is_an_error_with_what_to_do():
    model = nn.Sequential(nn.Linear(4, 6), nn.LazyBatchNorm1d(), nn.Linear(6, 3))
    with pytest.raises(ValueError, match=r"1\.weight has no shape yet: run the model once first"):
        pl.Masks(model).modules()
    with pytest.raises(ValueError, match="unit = 'row': must be one of weight, neuron, 2:4"):
        pl.Masks(nn.Linear(4, 3)).modules("row")
