"""Sessions and sensitivity on networks in any floating-point type, and with another default type in torch."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import prunelab as pl
from prunelab.data import own
from prunelab.training import steps
from support.sessions import same

FLOATS = [torch.float16, torch.bfloat16, torch.float64]
SHORT = {"epochs": 1, "retrain_epochs": 1, "rounds": 1}


@pytest.fixture
def doubles_by_default():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Dropout(0.1), nn.Linear(30, 5))


def samples(dtype=None) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(100, 20, generator=torch.Generator().manual_seed(1), dtype=torch.float32)
    return x.to(dtype or torch.get_default_dtype()), torch.arange(100) % 5


def ended(session: pl.Session) -> pl.Session:
    *_, last = session
    assert session.masks.zeros_hold() and last.phase == "retrained"
    assert last.density == pytest.approx(session.masks.density)
    return session


def test_a_session_of_ones_own_network_with_doubles_as_default(doubles_by_default, tmp_path):
    session = pl.Session(pl.Recipe(**SHORT), model=network(), data=(samples(), samples()))
    ended(session).save(tmp_path / "run")
    again = pl.Session.load(tmp_path / "run", model=network(), data=(samples(), samples()))
    assert torch.equal(again.model[0].weight, session.model[0].weight)
    assert again.model[0].weight.dtype == torch.float64


@pytest.mark.parametrize("model", ["mlp-small", "lenet-5"])
def test_a_session_of_the_recipes_network_with_doubles_as_default(doubles_by_default, model):
    session = pl.Session(pl.Recipe(model=model, **SHORT))
    stream = iter(session)
    for _ in range(3):
        next(stream)
    assert next(session.model.parameters()).dtype == torch.float64


def test_values_as_targets_with_doubles_as_default(doubles_by_default):
    x, _ = samples()
    y = x[:, :5] * 2
    ended(pl.Session(pl.Recipe(**SHORT), model=network(), data=((x, y), (x, y)), loss="mse"))


@pytest.mark.parametrize("dtype", [*FLOATS, torch.float32], ids=str)
def test_sensitivity_brings_the_data_to_the_models_type_as_a_session_does(dtype):
    model = network().to(dtype).eval()
    x, y = samples(dtype)
    for data in ((x, y), (x.float(), y), own((x, y), (x, y))):
        scan = pl.sensitivity(model, data, densities=[0.5])
        with torch.no_grad():
            expected = (model(x).argmax(1) == y).float().mean()
        assert scan.accuracy == pytest.approx(float(expected))
        assert [point.kept for point in scan.points] == [300, 75]
    assert model[0].weight.dtype == dtype


def test_sensitivity_with_doubles_as_default(doubles_by_default):
    assert pl.sensitivity(network(), samples(), densities=[0.5]).points


@pytest.mark.parametrize("ids", [torch.int64, torch.int32], ids=str)
def test_token_ids_reach_an_embedding_in_any_type_of_network(ids):
    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.head = nn.Embedding(30, 16), nn.Linear(16, 5)

        def forward(self, tokens):
            return self.head(self.embedding(tokens).mean(1))

    x, y = torch.randint(0, 30, (60, 7)).to(ids), torch.arange(60) % 5
    for dtype in (torch.float32, torch.float64):
        model = Reader().to(dtype)
        with pytest.warns(pl.PrunelabWarning, match=r"85\.7 % .*embedding\.weight"):
            session = pl.Session(pl.Recipe(**SHORT), model=model, data=((x, y), (x, y)))
        ended(session)
        assert pl.sensitivity(model, (x, y), densities=[0.5]).points


@pytest.mark.parametrize(
    "settings",
    [
        {"rule": "quality", "quality": 1.0},
        {"rule": "density", "density": 0.2, "regrow": 0.3, "rounds": 2},
        {"rule": "density", "density": 0.2, "criterion": "random"},
        {"rule": "density", "density": 0.5, "unit": "neuron", "distill": 0.5},
    ],
    ids=["quality", "regrown", "random", "neurons"],
)
def test_a_session_does_not_depend_on_torchs_default_device(settings, tmp_path):
    recipe, data = pl.Recipe(**SHORT | settings), (samples(), TensorDataset(*samples()))
    here = ended(pl.Session(recipe, model=network(), data=data))
    model, fresh = network(), network()
    with torch.device("meta"):  # has no values: whatever is made there by mistake shows
        session = pl.Session(recipe, model=model, data=data)
        session.finish("train")
        session.save(tmp_path)
        again = pl.Session.load(tmp_path, model=fresh, data=data)
        ended(again)
        assert pl.sensitivity(model, data, densities=[0.5]).points
    same(again, here)


class Complex(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = nn.Linear(20, 16, dtype=torch.complex64), nn.Linear(16, 5)

    def forward(self, x):
        return self.last(self.first(x.to(torch.complex64)).abs())


@pytest.mark.parametrize("settings", [{}, {"regularizer": "l1", "strength": 1e-3}, {"optimizer": "adam"}], ids=str)
def test_complex_weights_are_drawn_by_their_magnitude(settings):
    model, data = Complex(), (samples(), samples())
    session = pl.Session(pl.Recipe(rule="quality", quality=1.0, **SHORT | settings), model=model, data=data)
    session.finish("train")
    magnitude = model.first.weight.detach().abs()
    layer = session.prune().layers[0]
    edges = np.linspace(-layer.limit, layer.limit, len(layer.kept_counts) + 1)
    kept = magnitude >= layer.threshold
    assert layer.limit >= magnitude.max() and torch.equal(session.masks["first"], kept)
    for counts, values in ((layer.kept_counts, magnitude[kept]), (layer.cut_counts, magnitude[~kept])):
        assert np.abs(np.cumsum(counts) - np.cumsum(np.histogram(values.numpy(), edges)[0])).max() <= 1  # at an edge
    assert list(layer.strengths) == magnitude[kept].sort(descending=True).values[: len(layer.strengths)].tolist()
    ended(session)


def test_the_penalty_on_complex_weights_is_the_sum_of_their_magnitudes():
    models, (x, y) = [Complex(), Complex()], samples(torch.float32)
    optimizers = [torch.optim.SGD(model.parameters(), lr=0.1) for model in models]
    steps.training_step(models[0], optimizers[0], x, y, l1=0.01, weights=[models[0].first.weight])
    (nn.functional.cross_entropy(models[1](x), y) + 0.01 * models[1].first.weight.abs().sum()).backward()
    optimizers[1].step()
    torch.testing.assert_close(models[0].first.weight, models[1].first.weight)
