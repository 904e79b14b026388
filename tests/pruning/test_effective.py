"""Effective connections against paths that are enumerated one by one, and against graphs counted by hand."""

import copy
import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

import prunelab as pl
from prunelab import models
from prunelab.errors import WiringError
from prunelab.pruning.effective import LayerReach, Wiring, trace
from support.wiring import effective_of, ones_of


def mlp(*widths: int) -> nn.Sequential:
    steps: list[nn.Module] = []
    for one, next_ in itertools.pairwise(widths):
        steps += [nn.Linear(one, next_), nn.ReLU()]
    return nn.Sequential(*steps[:-1])


def test_a_network_counted_by_hand():
    # 2 inputs, 3 hidden, 2 outputs. Hidden 0 has no input, hidden 1 leads nowhere, hidden 2 is whole.
    model = mlp(2, 3, 2)
    masks = {
        "0.weight": torch.tensor([[0, 0], [1, 1], [1, 0]]).bool(),
        "2.weight": torch.tensor([[1, 0, 1], [1, 0, 0]]).bool(),
    }
    effective = effective_of(model, torch.rand(5, 2), masks)
    assert effective.layers == {
        "0.weight": LayerReach(kept=1, total=6, neurons=3, dead=2),
        "2.weight": LayerReach(kept=1, total=6, neurons=2, dead=1),  # output 1 hears of hidden 0 only
    }
    assert (effective.kept, effective.total, effective.dead, effective.density) == (2, 12, 3, 2 / 12)
    assert effective.layers["0.weight"].density == 1 / 6


def by_enumeration(masks: list[torch.Tensor]) -> list[torch.Tensor]:
    """Connections on some path, by walking every sequence of neurons from an input to an output."""
    found = [torch.zeros_like(mask) for mask in masks]
    widths = [masks[0].shape[1], *(len(mask) for mask in masks)]
    for path in itertools.product(*map(range, widths)):
        steps = [(k, j) for j, k in itertools.pairwise(path)]
        if all(mask[step] for mask, step in zip(masks, steps, strict=True)):
            for layer, step in zip(found, steps, strict=True):
                layer[step] = True
    return found


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_chains_agree_with_an_enumeration_of_all_paths(data):
    widths = data.draw(st.lists(st.integers(1, 5), min_size=3, max_size=5))
    density = data.draw(st.floats(0.1, 0.9))
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 10**6)))
    model = mlp(*widths)
    masks = {name: torch.rand(mask.shape, generator=generator) < density for name, mask in ones_of(model).items()}
    effective = effective_of(model, torch.rand(2, widths[0]), masks)
    for reach, mask in zip(effective.layers.values(), by_enumeration(list(masks.values())), strict=True):
        assert (reach.kept, reach.total) == (int(mask.sum()), mask.numel())
        assert reach.dead == len(mask) - int(mask.any(1).sum())


def as_numbers(module: nn.Module, mask: torch.Tensor) -> nn.Module:
    """A copy that counts paths: the mask as weights, no bias, float64."""
    counting = copy.deepcopy(module).double()
    counting.weight.data = mask.double()
    if counting.bias is not None:
        counting.bias.data.zero_()
    return counting


CONVOLUTIONS = {
    "plain": lambda: nn.Conv2d(4, 6, 3),
    "padded": lambda: nn.Conv2d(4, 6, 3, padding=1),
    "circular": lambda: nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular"),
    "same": lambda: nn.Conv2d(4, 6, 3, padding="same", dilation=2),
    "strided": lambda: nn.Conv2d(4, 6, 3, stride=2),
    "dilated": lambda: nn.Conv2d(4, 6, 2, dilation=3),
    "grouped": lambda: nn.Conv2d(4, 6, 3, groups=2),
    "depthwise": lambda: nn.Conv2d(4, 8, 3, groups=4),
    "transposed": lambda: nn.ConvTranspose2d(4, 6, 3, stride=2),
    "transposed grouped": lambda: nn.ConvTranspose2d(4, 6, 3, groups=2),
}


