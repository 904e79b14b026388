"""The dropout rule, and which layer a dropout belongs to."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import prunelab as pl
from prunelab.pruning import dropout


class Net(nn.Module):
    """Modules registered in another order than they run in, and a branch on data that cannot be traced symbolically."""

    def __init__(self, branches: bool = False) -> None:
        super().__init__()
        self.drop_b = nn.Dropout(0.5)
        self.drop_in = nn.Dropout(0.1)
        self.out = nn.Linear(6, 3)
        self.second = nn.Linear(8, 6)
        self.drop_a = nn.Dropout(0.4)
        self.first = nn.Linear(5, 8)
        self.branches = branches

    def forward(self, x):
        if self.branches and x.sum() > 1e9:
            return x
        x = self.drop_in(x)
        x = self.drop_a(torch.relu(self.first(x)))
        x = self.drop_b(torch.relu(self.second(x)))
        return self.out(x)


OWNERS = {"drop_a": "first.weight", "drop_b": "second.weight"}


def test_the_papers_numbers():
    assert dropout.rate(0.5, 9, 100) == pytest.approx(0.150)
    assert dropout.rate(0.5, 25, 100) == pytest.approx(0.25)
    assert dropout.rate(0.5, 100, 100) == 0.5


@pytest.mark.parametrize("example", [None, torch.zeros(2, 5)])
def test_each_dropout_belongs_to_the_layer_that_runs_before_it(example):
    model = Net()
    assert dropout.owners(model, pl.Masks(model), example) == OWNERS
    assert model.training, "looking does not change the mode"


def test_a_model_that_cannot_be_traced_needs_an_example_or_names():
    model = Net(branches=True)
    masks = pl.Masks(model)
    with pytest.raises(ValueError, match="example="):
        pl.adjust_dropout(model, masks)
    assert dropout.owners(model, masks, torch.zeros(2, 5)) == OWNERS
    assert pl.adjust_dropout(model, masks, owners={"drop_b": "first"}) == {"drop_b": 0.5}
    with pytest.raises(ValueError, match="'drop_z' is no dropout"):
        pl.adjust_dropout(model, masks, owners={"drop_z": "first"})
    with pytest.raises(ValueError, match="matches no layer"):
        pl.adjust_dropout(model, masks, owners={"drop_b": "fifth"})


class Attentive(nn.Module):
    """Attention with a rate of its own, dropouts behind it, a recurrent part, and a function."""

    def __init__(self, how: str = "") -> None:
        super().__init__()
        self.how = how
        self.embed, self.drop_in = nn.Linear(6, 8), nn.Dropout(0.2)
        self.attention = nn.MultiheadAttention(8, 2, dropout=0.3 if how == "rate" else 0.0, batch_first=True)
        self.drop_a, self.memory, self.drop_m = nn.Dropout(0.4), nn.GRU(8, 8, batch_first=True), nn.Dropout(0.6)
        self.out = nn.Linear(8, 2)

    def forward(self, x):
        x = self.embed(self.drop_in(x))
        x = x + self.drop_a(self.attention(x, x, x, need_weights=False)[0])
        if self.how == "function":
            x = F.dropout(x, 0.7, self.training)
        if self.how == "memory":
            x = self.drop_m(self.memory(x)[0])
        return self.out(x)


def kept(masks: pl.Masks, layer: str) -> float:
    return masks.kept_in(layer) / masks[layer].numel()


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("", r"drop_m \(0\.6, unused\)"),
        ("function", r"a function in the code of Attentive \(F\.dropout or the like, 0\.7\)"),
        ("rate", r"attention \(MultiheadAttention, dropout=0\.3\)"),
        ("memory", r"drop_m \(0\.6, behind memory\.weight_[hi]h_l0, which has no mask\)"),
    ],
)
def test_dropout_behind_attention_is_found_and_what_cannot_be_reached_is_named(how, said):
    torch.manual_seed(0)
    model = Attentive(how)
    masks = pl.Masks(model, layers=["embed", "attention.out_proj", "out"])
    masks.prune(density=0.25)
    with pytest.warns(pl.PrunelabWarning, match=said) as told:
        rates = pl.adjust_dropout(model, masks, example=torch.randn(2, 3, 6))
    assert len(told) == 1 and "drop_in" not in str(told[0].message), (
        "what drops out of the input has no layer before it"
    )
    assert rates == {"drop_a": pytest.approx(0.4 * kept(masks, "attention.out_proj") ** 0.5)}
    assert (model.drop_m.p, model.drop_in.p, model.attention.dropout) == (0.6, 0.2, 0.3 if how == "rate" else 0.0)


def test_what_torch_fx_does_not_look_into_is_named():
    model = nn.Sequential(nn.Linear(6, 8), Leaf(), nn.Linear(8, 2))
    masks = pl.Masks(model)
    masks.prune(density=0.5)
    with pytest.warns(pl.PrunelabWarning, match=r"1\.drop \(0\.5, inside a module .* give example="):
        assert pl.adjust_dropout(model, masks) == {}
    assert pl.adjust_dropout(model, masks, example=torch.randn(2, 6)) == {"1.drop": 0.5 * kept(masks, "0") ** 0.5}


class Leaf(nn.Module):
    """Named as a module of torch's, which torch.fx takes for a leaf."""

    __module__ = "torch.nn.leaf"

    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        return self.drop(x)


