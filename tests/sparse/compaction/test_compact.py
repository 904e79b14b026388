"""Compacted networks against the dense networks they come from."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import prune as torch_prune

import prunelab as pl
from prunelab import models
from prunelab.errors import CompactError
from prunelab.sparse.compaction.compact import Trimmed, compact


def checked(model: nn.Module, example: Tensor, *others: Tensor, atol: float = 1e-5) -> nn.Module:
    """The compacted model, after everything that must hold of any was asserted."""
    state, modes = copy.deepcopy(model.state_dict()), [m.training for m in model.modules()]
    flags = {name: p.requires_grad for name, p in model.named_parameters()}
    given = example.clone()
    small = compact(model, example)
    assert torch.equal(given, example)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert [m.training for m in model.modules()] == modes == [m.training for m in small.modules()]
    assert all(p.requires_grad == flags[n] for n, p in small.named_parameters() if n in flags)
    assert not {id(p) for p in model.parameters()} & {id(p) for p in small.parameters()}
    dense, twin = copy.deepcopy(model).eval(), copy.deepcopy(small).eval()
    with torch.no_grad():
        for x in (example, *others):
            wanted = dense(x)
            torch.testing.assert_close(twin(x), wanted, rtol=1e-4, atol=atol * max(1.0, float(wanted.abs().max())))
    report = small.compaction
    widths = dict(small.named_modules())
    for name, layer in report.layers.items():
        module = widths[name.removesuffix(".weight")]
        assert layer.left == len(module.weight if not getattr(module, "transposed", False) else module.weight[0])
    assert report.parameters_after == sum(p.numel() for p in small.parameters())
    assert report.parameters_before == sum(p.numel() for p in model.parameters())
    return small


def settle(model: nn.Module, seed: int = 0) -> nn.Module:
    """Biases and batch norms as training leaves them: nothing at zero or one that could hide a mistake."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            for tensor, low, high in (
                (module.weight, 0.5, 1.5),
                (module.bias, -1, 1),
                (module.running_mean, -1, 1),
                (module.running_var, 0.5, 2),
            ):
                tensor.data.uniform_(low, high, generator=generator)
        elif getattr(module, "bias", None) is not None:
            module.bias.data.uniform_(-0.5, 0.5, generator=generator)
    return model


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("name", ["lenet-300-100", "lenet-5"])
@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 8, 8)])
def test_the_networks_of_the_paper_shrink_and_answer_as_before(name, shape, dropout, batch_norm):
    model = settle(models.build(name, shape, 10, dropout=dropout, batch_norm=batch_norm))
    masks = pl.Masks(model)
    masks.prune(density=0.5, unit="neuron", scope="layer")
    masks.prune(density=0.1, scope="layer")
    small = checked(model, torch.rand(4, *shape), torch.rand(7, *shape))
    layers = small.compaction.layers
    hidden = list(layers)[:-1]
    for layer in hidden:
        gone = int((masks[layer].flatten(1).any(1) == 0).sum())
        assert layers[layer].removed >= gone - 1  # one may have to stay and stand for the others' constants
    assert layers[list(layers)[-1]].removed == 0
    assert small.compaction.parameters_after < 0.5 * small.compaction.parameters_before


def test_a_constant_is_folded_into_the_bias_that_reads_it():
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[0.0, 0.0], [1.0, 2.0], [3.0, 1.0]]))
        model[0].bias.copy_(torch.tensor([2.0, 0.5, -1.0]))
        model[2].weight.copy_(torch.tensor([[10.0, 1.0, 0.0], [-3.0, 2.0, 0.0]]))
        model[2].bias.copy_(torch.tensor([1.0, 1.0]))
    small = checked(model, torch.rand(4, 2))
    # Neuron 0 always says relu(2); neuron 2 is read by nobody.
    assert small[0].weight.tolist() == [[1.0, 2.0]]
    assert small[2].weight.tolist() == [[1.0], [2.0]]
    assert small[2].bias.tolist() == [21.0, -5.0]
    assert small.compaction.layers == {"0.weight": Trimmed(2, 1), "2.weight": Trimmed(0, 2)}
    assert small.compaction.stayed == {}
    assert small.compaction.removed == 2


