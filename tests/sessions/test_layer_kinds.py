"""Sessions of networks with recurrent layers, attention and embeddings: pruned, drawn, saved, or refused in words."""

import plotly.graph_objects as go
import pytest
import torch
from torch.nn.utils import prune

import prunelab as pl
from prunelab import views
from prunelab.errors import PrunelabWarning, SessionError
from support.layer_kinds import Tagger, ids

RECIPE = pl.Recipe(epochs=1, retrain_epochs=1, rounds=1, rule="density", density=0.3, batch_size=16)
NAMES = [f"lstm.weight_{part}_l0" for part in ("ih", "hh")]
NAMES += ["attention.in_proj_weight", "attention.out_proj.weight", "head.weight"]


def data():
    x, y = ids(48, 5), torch.arange(48) % 3
    return (x, y), (x, y)


def test_every_weight_is_a_layer_of_the_snapshots_and_has_its_pictures(tmp_path):
    with pytest.warns(PrunelabWarning, match=r"words\.weight"):
        *_, last = pl.Session(RECIPE, model=Tagger(), data=data(), directory=tmp_path)
    assert [layer.name for layer in last.layers] == NAMES and last.zeros_hold
    assert [layer.rows for layer in last.layers] == ["row", "row", "row", "neuron", "neuron"]
    assert last.kept == round(0.3 * last.total) and last.effective is None, "paths through an LSTM are not known"
    titles = [go.Figure(view(last)).layout.title.text for view in (views.weights, views.graph)]
    assert "or rows have no input" in titles[1]
    for name in NAMES:
        assert ("neurons" in views.mask(last, name)["layout"]["title"]["text"]) <= (last.layer(name).rows == "neuron")
    again = pl.Session.load(tmp_path, model=Tagger(), data=data())
    assert again.snapshot().kept == last.kept and list(again.masks) == NAMES


def test_a_session_saved_with_fewer_masks_goes_on_with_these(tmp_path):
    model = Tagger()
    session = pl.Session(RECIPE, model=model, data=data(), masks=pl.Masks(model, layers="head"), directory=tmp_path)
    for _ in session:
        pass
    again = pl.Session.load(tmp_path, model=Tagger(), data=data())
    assert list(again.masks) == ["head.weight"] and again.masks.zeros_hold()
    assert again.snapshot().kept == session.snapshot().kept


@pytest.mark.parametrize("name", ["head.weight", "words.weight", "lstm.bias_hh_l0"])
def test_a_network_under_torchs_pruning_is_refused_by_name(name):
    model = Tagger()
    path, _, attribute = name.rpartition(".")
    prune.l1_unstructured(model.get_submodule(path), attribute, amount=0.5)
    with pytest.raises(SessionError, match=rf"^{name} is computed .* by torch.nn.utils.prune: .*Masks\.from_torch"):
        pl.Session(RECIPE, model=model, data=data())
    with pytest.raises(ValueError, match=rf"^{name} is computed"):
        pl.sensitivity(model, data()[0])
    assert prune.is_pruned(model)
