"""Which layers stand next before outputs and dropouts, by hand, in models that torch.fx traces and that it does not."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from prunelab.pruning.dataflow import dataflow, functional_dropouts, shadow


def matrices(model: nn.Module) -> dict[str, str]:
    return {name: name for name, p in model.named_parameters() if p.dim() > 1}


class Free(nn.Module):
    """A weight that no module calls, a layer whose weight a function uses, and a position that is no layer."""

    def __init__(self) -> None:
        super().__init__()
        self.late = nn.Linear(5, 3)
        self.free = nn.Parameter(torch.randn(5, 4))
        self.position = nn.Parameter(torch.randn(2, 5))
        self.drop, self.end = nn.Dropout(0.3), nn.Dropout(0.1)

    def forward(self, x):
        x = self.drop(x @ self.free.t() + self.position)
        return self.end(F.linear(x, self.late.weight * 2))


@pytest.mark.parametrize("example", [None, torch.randn(2, 4)])
def test_weights_that_are_used_without_a_module_call(example):
    found = dataflow(model := Free(), matrices(model), example)
    assert found.outputs == ("late.weight",)
    assert found.dropouts == {"drop": ("free",), "end": ("late.weight",)}


@pytest.mark.parametrize("norm_first", [False, True])
def test_dropout_behind_attention_belongs_to_its_projection(norm_first):
    model = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=norm_first)
    found = dataflow(model, matrices(model), torch.randn(2, 5, 8))
    assert found.dropouts == {
        "dropout1": ("self_attn.out_proj.weight",),
        "dropout": ("linear1.weight",),
        "dropout2": ("linear2.weight",),
    }
    assert found.outputs == ("self_attn.out_proj.weight", "linear2.weight"), "both are added to what comes out"


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_dropout_behind_a_recurrent_network_belongs_to_it(kind):
    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.memory, self.drop, self.out = kind(4, 6, batch_first=True), nn.Dropout(0.5), nn.Linear(6, 2)

        def forward(self, x):
            return self.out(self.drop(self.memory(x)[0][:, -1]))

    model = Reader()
    for example in (None, torch.randn(2, 3, 4)):
        found = dataflow(model, matrices(model), example)
        assert found.outputs == ("out.weight",)
        assert set(found.dropouts["drop"]) & {"memory.weight_hh_l0"}


def test_tokens_embedded_and_scaled():
    class Bag(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.drop, self.fc = nn.Embedding(9, 4), nn.Dropout(0.2), nn.Linear(4, 2)

        def forward(self, x):
            return self.fc(self.drop(self.words(x).mean(1) * 2.0))

    model = Bag()
    for example in (None, torch.randint(0, 9, (2, 3))):
        found = dataflow(model, matrices(model), example)
        assert (found.outputs, found.dropouts) == (("fc.weight",), {"drop": ("words.weight",)})


class Conditional(nn.Module):
    """Two heads, of which the data choose one; recomputed in the backward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.body = nn.Linear(6, 2), nn.Linear(6, 2), nn.Linear(4, 6)

    def forward(self, x):
        h = checkpoint(self.body, x, use_reentrant=False)
        return self.a(h) if x.sum() > 0 else self.b(h)


def test_the_example_decides_where_the_data_do():
    model = Conditional()
    assert dataflow(model, matrices(model), torch.ones(2, 4)).outputs == ("a.weight",)
    assert dataflow(model, matrices(model), -torch.ones(2, 4)).outputs == ("b.weight",)
    with pytest.raises(ValueError, match="Conditional cannot be traced without data"):
        dataflow(model, matrices(model))


class Functional(nn.Module):
    def __init__(self, how: str) -> None:
        super().__init__()
        self.fc1, self.fc2, self.drop, self.how = nn.Linear(4, 6), nn.Linear(6, 2), nn.Dropout(0.9), how
        self.norm = nn.BatchNorm1d(6)

    def forward(self, x):
        h = self.drop(self.norm(self.fc1(x)))
        if self.how == "always there":
            h = F.dropout(h, 0.5, training=self.training)
        elif self.how == "in training only" and self.training:
            h = torch.dropout(h, p=0.25, train=True)
        elif self.how == "features":
            h = F.feature_alpha_dropout(h.unsqueeze(-1), training=self.training).squeeze(-1)
        elif self.how == "attention":
            h = h.unsqueeze(1)
            h = F.scaled_dot_product_attention(h, h, h, dropout_p=0.1 if self.training else 0.0).squeeze(1)
        return self.fc2(h)


@pytest.mark.parametrize(
    ("how", "rates"),
    [("always there", [0.5]), ("in training only", [0.25]), ("features", [0.5]), ("attention", [0.1]), ("none", [])],
)
@pytest.mark.parametrize("example", [None, torch.randn(3, 4)])
def test_dropout_as_a_function_is_found(how, rates, example):
    model = Functional(how).eval()
    state, random = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    assert functional_dropouts(model, example) == rates
    assert not model.training and torch.equal(random, torch.get_rng_state())
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_a_model_that_cannot_train_on_one_sample_is_looked_at_in_eval_mode():
    assert functional_dropouts(Functional("always there"), torch.randn(1, 4)) == [0.5]


def test_outputs_within_objects_are_outputs():
    """As a policy gives a distribution, and beside it a value."""

    class Policy(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.actor, self.critic = nn.Linear(4, 8), nn.Linear(8, 3), nn.Linear(8, 1)

        def forward(self, x):
            h = self.body(x).relu()
            return torch.distributions.Categorical(logits=self.actor(h)), self.critic(h)

    model = Policy()
    assert dataflow(model, matrices(model), torch.ones(2, 4)).outputs == ("actor.weight", "critic.weight")


def test_a_shadow_shares_values_and_nothing_else():
    model = Free()
    for p in model.parameters():
        p.requires_grad_(False)
    twin = shadow(model)
    assert all(p.requires_grad for p in twin.parameters()) and not twin.training and model.training
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        assert ours is not theirs and ours.data_ptr() == theirs.data_ptr() and not ours.requires_grad


def test_a_model_that_cannot_run_says_the_shape():
    model = Free()
    with pytest.raises(ValueError, match=r"Free cannot run on an example of shape \(2, 7\): mat1 and mat2"):
        dataflow(model, matrices(model), torch.ones(2, 7))
