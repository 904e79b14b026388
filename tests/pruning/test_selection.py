"""Names, and what they select: exclusions come first, a string is one name, tied weights have one mask."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize, prune

import prunelab as pl
from support.layer_kinds import Tagger, halved, normed


def critic() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1))


def weight_normed(layer: nn.Module) -> nn.Module:
    with pytest.warns(FutureWarning, match="deprecated"):
        return nn.utils.weight_norm(layer)


STATES = {
    "spectral_norm": (normed, "0.weight is computed from other parameters by _SpectralNorm.*remove_parametrizations"),
    "a parametrization": (halved, "0.weight is computed from other parameters by Halved.*remove_parametrizations"),
    "prune": (
        lambda layer: prune.l1_unstructured(layer, "weight", 0.5),
        r"0.weight is computed from other parameters by torch.nn.utils.prune.*Masks.from_torch\(model\)",
    ),
    "old weight_norm": (weight_normed, "by weight_norm.*torch.nn.utils.remove_weight_norm"),
    "old spectral_norm": (nn.utils.spectral_norm, "by spectral_norm.*torch.nn.utils.remove_spectral_norm"),
}


@pytest.mark.parametrize("state", [*STATES, "lazy"])
@pytest.mark.parametrize("how", [{"exclude": ["0"]}, {"exclude": "0"}, {"layers": ["2", "4"]}, {"exclude": "0.weight"}])
def test_what_is_left_out_may_be_in_any_state(state, how):
    model = critic()
    if state == "lazy":
        model[0] = nn.LazyLinear(8)
        words = "0.weight has no shape yet: run the model once first"
    else:
        change, words = STATES[state]
        change(model[0])
    with pytest.raises(ValueError, match=f"^{words}.*; or leave it out with exclude=" if state == "lazy" else words):
        pl.Masks(model)
    masks = pl.Masks(model, **how)
    assert list(masks) == ["2.weight", "4.weight"]
    masks.prune(density=0.5)
    if state != "lazy":
        assert list(pl.Masks.from_zeros(model, **how)) == ["2.weight", "4.weight"]
        prune.l1_unstructured(model[2], "weight", 0.5)
        taken = pl.Masks.from_torch(model, **how)
        assert taken.kept_in("2") == 32 and taken.density < 1


def test_what_is_named_may_not():
    model = critic()
    normed(model[0])
    with pytest.raises(ValueError, match=r"^0\.weight is computed"):
        pl.Masks(model, layers=["0", "2"], exclude=["2"])
    parametrize.remove_parametrizations(model[0], "weight")
    assert list(pl.Masks(model, layers=["0", "2"], exclude=["2"])) == ["0.weight"]


def test_a_string_is_one_name():
    model = nn.ModuleDict({"fc": nn.Linear(3, 3), "f": nn.Linear(3, 3), "c": nn.Linear(3, 3)})
    assert list(pl.Masks(model, layers="fc")) == ["fc.weight"]
    assert list(pl.Masks(model, exclude="fc")) == ["f.weight", "c.weight"]
    assert pl.Masks(model, outputs="fc").outputs() == {"fc.weight"}
    assert list(pl.Masks.from_zeros(model, layers="f")) == ["f.weight"]
    with pytest.raises(ValueError, match="'cf' matches no layer that can have a mask"):
        pl.Masks(model, exclude="cf")
    assert pl.sensitivity(model["fc"], (torch.randn(6, 3), torch.arange(6) % 3), layers="weight").layers == ("weight",)


class Reused(nn.Module):
    """The embedding's weight is the head's, too; the LSTM's first matrix is the Linear's."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.lstm = nn.Embedding(12, 8), nn.LSTM(8, 2)
        self.head, self.side = nn.Linear(8, 12), nn.Linear(8, 8)
        self.head.weight = self.words.weight
        self.side.weight = self.lstm.weight_ih_l0


@pytest.mark.parametrize(
    "use",
    [
        lambda model, name: pl.Masks(model, layers=[name]),
        lambda model, name: pl.Masks(model, layers=name),
        lambda model, name: pl.Masks(model, exclude=[name]),
        lambda model, name: pl.Masks(model, outputs=name),
        lambda model, name: pl.Masks.from_zeros(model, exclude=name),
        lambda model, name: pl.Masks(model).prune(density={name: 0.5}),
        lambda model, name: pl.Masks(model).prune(quality={name: 0.5}),
        lambda model, name: pl.Masks(model)[name],
        lambda model, name: pl.Masks(model).kept_in(name),
    ],
)
def test_a_layer_that_is_not_given_by_its_name_is_refused_with_its_name(use):
    model = critic()
    with pytest.raises(TypeError, match="named by a string, not by a Linear: this one is '2'"):
        use(model, model[2])
    with pytest.raises(TypeError, match="named by a string, not by 2: there are '0', '2', '4'"):
        use(model, 2)
    masks = pl.Masks(model)
    assert "2" in masks and 2 not in masks and model[2] not in masks


X = torch.randn(12, 6)


@pytest.mark.parametrize(
    "use",
    [
        pl.Masks,
        pl.Masks.from_zeros,
        pl.Masks.from_torch,
        lambda model: pl.sensitivity(model, (X, torch.arange(12) % 2)),
        lambda model: pl.Session(pl.Recipe(), model=model, data=((X, torch.arange(12) % 2),) * 2),
    ],
)
def test_what_is_no_network_is_refused_in_words(use):
    for model, words in (
        (critic().state_dict(), "model is a OrderedDict: must be a torch.nn.Module; load_state_dict of a network"),
        (torch.optim.SGD(critic().parameters()), "model is a SGD: must be a torch.nn.Module"),
        (nn.Linear, r"model is the class Linear: make a network of it first, Linear\(\.\.\.\)"),
        ("net.pt", "model is a str"),
    ):
        with pytest.raises(TypeError, match=words):
            use(model)


def test_a_tied_weight_is_named_by_any_of_its_places():
    model = Reused()
    masks = pl.Masks(model)
    assert list(masks) == ["lstm.weight_ih_l0", "lstm.weight_hh_l0", "head.weight"], "none of the embedding's own"
    assert masks["words"] is masks["head"] and masks["side"] is masks["lstm.weight_ih_l0"]
    for name in ("words", "words.weight", "head", "head.weight"):
        assert list(pl.Masks(model, layers=name)) == ["head.weight"]
        assert "head.weight" not in pl.Masks(model, exclude=name)
    assert list(pl.Masks(model, exclude=["lstm"])) == ["head.weight"]


def test_the_projections_of_attention_go_by_its_name_and_by_their_own():
    model = Tagger()
    assert list(pl.Masks(model, layers="attention")) == ["attention.in_proj_weight", "attention.out_proj.weight"]
    assert list(pl.Masks(model, layers="attention.out_proj")) == ["attention.out_proj.weight"]
    assert not [name for name in pl.Masks(model, exclude="attention") if "attention" in name]
    assert "attention.in_proj_weight" in pl.Masks(model, exclude="attention.out_proj")