@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_convolutions_agree_with_path_counts_by_autograd(kind):
    torch.manual_seed(1)
    model = nn.Sequential(CONVOLUTIONS[kind](), nn.ReLU(), nn.Conv2d(6 if kind != "depthwise" else 8, 3, 1))
    masks = {name: torch.rand(mask.shape) < 0.3 for name, mask in ones_of(model).items()}
    x = torch.rand(2, 4, 9, 9)
    effective = effective_of(model, x, masks)
    # With few positive numbers, float64 counts every path exactly: a connection's gradient is how many run through it.
    counting = nn.Sequential(as_numbers(model[0], masks["0.weight"]), as_numbers(model[2], masks["2.weight"]))
    counting(torch.ones_like(x).double()).sum().backward()
    for name, layer in (("0.weight", counting[0]), ("2.weight", counting[1])):
        assert effective.layers[name].kept == int(((layer.weight.grad > 0) & masks[name]).sum())
        assert effective.layers[name].neurons == layer.out_channels
    out = counting[0](torch.ones_like(x).double()) > 0
    needed = masks["2.weight"].flatten(1).any(0)
    assert effective.layers["0.weight"].dead == int((~(out.flatten(2).any(2).any(0) & needed)).sum())


@pytest.mark.parametrize("dims", [1, 3])
def test_convolutions_of_other_dimensions(dims):
    conv, pool = {1: (nn.Conv1d, nn.MaxPool1d), 3: (nn.Conv3d, nn.AvgPool3d)}[dims]
    model = nn.Sequential(conv(2, 3, 3, padding=1), nn.ReLU(), pool(2), nn.Flatten(), nn.Linear(3 * 2**dims, 2))
    masks = ones_of(model)
    masks["0.weight"][1] = False  # filter 1 has no input
    masks["4.weight"][:, -(2**dims) :] = False  # filter 2 leads nowhere
    effective = effective_of(model, torch.rand(1, 2, *[4] * dims), masks)
    assert effective.layers["0.weight"] == LayerReach(2 * 3**dims, 6 * 3**dims, neurons=3, dead=2)
    assert effective.layers["4.weight"] == LayerReach(2 * 2**dims, 6 * 2**dims, neurons=2, dead=0)


class Residual(nn.Module):
    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, channels, 1)
        self.one = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels)
        self.two = nn.Conv2d(channels, channels, 3, padding=1)
        self.head = nn.Linear(channels, 2)

    def forward(self, x):
        x = F.relu(self.stem(x))
        x = F.relu(x + self.two(F.relu(self.norm(self.one(x)))))
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))


def test_a_residual_path_keeps_what_its_block_lost():
    model = Residual()
    masks = ones_of(model)
    masks["two.weight"][:] = False  # the block is cut off: what leads into it leads nowhere
    layers = effective_of(model, torch.rand(2, 2, 6, 6), masks).layers
    assert (layers["one.weight"].kept, layers["one.weight"].dead) == (0, 3)
    assert layers["two.weight"].dead == 3
    assert (layers["stem.weight"].kept, layers["head.weight"].kept) == (6, 6)
    masks = ones_of(model)
    masks["stem.weight"][:] = False  # nothing gets in at all
    assert effective_of(model, torch.rand(2, 2, 6, 6), masks).kept == 0


def test_the_far_ends_of_long_networks_are_still_seen():
    # Path counts grow or shrink by a factor of 64 a layer: far beyond what float32 holds.
    model = nn.Sequential(*[nn.Linear(64, 64) for _ in range(60)])
    assert effective_of(model, torch.rand(1, 64), ones_of(model)).density == 1
    deep = nn.Sequential(*[nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.AdaptiveAvgPool2d(32)) for _ in range(40)])
    assert effective_of(deep, torch.rand(1, 1, 32, 32), ones_of(deep)).density == 1


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.code = nn.Linear(4, 4)

    def forward(self, x):
        return F.linear(self.code(x).tanh(), self.code.weight.t())


def test_tied_weights_are_effective_if_any_use_is():
    shared = nn.Linear(3, 3, bias=False)
    model = nn.Sequential(shared, nn.ReLU(), shared)
    masks = {"0.weight": torch.tensor([[0, 1, 0], [0, 0, 0], [0, 0, 1]]).bool()}
    # First use: 1 -> 0 and 2 -> 2. Second: only 2 -> 2 goes on. 1 -> 0 ends in hidden 0, which nothing reads.
    assert effective_of(model, torch.rand(1, 3), masks).kept == 1
    masks["0.weight"][1, 0] = True  # 1 -> 0 goes on to 1
    assert effective_of(model, torch.rand(1, 3), masks).kept == 3
    model = Tied()
    masks = {"code.weight": torch.eye(4).bool()}
    assert effective_of(model, torch.rand(1, 4), masks).kept == 4