@pytest.mark.parametrize("activation", [nn.Sigmoid, nn.Tanh, nn.GELU, nn.ELU, nn.Softplus, nn.PReLU])
def test_constants_of_any_activation_are_folded_even_into_a_layer_without_bias(activation):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), activation(), nn.Linear(8, 3, bias=False))
    model[0].weight.data[:4] = 0
    model[2].weight.requires_grad_(False)
    small = checked(model, torch.randn(5, 6), torch.randn(3, 6))
    assert small[0].out_features == 4
    assert small[2].bias is not None and not small[2].bias.requires_grad


def test_a_constant_travels_through_several_layers():
    torch.manual_seed(0)
    model = settle(nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 2)))
    model[0].weight.data[:3] = 0
    model[2].weight.data[:4, 3:] = 0  # reads constants only: constant itself
    small = checked(model, torch.randn(5, 5), torch.randn(9, 5))
    assert [small[0].out_features, small[2].out_features] == [3, 2]


class Net(nn.Module):
    """Convolutions with a residual addition, batch norm, a depthwise and a grouped one, pooling and a flat head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.bn0 = nn.BatchNorm2d(8)
        self.one = nn.Conv2d(8, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.depthwise = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.two = nn.Conv2d(16, 8, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(8)
        self.grouped = nn.Conv2d(8, 12, 3, padding=1, groups=2)
        self.head = nn.Linear(12 * 4, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn0(self.stem(x)))
        y = F.relu(self.bn1(self.one(x)))
        y = F.relu6(self.depthwise(y))
        x = F.relu(x + self.bn2(self.two(y)))
        x = F.max_pool2d(torch.tanh(self.grouped(x)), 4)
        return self.head(torch.flatten(x, 1))


def residual() -> Net:
    torch.manual_seed(3)
    return settle(Net())


def test_a_filter_on_both_sides_of_an_addition_goes_only_if_it_is_dead_on_both():
    model = residual()
    model.bn0.bias.data.fill_(-1)
    model.bn0.running_mean.fill_(1)  # relu(-1 - something positive): dead filters say nothing
    model.bn2.bias.data.fill_(-1)
    model.bn2.running_mean.fill_(1)
    model.stem.weight.data[[1, 4]] = 0
    model.two.weight.data[[1, 5]] = 0  # only channel 1 is dead in both
    small = checked(model, torch.randn(2, 3, 8, 8), torch.randn(3, 3, 8, 8))
    # Channel 1 could go, but the grouped convolution behind it has a second group, which would keep all of its own ...
    assert small.compaction.layers["stem.weight"] == Trimmed(0, 8)
    assert "groups of grouped.weight must stay equally wide" in small.compaction.stayed["stem.weight"]
    model.stem.weight.data[5] = 0
    model.two.weight.data[5] = 0  # ... until its counterpart in the other group is dead too
    small = checked(model, torch.randn(2, 3, 8, 8))
    assert small.compaction.layers["stem.weight"] == Trimmed(2, 6)
    assert small.compaction.layers["two.weight"] == Trimmed(2, 6)
    assert small.bn0.num_features == small.bn2.num_features == small.grouped.in_channels == 6
    # Channel 4 of stem is dead, but two still adds to it.
    words = "what grouped.weight reads in its place depends on the input all the same"
    assert small.compaction.stayed["stem.weight"] == words


def test_what_nobody_reads_goes_through_depthwise_and_grouped_convolutions():
    model = residual()
    model.two.weight.data[:, [0, 7, 9]] = 0  # three of the depthwise channels lead nowhere
    model.head.weight.data[:, 0:8] = 0  # grouped filters 0 and 1 (of group 0)
    model.head.weight.data[:, 28:32] = 0  # and filter 7 (of group 1)
    small = checked(model, torch.randn(2, 3, 8, 8), torch.randn(1, 3, 8, 8))
    assert small.one.out_channels == small.depthwise.groups == small.two.in_channels == 13
    assert small.grouped.out_channels == 10 and small.head.in_features == 40
    assert small.compaction.stayed == {"grouped.weight": "the groups of grouped.weight must stay equally wide"}


def test_one_constant_stands_for_all_where_zero_padding_ends_them():
    torch.manual_seed(0)
    model = settle(nn.Sequential(nn.Conv2d(1, 6, 3), nn.Sigmoid(), nn.Conv2d(6, 4, 3, padding=1)))
    model[0].weight.data[2:5] = 0
    small = checked(model, torch.randn(2, 1, 7, 7), torch.randn(2, 1, 7, 7))
    assert small[0].out_channels == 4  # of three dead filters one stays
    assert small.compaction.stayed == {"0.weight": "the constant it emits ends where 2.weight pads with zeros"}
    with torch.no_grad():
        ours, theirs = small(x := torch.zeros(1, 1, 9, 9)), model(x)
    torch.testing.assert_close(ours, theirs)  # the border is right at any size
    model[2].padding_mode = "replicate"
    model[2]._reversed_padding_repeated_twice = [1, 1, 1, 1]
    small = checked(model, torch.randn(2, 1, 7, 7))
    assert small[0].out_channels == 3  # a border of copies has the same constant: all go into the bias
    assert small.compaction.stayed == {}


def test_a_constant_with_a_border_of_its_own_stays():
    torch.manual_seed(0)
    model = settle(nn.Sequential(nn.Conv2d(1, 3, 1), nn.Sigmoid(), nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 2, 1)))
    model[0].weight.data[0] = 0
    model[2].weight.data[1, 1:] = 0  # reads the constant alone, and sees where it ends
    small = checked(model, torch.randn(2, 1, 6, 6))
    assert small[2].out_channels == 3
    assert "not the same everywhere in what 3.weight reads" in small.compaction.stayed["2.weight"]


def test_constants_differ_from_place_to_place_before_a_flat_layer_and_are_folded_all_the_same():
    torch.manual_seed(0)
    model = settle(
        nn.Sequential(
            nn.Conv2d(1, 3, 1), nn.Sigmoid(), nn.Conv2d(3, 3, 3, padding=1), nn.Flatten(), nn.Linear(3 * 25, 2)
        )
    )
    model[0].weight.data[0] = 0
    model[2].weight.data[1, 1:] = 0
    small = checked(model, torch.randn(2, 1, 5, 5), torch.randn(4, 1, 5, 5))
    assert small[2].out_channels == 2 and small[4].in_features == 50


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_random_zeros_in_small_networks(data):
    seed = data.draw(st.integers(0, 10**6))
    density = data.draw(st.floats(0.05, 0.6))
    torch.manual_seed(seed)
    activation = data.draw(st.sampled_from([nn.ReLU, nn.Sigmoid, nn.Tanh, nn.LeakyReLU]))
    steps: list[nn.Module] = []
    width = data.draw(st.integers(1, 6))
    example = torch.randn(3, width)
    for _ in range(data.draw(st.integers(1, 3))):
        wider = data.draw(st.integers(1, 7))
        steps.append(nn.Linear(width, wider, bias=data.draw(st.booleans())))
        if data.draw(st.booleans()):
            steps.append(nn.BatchNorm1d(wider))
        steps.append(activation())
        width = wider
    model = settle(nn.Sequential(*steps, nn.Linear(width, 2)), seed).double()
    for parameter in model.parameters():
        if parameter.dim() == 2:
            parameter.data *= torch.rand(parameter.shape) < density
    checked(model, example.double(), 3 * torch.randn(5, example.shape[1]).double())


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_random_zeros_in_small_convolutional_networks(data):
    torch.manual_seed(data.draw(st.integers(0, 10**6)))
    density = data.draw(st.floats(0.02, 0.4))
    padding = data.draw(st.sampled_from([0, 1]))
    groups = data.draw(st.sampled_from([1, 2, 4]))
    model = settle(
        nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=padding),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Conv2d(4, data.draw(st.sampled_from([4, 8])), 3, padding=padding, groups=groups),
            data.draw(st.sampled_from([nn.ReLU(), nn.Tanh()])),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.LazyLinear(6),
            nn.ReLU(),
            nn.Linear(6, 3),
        ),
    )
    with torch.no_grad():
        model(x := torch.randn(2, 2, 8, 8))
    settle(model)
    for parameter in model.parameters():
        if parameter.dim() == 4:  # whole kernels and single weights
            parameter.data *= torch.rand(parameter.shape[:2])[:, :, None, None] < 2 * density
        if parameter.dim() > 1:
            parameter.data *= torch.rand(parameter.shape) < 2 * density
    checked(model.double(), x.double(), torch.randn(3, 2, 8, 8).double())


def test_a_layer_that_would_lose_all_its_neurons_keeps_one():
    torch.manual_seed(0)
    model = settle(nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)))
    for weight in (model[0].weight, model[2].weight):
        dead = copy.deepcopy(model)
        dict(dead.named_parameters())[next(n for n, p in model.named_parameters() if p is weight)].data.zero_()
        small = checked(dead, torch.randn(6, 4))
        assert small.compaction.layers["0.weight"] == Trimmed(4, 1)
        assert small.compaction.stayed["0.weight"] == "one must stay"
    empty = nn.Sequential(nn.Conv2d(2, 4, 3, groups=2), nn.ReLU(), nn.Conv2d(4, 2, 1))
    empty[0].weight.data.zero_()
    assert checked(settle(empty), torch.randn(2, 2, 5, 5))[0].out_channels == 2  # one a group


def test_a_network_without_dead_neurons_is_only_copied():
    torch.manual_seed(0)
    model = residual()
    with torch.inference_mode():
        small = compact(model, torch.randn(2, 3, 8, 8))
    assert small.compaction.removed == 0 and small.compaction.stayed == {}
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in small.state_dict().items())
    assert not any(p.is_inference() for p in small.parameters())


def test_dead_outputs_stay():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3), nn.Softmax(dim=1))
    model[2].weight.data[1] = 0
    small = checked(model, torch.randn(6, 4))
    assert small[2].out_features == 3
    assert small.compaction.stayed == {"2.weight": "it is an output of the network"}


class Two(nn.Module):
    """A hidden layer that is an output as well."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.head = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.hidden(x)
        return hidden, self.head(hidden.relu())