def test_rates_follow_the_connections_from_the_original_rate_every_time():
    model = Net()
    masks = pl.Masks(model)
    for density in (0.5, 0.25):
        masks.prune(density=density, scope="layer")
        rates = pl.adjust_dropout(model, masks)
        assert rates == {"drop_a": pytest.approx(0.4 * density**0.5), "drop_b": pytest.approx(0.5 * density**0.5)}
        assert model.drop_a.p == rates["drop_a"] and model.drop_in.p == 0.1
    twin = copy.deepcopy(model)
    assert dropout.rates(twin) == dropout.rates(model) and dropout.original_rates(twin) == dropout.original_rates(model)
    assert dropout.original_rates(model)["drop_b"] == 0.5 and dropout.rates(model)["drop_b"] == pytest.approx(0.25)


class Recurrent(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.cell, self.drop, self.head = getattr(nn, kind)(6, 10), nn.Dropout(0.5), nn.Linear(10, 3)

    def forward(self, x):
        h = self.cell(x)
        return self.head(self.drop(h[0] if isinstance(h, tuple) else h))


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell"])
def test_all_weights_of_the_layer_before_a_dropout_count(kind):
    """Of each kind there are two, of unlike densities; one of them used to stand for both."""
    torch.manual_seed(0)
    model, x, y = Recurrent(kind), torch.randn(40, 6), torch.arange(40) % 3
    masks = pl.Masks(model, layers=["cell", "head"])
    assert "cell" in masks.names_of("cell")[0] and len(masks.names_of("cell")) == 2
    masks.commit(masks.plan(density=dict(zip(masks.names_of("cell"), (0.1, 0.6), strict=True))))
    weights = [p for p in model.cell.parameters() if p.dim() > 1]
    kept, total = (sum(map(count, weights)) for count in (lambda p: int(p.count_nonzero()), torch.Tensor.numel))
    expected = pytest.approx(0.5 * (kept / total) ** 0.5)
    assert pl.adjust_dropout(model, masks, example=x)["drop"] == expected
    assert pl.adjust_dropout(model, masks, owners={"drop": "cell"})["drop"] == expected
    session = pl.Session(
        pl.Recipe(density=0.3, epochs=1), model=model, data=((x, y), (x, y)), masks=masks, trained=True
    )
    (preview,), snapshot = session.preview(pl.Recipe(density=0.3).final_target).dropouts, session.snapshot()
    assert snapshot.dropouts[0].rate == expected and preview.rate < snapshot.dropouts[0].rate
    *_, points = pl.views.dropout([snapshot])["data"]
    assert points["x"] == [pytest.approx(100 * kept / total, abs=1e-3)]


def test_the_lenet_keeps_its_dropouts_in_order():
    session = pl.Session(pl.Recipe(dropout=0.5))
    belongs = {d.name: d.layer for d in session.snapshot().dropouts}
    assert belongs == {"dropout1": "fc1.weight", "dropout2": "fc2.weight"}


def test_an_excluded_layer_owns_nothing():
    model = Net()
    masks = pl.Masks(model, exclude=["second"])
    assert dropout.owners(model, masks, torch.zeros(2, 5)) == {"drop_a": "first.weight", "drop_b": "first.weight"}


class Reused(nn.Module):
    """One dropout that runs after each of two layers, and a batch norm that its owner holds in eval mode."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.drop = nn.Linear(5, 5), nn.Linear(5, 5), nn.Dropout(0.5)
        self.norm = nn.BatchNorm1d(5).eval()

    def forward(self, x):
        return self.drop(self.second(self.drop(self.norm(self.first(x)))))


@pytest.mark.parametrize("example", [None, torch.zeros(2, 5)])
def test_a_dropout_that_runs_twice_belongs_to_the_layer_before_its_first_run(example):
    model = Reused()
    assert dropout.owners(model, pl.Masks(model), example) == {"drop": "first.weight"}
    assert model.drop.training and not model.norm.training, "every module is back in its own mode"


def test_owners_by_name_are_filled_up_by_what_an_example_finds():
    model = Net()
    masks = pl.Masks(model)
    masks.prune(density=0.25, scope="layer")
    rates = pl.adjust_dropout(model, masks, owners={"drop_in": "out"}, example=torch.zeros(2, 5))
    assert rates.keys() == {"drop_in", "drop_a", "drop_b"}
    assert rates["drop_in"] == pytest.approx(0.1 * (masks.kept_in("out") / 18) ** 0.5)


@pytest.mark.parametrize(
    ("originals", "words"),
    [
        ({"drop_a": 0.5}, "the rate of drop_b is missing; give that of each dropout that is adjusted: drop_b, drop_a"),
        ({"drop_a": 0.5, "drop_b": 5.0}, "originals of drop_b = 5.0: must be a rate, 0 to 1"),
        ({"drop_a": 0.5, "drop_b": -0.5}, "originals of drop_b = -0.5"),
        ({"drop_a": 0.5, "drop_b": float("nan")}, "originals of drop_b = nan"),
        ({"drop_a": 0.5, "drop_b": "0.5"}, "originals of drop_b = '0.5'"),
        ({"drop_a": 0.5, "drop_b": True}, "originals of drop_b = True"),
        ({"drop_a": 0.5, "drop_b": 0.5, "drop_z": 0.5}, "'drop_z' is no dropout of this model; there are: drop_b"),
    ],
)
def test_original_rates_that_cannot_be_are_refused_before_any_is_set(originals, words):
    model = Net()
    masks = pl.Masks(model)
    masks.prune(density=0.25, scope="layer")
    with pytest.raises(ValueError, match=words):
        pl.adjust_dropout(model, masks, originals=originals)
    assert dropout.rates(model) == {"drop_b": 0.5, "drop_in": 0.1, "drop_a": 0.4}


def test_original_rates_may_be_given_and_stand_in_for_the_stored_ones():
    model = Net()
    masks = pl.Masks(model)
    masks.prune(density=0.25, scope="layer")
    given = {"drop_a": 1, "drop_b": 0.2, "drop_in": 0.1}  # drop_in belongs to no layer
    rates = pl.adjust_dropout(model, masks, originals=given)
    assert rates == {"drop_a": pytest.approx(0.5), "drop_b": pytest.approx(0.1)}
    assert dropout.rates(model) == {**rates, "drop_in": 0.1}


@pytest.mark.parametrize("originals", [None, {"drop_a": 0.4, "drop_b": 0.5}])
def test_a_rate_that_was_set_by_hand_is_a_new_original(originals):
    model = Net()
    masks = pl.Masks(model)
    masks.prune(density=0.25, scope="layer")
    for _ in range(2):
        assert pl.adjust_dropout(model, masks, originals=originals) == {"drop_a": 0.2, "drop_b": 0.25}
    model.drop_a.p = 0.6
    assert pl.adjust_dropout(model, masks) == {"drop_a": 0.3, "drop_b": 0.25}
    assert dropout.original_rates(model) == {"drop_b": 0.5, "drop_in": 0.1, "drop_a": 0.6}