class Shapes(nn.Module):
    """Operations that move numbers about: what goes in at one place must come out at the right one."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(6, 4)
        self.two = nn.Linear(8, 2)
        self.scale = nn.Parameter(torch.ones(4))
        self.register_buffer("order", torch.tensor([3, 2, 1, 0]))

    def forward(self, x, mask=None):
        batch = x.size(0)
        x = self.one(x) * self.scale + 1
        if mask is not None:
            x = x * mask
        back = x[:, self.order]
        x = torch.cat([x, back], dim=1).view(batch, 2, -1).permute(0, 2, 1).reshape(batch, -1)
        return self.two(2 - x).softmax(dim=-1)


def test_shapes_and_constants_do_not_hide_paths():
    model = Shapes()
    masks = ones_of(model)
    masks["two.weight"][:] = False
    masks["two.weight"][0, 3] = True  # permuted: second copy of place 1, which reads neuron 2 backwards
    layers = effective_of(model, torch.rand(3, 6), masks).layers
    assert layers["one.weight"] == LayerReach(kept=6, total=24, neurons=4, dead=3)
    reads = [effective_of(model, torch.rand(3, 6), masks | {"one.weight": row_only(n)}).kept for n in range(4)]
    assert [bool(kept) for kept in reads] == [False, False, True, False]
    # Through the softmax every output depends on both neurons, but that opens no way into neuron 1.
    assert layers["two.weight"] == LayerReach(kept=1, total=16, neurons=2, dead=1)


def row_only(row: int) -> torch.Tensor:
    mask = torch.zeros(4, 6, dtype=torch.bool)
    mask[row] = True
    return mask


def test_group_norm_lets_the_channels_of_a_group_hear_of_each_other():
    model = nn.Sequential(nn.Conv2d(1, 4, 1), nn.GroupNorm(2, 4), nn.ReLU(), nn.Conv2d(4, 1, 1))
    masks = ones_of(model)
    masks["0.weight"][1:] = False  # only filter 0 is fed; its group is filters 0 and 1
    layers = effective_of(model, torch.rand(1, 1, 2, 2), masks).layers
    assert layers["0.weight"].dead == 3
    assert layers["3.weight"].kept == 2


@pytest.mark.parametrize("name", ["lenet-300-100", "lenet-5"])
@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 8, 8)])
def test_the_networks_of_the_paper_are_wired(name, shape):
    model = models.build(name, shape, 10, dropout=0.5, batch_norm=True)
    masks = pl.Masks(model)
    wiring = trace(model, torch.rand(3, *shape))
    whole = wiring.effective(masks)
    assert whole.density == 1
    assert whole.total == masks.total
    masks.prune(density=0.02, scope="layer")
    cut = wiring.effective(masks)  # the same wiring serves every mask
    assert 0 < cut.kept <= masks.kept
    assert cut.density <= masks.density


def test_layers_without_a_mask_count_as_dense_and_are_not_counted():
    model = mlp(2, 3, 2)
    masks = {"0.weight": torch.tensor([[1, 0], [0, 0], [1, 1]]).bool()}
    effective = effective_of(model, torch.rand(1, 2), masks)
    assert (effective.kept, effective.total, list(effective.layers)) == (3, 6, ["0.weight"])


def test_several_inputs_and_outputs():
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(2, 3), nn.Linear(4, 3)

        def forward(self, x, y):
            return {"sum": self.a(x) + self.b(y), "b": (self.b(y), None)}

    masks = {"a.weight": torch.zeros(3, 2).bool(), "b.weight": torch.ones(3, 4).bool()}
    effective = effective_of(Two(), (torch.rand(5, 2), torch.rand(5, 4)), masks)
    assert (effective.layers["a.weight"].kept, effective.layers["b.weight"].kept) == (0, 12)


def test_the_model_is_left_as_it_was():
    model = Residual().train()
    model.norm.eval()
    before = copy.deepcopy(model.state_dict())
    with torch.inference_mode():
        wiring = trace(model, torch.rand(2, 2, 6, 6))
        assert wiring.effective(ones_of(model)).density == 1
    assert model.training and not model.norm.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert isinstance(wiring, Wiring)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q = nn.Linear(4, 4)

    def forward(self, x):
        return self.q(x) @ self.q(x).transpose(1, 2)


class Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(4, 4)

    def forward(self, x):
        return self.a(x) if x.sum() > 0 else x


class Standardised(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(4, 4)

    def forward(self, x):
        return F.linear(x, self.a.weight / self.a.weight.norm())


class InPlace(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(4, 4)

    def forward(self, x):
        y = torch.zeros_like(x)
        y.add_(self.a(x))
        return y


REFUSED = {
    "attention": (Attention, "matmul"),
    "a module that is not known": (lambda: nn.Sequential(nn.Linear(4, 4), nn.LSTM(4, 4)), "LSTM"),
    "control flow": (Branching, "cannot be traced"),
    "computed weights": (Standardised, "of the weights a.weight"),
    "in-place arithmetic": (InPlace, "not known"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_not_known_is_refused_in_words(kind):
    make, words = REFUSED[kind]
    with pytest.raises(WiringError, match=f"not available for this model.*{words}"):
        trace(make(), torch.rand(2, 3, 4))


def test_bad_input_is_refused_in_words():
    model = mlp(4, 3, 2)
    with pytest.raises(WiringError, match="example of shape .2, 5."):
        trace(model, torch.rand(2, 5))
    wiring = trace(model, torch.rand(2, 4))
    with pytest.raises(WiringError, match="'fc9' is no layer of this model; there are: 0.weight, 2.weight"):
        wiring.effective({"fc9": torch.ones(1).bool()})
    with pytest.raises(WiringError, match="needed: torch.bool of shape .3, 4."):
        wiring.effective({"0.weight": torch.ones(4, 3).bool()})
    with pytest.raises(WiringError, match="torch.float32"):
        wiring.effective({"0.weight": torch.ones(3, 4)})
    with pytest.raises(ValueError, match="nothing to prune"):
        trace(nn.ReLU(), torch.rand(2, 4))


class Words(nn.Module):
    """Each feature of a word leads to one neuron of each position; positions add what comes from no input."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(3, 2), nn.Embedding(4, 2)
        self.head = nn.Linear(2, 2, bias=False)

    def forward(self, ids):
        return self.head(self.words(ids) + self.places(torch.arange(ids.shape[1])))