def test_a_hidden_layer_that_is_shown_stays():
    torch.manual_seed(0)
    model = Two()
    model.hidden.weight.data[2] = 0
    small = compact(model, x := torch.randn(6, 4))
    for ours, theirs in zip(small(x), model(x), strict=True):
        torch.testing.assert_close(ours, theirs)
    assert small.compaction.stayed == {"hidden.weight": "it is an output of the network"}


class Concatenated(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(1, 4, 3), nn.Conv2d(1, 6, 3), nn.Conv2d(10, 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(torch.cat([self.a(x).sigmoid(), self.b(x).sigmoid()], dim=1))


def test_channels_that_are_put_side_by_side():
    torch.manual_seed(0)
    model = Concatenated()
    model.a.weight.data[1] = 0
    model.b.weight.data[2:4] = 0
    model.c.weight.data[:, 9] = 0
    small = checked(model, torch.randn(2, 1, 8, 8), torch.randn(2, 1, 8, 8))
    assert (small.a.out_channels, small.b.out_channels, small.c.in_channels) == (3, 3, 6)


def test_what_a_norm_mixes_stays():
    torch.manual_seed(0)
    for norm in (nn.LayerNorm(6), nn.Softmax(dim=1)):
        model = settle(nn.Sequential(nn.Linear(4, 6), norm, nn.Linear(6, 3)))
        model[0].weight.data[1] = 0
        model[2].weight.data[:, 4] = 0
        small = checked(model, torch.randn(6, 4))
        assert small[0].out_features == 6
        assert list(small.compaction.stayed) == ["0.weight"]


def test_tied_weights_stay_tied():
    torch.manual_seed(0)
    shared = nn.Linear(6, 6)
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), shared, nn.ReLU(), shared, nn.ReLU(), nn.Linear(6, 2))
    shared.weight.data[:, 3] = 0
    shared.weight.data[2] = 0
    model[0].weight.data[3] = 0
    small = checked(model, torch.randn(5, 4))
    assert small[2] is small[4]
    assert "used more than once" in small.compaction.stayed["0.weight"]


