"""Sessions and labs of networks that are sparse already: their zeros are known, and stay zero."""

import copy

import pytest
import torch
from torch import nn

import prunelab as pl
from prunelab import errors
from prunelab.errors import CoverageWarning, DropoutWarning, GuessWarning, SessionError, StorageError

torch.manual_seed(0)
X, Y = torch.randn(200, 20), torch.arange(200) % 5
DATA = ((X, Y), (X, Y))
RECIPE = pl.Recipe(rounds=1, epochs=1, retrain_epochs=2)


def dense() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(20, 60), nn.Tanh(), nn.Linear(60, 5))


def sparse(density: float = 0.2) -> nn.Sequential:
    model = dense()
    pl.Masks(model).prune(density=density, scope="layer")
    return model


def zeros(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: p == 0 for name, p in model.named_parameters() if p.dim() > 1}


def hold(model: nn.Module, known: dict[str, torch.Tensor]) -> bool:
    return all(bool((p[known[name]] == 0).all()) for name, p in model.named_parameters() if name in known)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_zeros_of_a_trained_network_are_known_and_kept(optimizer):
    model = sparse()
    known = zeros(model)
    session = pl.Session(RECIPE.changed(optimizer=optimizer), model=model, data=DATA, trained=True)
    assert [layer.kept for layer in session.snapshot().layers] == [240, 60]
    session.prune(density=0.15)
    list(session.retrain())
    assert hold(model, known) and session.snapshot().density == pytest.approx(0.15, abs=1e-3)
    assert session.snapshot().zeros_hold


def test_masks_that_are_given_are_the_sessions():
    model = sparse()
    masks = pl.Masks.from_zeros(model, exclude=["2"])
    known = {"0.weight": zeros(model)["0.weight"]}
    session = pl.Session(RECIPE, model=model, data=DATA, masks=masks)
    assert session.masks is masks and [layer.name for layer in session.snapshot().layers] == ["0.weight"]
    list(session)
    assert hold(model, known) and model[2].weight.count_nonzero() == 300, "the layer without a mask learned"


def test_what_given_masks_cut_is_zero_from_the_start():
    model = dense()
    masks = pl.Masks(model)
    masks.prune(density=0.3)
    with torch.no_grad():
        model[0].weight.fill_(1)  # by a training loop without the masks
    session = pl.Session(RECIPE, model=model, data=DATA, masks=masks)
    assert session.snapshot().zeros_hold and model[0].weight.count_nonzero() == masks.kept_in("0")


def test_a_network_that_is_not_trained_says_which_zeros_it_takes_as_cut():
    model = sparse(0.25)
    known = zeros(model)
    said = r"0\.weight \(75\.0 %\), 2\.weight \(75\.0 %\).*masks=prunelab\.Masks\(model\)"
    with pytest.warns(GuessWarning, match=said):
        session = pl.Session(RECIPE, model=model, data=DATA)
    list(session.train())
    assert hold(model, known) and session.snapshot().density == 0.25
    model = sparse(0.25)
    session = pl.Session(RECIPE, model=model, data=DATA, masks=pl.Masks(model))  # its zeros may learn
    list(session.train())
    assert session.snapshot().density == 1 and model[0].weight.count_nonzero() == 1200


def test_a_layer_of_zeros_alone_learns():
    """As the last layer of a residual branch often begins."""
    model = dense()
    nn.init.zeros_(model[2].weight)
    session = pl.Session(RECIPE, model=model, data=DATA)
    list(session.train())
    assert session.snapshot().density == 1 and model[2].weight.count_nonzero() == 300


def test_masks_that_do_not_fit_are_refused():
    model = sparse()
    with pytest.raises(SessionError, match="masks of another model, or of a copy"):
        pl.Session(RECIPE, model=model, data=DATA, masks=pl.Masks(copy.deepcopy(model)))
    with pytest.raises(SessionError, match="give it, model="):
        pl.Session(RECIPE, masks=pl.Masks(model))


def test_saved_and_loaded_with_the_masks_it_had(tmp_path):
    model = sparse()
    session = pl.Session(RECIPE, model=model, data=DATA, trained=True, masks=pl.Masks.from_zeros(model, layers=["2"]))
    session.prune(density=0.1)
    session.save(tmp_path)
    again = pl.Session.load(tmp_path, model=dense(), data=DATA)
    assert list(again.masks) == ["2.weight"] and again.masks.kept == 30
    assert again.snapshot().layers[0].packed == session.snapshot().layers[0].packed
    with pytest.raises(StorageError, match="does not fit this model and data"):
        pl.Session.load(tmp_path, model=nn.Sequential(nn.Linear(20, 5)), data=DATA)


class Wordy(nn.Module):
    """Most weights have no mask, and a dropout is a function."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.fc = nn.Embedding(50, 8), nn.Linear(8, 5)

    def forward(self, x):
        return self.fc(nn.functional.dropout(self.embed(x).mean(1), 0.4, self.training))


def test_a_session_says_what_it_cannot_reach():
    tokens = torch.randint(0, 50, (60, 7))
    data = ((tokens, Y[:60]), (tokens, Y[:60]))
    with pytest.warns() as told:
        pl.Session(RECIPE, model=Wordy(), data=data)
    assert [each.category for each in told] == [CoverageWarning, DropoutWarning]
    assert "embed.weight (90.9 %)" in str(told[0].message) and "F.dropout or the like, 0.4" in str(told[1].message)
    assert {each.filename for each in told} == {__file__}
    with pytest.warns() as told:
        pl.Session(RECIPE.changed(adjust_dropout=False), model=Wordy(), data=data)
    assert [each.category for each in told] == [CoverageWarning]


def dropping(rate: float = 0.5) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(20, 60), nn.Tanh(), nn.Dropout(rate), nn.Linear(60, 5))


def quarter(model: nn.Module) -> pl.Masks:
    masks = pl.Masks(model)
    masks.prune(density=0.25, scope="layer")
    return masks


@pytest.mark.parametrize("trained", [True, False])
@pytest.mark.parametrize("given", [True, False])
def test_dropout_of_a_sparse_network_is_adjusted_at_the_start_only_if_the_recipe_says_so(given, trained):
    for adjust, rate in ((False, 0.5), (True, 0.25)):
        model = dropping()
        masks = quarter(model) if given else quarter(model) and None
        with errors.collected():  # zeros of a network that is not trained are taken as cut
            pl.Session(RECIPE.changed(adjust_dropout=adjust), model=model, data=DATA, trained=trained, masks=masks)
        assert model[2].p == rate


def test_sessions_of_one_model_one_after_another_do_not_compound_its_dropout():
    model = dropping()
    quarter(model)
    for _ in range(3):
        session = pl.Session(RECIPE, model=model, data=DATA, trained=True)
        assert model[2].p == 0.25 and session.snapshot().dropouts[0].original == 0.5
    session.prune(density=0.01)
    again = pl.Session(RECIPE, model=copy.deepcopy(model), data=DATA, trained=True)
    assert again.model[2].p == model[2].p < 0.25


def test_a_recipe_that_is_refused_leaves_the_dropout_of_the_model():
    model = dropping()
    masks = quarter(model)
    with pytest.raises(ValueError, match="'typo' matches no layer"):
        pl.Session(RECIPE.changed(layer_quality={"typo": 1.0}), model=model, data=DATA, masks=masks)
    assert model[2].p == 0.5