def test_connections_of_an_embedding_lead_from_words_to_features():
    """By hand: feature 1 is in no word, and feature 0 is read by the second neuron alone."""
    wiring = trace(Words(), torch.zeros(2, 4, dtype=torch.long))
    words = torch.tensor([[1, 0], [0, 0], [1, 0]]).bool()
    found = wiring.effective({"words.weight": words, "head.weight": torch.tensor([[0, 1], [1, 1]]).bool()}).layers
    assert (found["words.weight"].kept, found["words.weight"].neurons, found["words.weight"].dead) == (2, 2, 1)
    assert (found["head.weight"].kept, found["head.weight"].dead) == (1, 1)
    full = wiring.effective({"words.weight": torch.ones(3, 2).bool()})
    assert full.kept == 6 and full.dead == 0
    assert (
        wiring.effective({"words.weight": ~words, "head.weight": torch.eye(2).bool()}).layers["words.weight"].kept == 4
    )


def test_paths_through_other_kinds_of_layers_are_not_available_in_words():
    for layer, x in ((nn.LSTM(3, 3), torch.zeros(2, 3)), (nn.MultiheadAttention(4, 2), torch.zeros(2, 4))):
        with pytest.raises(WiringError, match="effective density is not available for this model"):
            trace(nn.Sequential(layer), x)
    with pytest.raises(WiringError, match="'0.bias' is no layer of this model"):
        trace(mlp(4, 3, 2), torch.zeros(1, 4)).effective({"0.bias": torch.ones(3).bool()})


class Combined(nn.Module):
    """Two layers that one operation combines, and a layer that reads what it gives."""

    def __init__(self, combine) -> None:
        super().__init__()
        self.a, self.b, self.head = (nn.Linear(n, m, bias=False) for n, m in ((3, 5), (3, 5), (5, 2)))
        self.base = nn.Parameter(torch.rand(5) + 1.5)
        self.register_buffer("numbers", torch.tensor([-1, 0, 1, 2, 3]))
        self.combine = combine

    def forward(self, x):
        return self.head(self.combine(self, self.a(x), self.b(x)))