class Rigid(nn.Module):
    """The usual tutorial network: the size before the flat layer is written into the code."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc1, self.fc2 = nn.Conv2d(1, 4, 3), nn.Linear(4 * 9, 6), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(torch.relu(self.fc1(torch.relu(self.conv(x)).view(-1, 4 * 9))))


def test_a_size_written_into_the_code_keeps_its_layer_whole_and_no_other():
    torch.manual_seed(0)
    model = Rigid()
    model.conv.weight.data[1] = 0
    model.fc1.weight.data[2] = 0
    small = checked(model, torch.randn(4, 1, 5, 5), torch.randn(2, 1, 5, 5))
    assert (small.conv.out_channels, small.fc1.out_features) == (4, 5)
    assert small.compaction.stayed == {"conv.weight": "the model's code counts on its size"}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_number_types_stay_what_they_are(dtype):
    model = settle(models.build("lenet-300-100", (1, 8, 8), 10, batch_norm=True)).to(dtype)
    pl.Masks(model).prune(density=0.5, unit="neuron", scope="layer")
    small = compact(model, x := torch.rand(8, 1, 8, 8).to(dtype))
    assert {p.dtype for p in small.parameters()} == {dtype}
    assert small.compaction.layers["fc1.weight"] == Trimmed(150, 150)
    ours, theirs = small.eval()(x).double(), copy.deepcopy(model).eval()(x).double()
    # Against the same weights in float64: no further off than the dense network itself is, rounding for rounding.
    exact = copy.deepcopy(model).eval().double()(x.double())
    assert (ours - exact).abs().max() <= 4 * (theirs - exact).abs().max() + 1e-12


def test_a_model_in_training_mode_learns_on():
    torch.manual_seed(0)
    model = settle(models.build("lenet-300-100", (1, 8, 8), 10, dropout=0.5)).train()
    masks = pl.Masks(model)
    masks.prune(density=0.3, unit="neuron", scope="layer")
    small = checked(model, x := torch.rand(16, 1, 8, 8))
    assert small.training
    optimizer = torch.optim.SGD(small.parameters(), lr=0.1)
    loss = F.cross_entropy(small(x), torch.randint(0, 10, (16,)))
    loss.backward()
    before = [p.detach().clone() for p in small.parameters()]
    optimizer.step()
    assert all(not torch.equal(a, b) for a, b in zip(before, small.parameters(), strict=True))
    again = compact(small, x)  # what is compact is compacted at no loss
    assert again.compaction.removed == 0


def test_transposed_convolutions():
    torch.manual_seed(0)
    model = settle(nn.Sequential(nn.ConvTranspose2d(2, 5, 3, stride=2), nn.ReLU(), nn.ConvTranspose2d(5, 3, 3)))
    model[0].weight.data[:, 1] = 0  # constant, and may be none
    model[0].bias.data[1] = -1
    model[2].weight.data[3] = 0  # read by nobody
    model[0].weight.data[:, 4] = 0
    model[0].bias.data[4] = 1  # constant that a transposed convolution shows as a pattern
    small = checked(model, torch.randn(2, 2, 4, 4), torch.randn(2, 2, 4, 4))
    assert small[0].out_channels == 3


class Stubborn(nn.Module):
    """Dropout that forgets about eval mode."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(F.dropout(self.a(x)))


class Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.a(x) if x.sum() > 100 else self.a(-x)


class Endless(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.a(x) / 0


def damaged() -> nn.Module:
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    model[1].weight.data[2] = torch.nan
    return model


def reparametrised() -> nn.Module:
    model = nn.Sequential(nn.Linear(4, 4))
    torch_prune.random_unstructured(model[0], "weight", amount=0.5)
    return model


REFUSED = {
    "dropout that is always on": (Stubborn, "answers differently each time"),
    "control flow": (Branching, "Branching cannot be compacted: .*cannot be traced"),
    "attention": (lambda: nn.Sequential(nn.Linear(4, 4), nn.TransformerEncoderLayer(4, 1)), "TransformerEncoderLayer"),
    "no finite outputs": (Endless, "not finite"),
    "NaN": (damaged, "1.weight holds NaN"),
    "torch.nn.utils.prune": (reparametrised, "0.weight is computed from other parameters"),
    "nothing to prune": (nn.ReLU, "nothing to prune"),
    "another shape": (lambda: nn.Linear(5, 2), "cannot run on an example of shape .3, 4."),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_compacted_is_refused_in_words(kind):
    make, words = REFUSED[kind]
    model = make()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(CompactError, match=words):
        compact(model, torch.randn(3, 4))
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, before[name], equal_nan=True)


def test_an_example_that_is_no_tensor_is_refused_in_words():
    with pytest.raises(CompactError, match="example is a ndarray"):
        compact(nn.Linear(4, 2), torch.rand(2, 4).numpy())
    with pytest.raises(CompactError, match="example is a tuple"):
        compact(nn.Linear(4, 2), ())