COMBINED = {
    "a constant to a power": lambda m, a, b: m.base**a + b,
    "a number to a power": lambda m, a, b: 2**a - b,
    "to a power": lambda m, a, b: torch.pow(2 + a.tanh(), 1 + b),
    "a method": lambda m, a, b: (2 + a.tanh()).pow(exponent=1 + b),
    "clamp below": lambda m, a, b: torch.clamp(a, max=b),
    "clamp between": lambda m, a, b: (a + 0.5).clamp(b - 0.5, b + 0.5),
    "clamp a constant": lambda m, a, b: torch.clamp(m.base - 1.5, a, a + b.abs()),
    "a wider constant": lambda m, a, b: (a[:, :1].tanh() + 2) ** m.base + b,
    "integers": lambda m, a, b: a + m.numbers + b - torch.clamp(m.numbers, max=1),
    "types": lambda m, a, b: a.type_as(b) + m.numbers.to(b),
    "keywords": lambda m, a, b: torch.clamp(input=a, min=b),
    "integers beside": lambda m, a, b: torch.cat([(a + b)[:, :3], m.numbers[3:].expand_as(a[:, :2])], 1),
    "integers that are made": lambda m, a, b: torch.cat(
        tensors=((a + b)[:, :3], torch.full((a.shape[0], 2), 3)), dim=1
    ),
    "floats beside": lambda m, a, b: torch.concat([(a + b)[:, :3], torch.full((a.shape[0], 2), 3.0)], 1),
    "truths beside": lambda m, a, b: torch.cat([(a + b)[:, :3], (m.numbers[3:] > 0).expand_as(a[:, :2])], 1),
    "integers in a stack": lambda m, a, b: torch.stack([a + b, m.numbers.expand_as(a)], 1).flatten(1)[:, 3:8],
    "integers repeated": lambda m, a, b: torch.cat([(a + b)[:, :3], torch.full((1, 2), 3).repeat(a.shape[0], 1)], 1),
    "integers as places": lambda m, a, b: (a + b)[:, m.numbers],
    "integers as counts": lambda m, a, b: (a + b)[:, :3].repeat_interleave(m.numbers[1:4], dim=1).repeat(1, 2)[:, :5],
}


@pytest.mark.parametrize("how", COMBINED)
def test_paths_through_any_argument_agree_with_what_a_change_of_each_weight_does(how):
    torch.manual_seed(3)
    model, x = Combined(COMBINED[how]).double(), torch.randn(200, 3).double()
    for _ in range(4):
        masks = {name: torch.rand(mask.shape) < 0.5 for name, mask in ones_of(model).items()}
        masks["a.weight"][int(torch.randint(5, ()))] = masks["b.weight"][int(torch.randint(5, ()))] = False
        found = trace(model, x).effective(masks)
        cut = copy.deepcopy(model).requires_grad_(False)
        for name, mask in masks.items():
            cut.get_parameter(name).mul_(mask)

        def from_the_input(cut=cut):
            return cut(x) - cut(x).mean(0)

        before = from_the_input()
        for name, mask in masks.items():
            weight, changed = cut.get_parameter(name), 0
            for place in mask.nonzero().tolist():
                value = weight[tuple(place)].clone()
                weight[tuple(place)] += 0.5
                changed += not torch.allclose(from_the_input(), before, rtol=0, atol=1e-9)
                weight[tuple(place)] = value
            assert found.layers[name].kept == changed, name


@pytest.mark.parametrize(
    "combine",
    [
        lambda m, a, b: F.prelu(a, b[0]),
        lambda m, a, b: F.layer_norm(a, (5,), weight=b[0]),
        lambda m, a, b: F.prelu(m.base, weight=b[0]),
    ],
)
def test_a_path_through_a_later_argument_is_refused_where_its_rule_looks_at_the_first(combine):
    with pytest.raises(WiringError, match=r"paths run through the later arguments of (prelu|layer_norm) .* not known"):
        trace(Combined(combine), torch.rand(4, 3))
