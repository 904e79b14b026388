"""convert against the masked dense model, and its products against SciPy. No assertion on time."""

import copy
import itertools
import json
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse as scipy_sparse
from torch import nn
from torch.nn import functional as F

import prunelab as pl
from prunelab import models
from prunelab.bench import kernels as kernel_bench
from prunelab.errors import ConvertError
from prunelab.sparse.inference import kernel_choice, kernels
from prunelab.sparse.inference.conv_patches import PatchConv2d, unfold
from prunelab.sparse.inference.convert import Converted, convert
from prunelab.sparse.inference.kernel_choice import Costs, cheapest
from prunelab.sparse.inference.kernels import Weights, build_csr, transposed
from prunelab.sparse.inference.linear_chain import Batches, Chain

BATCHES = (1, 2, 7, 64, 300)
KERNELS = ("dense", "csr", "scipy")


class Residual(nn.Module):
    """Two blocks with skips, a strided one and one of the same size, batch norm, and a head of two Linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.conv1, self.norm1 = nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.conv2, self.norm2 = nn.Conv2d(8, 16, 3, stride=2, padding=1, dilation=1), nn.BatchNorm2d(16)
        self.skip = nn.Conv2d(8, 16, 1, stride=2)
        self.fc1, self.fc2 = nn.Linear(16, 24), nn.Linear(24, 5)
        self.norm3 = nn.BatchNorm1d(24)

    def forward(self, x):
        x = F.relu(self.norm(self.stem(x)))
        x = F.relu(self.norm1(self.conv1(x)) + x)
        x = F.relu(self.norm2(self.conv2(x)) + self.skip(x))
        x = x.mean((2, 3))
        return self.fc2(self.norm3(F.leaky_relu(self.fc1(x), 0.1)))


class Grouped(nn.Sequential):
    """Depthwise, grouped, dilated and one-dimensional convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(4, 4, 3, padding=1, groups=4)
        self.pointwise = nn.Conv2d(4, 12, 1)
        self.grouped = nn.Conv2d(12, 6, 3, groups=3)
        self.dilated = nn.Conv2d(6, 6, (3, 2), stride=(1, 2), padding=(2, 0), dilation=(2, 1))
        self.flatten = nn.Flatten(2)
        self.line = nn.Conv1d(6, 4, 3)
        self.end = nn.Flatten()
        self.fc = nn.LazyLinear(3)


class Untraceable(nn.Module):
    """Its way depends on its data."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(10, 20), nn.Linear(20, 4)
        self.attention = nn.MultiheadAttention(20, 2, batch_first=True)

    def forward(self, x):
        x = self.fc1(x)
        if x.sum() > 0:
            x = -x
        x = self.attention(x[:, None], x[:, None], x[:, None])[0][:, 0]
        return self.fc2(x) + self.fc2.weight.sum() + self.fc2.bias.sum() / self.fc2.in_features


def pruned(model: nn.Module, shape: tuple[int, ...], density: float = 0.15) -> nn.Module:
    """``model`` with lived-in batch norm and a part of its weights, in eval mode."""
    torch.manual_seed(1)
    for _ in range(3):
        model(torch.randn(16, *shape))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    pl.Masks(model).prune(density=density, scope="layer")
    return model.eval()


def network(name: str) -> tuple[nn.Module, tuple[int, ...]]:
    torch.manual_seed(0)
    image = (1, 28, 28)
    made = {
        "lenet-300-100": lambda: (models.build("lenet-300-100", image, 10, dropout=0.5, batch_norm=True), image),
        "lenet-5": lambda: (models.build("lenet-5", image, 10, dropout=0.2), image),
        "residual": lambda: (Residual(), (3, 12, 12)),
        "grouped": lambda: (Grouped(), (4, 9, 9)),
        "untraceable": lambda: (Untraceable(), (10,)),
    }
    model, shape = made[name]()
    return pruned(model, shape), shape


def state(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def mlp(*widths: int, density: float = 0.2) -> nn.Sequential:
    torch.manual_seed(0)
    steps = [m for a, b in itertools.pairwise(widths) for m in (nn.Linear(a, b), nn.ReLU())]
    model = nn.Sequential(*steps[:-1])
    pl.Masks(model).prune(density=density, scope="layer")
    return model


def same(found: torch.Tensor, expected: torch.Tensor, **tolerance) -> None:
    torch.testing.assert_close(found, expected, **(tolerance or {"rtol": 1e-4, "atol": 1e-5}))


@pytest.mark.parametrize("kernel", [*KERNELS, None])
@pytest.mark.parametrize("name", ["lenet-300-100", "lenet-5", "residual", "grouped", "untraceable"])
def test_a_converted_network_gives_what_the_masked_dense_one_gives(name, kernel):
    model, shape = network(name)
    before = state(model)
    converted = convert(model, torch.randn(4, *shape), batches=(1, 16), kernel=kernel)
    for batch in BATCHES:
        x = torch.randn(batch, *shape)
        given = x.clone()
        with torch.no_grad():
            same(converted(x), model(x))
        assert torch.equal(x, given)
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())
    assert set(converted.choices) <= set(before) and len(converted.choices) >= 2
    if kernel:
        plain = {
            n for n, m in model.named_modules() if isinstance(m, nn.Linear) or (type(m) is nn.Conv2d and m.groups == 1)
        }
        for layer, chosen in converted.choices.items():
            stays = layer.removesuffix(".weight") not in plain
            assert set(chosen.values()) == {"dense" if stays else kernel}


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 40),
    columns=st.integers(1, 40),
    batch=st.integers(1, 9),
    density=st.sampled_from([0.0, 0.05, 0.5, 1.0]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    biased=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_every_product_is_scipys(rows, columns, batch, density, dtype, biased, seed):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(rows, columns, generator=generator, dtype=dtype)
    weight *= torch.rand(rows, columns, generator=generator) < density
    x = torch.randn(batch, columns, generator=generator, dtype=dtype)
    bias = torch.randn(rows, generator=generator, dtype=dtype) if biased else None
    oracle = scipy_sparse.csr_matrix(weight.numpy())
    starts, indices, values = build_csr(weight)
    np.testing.assert_array_equal(starts.numpy(), oracle.indptr)
    np.testing.assert_array_equal(indices.numpy(), oracle.indices)
    np.testing.assert_array_equal(values.numpy(), oracle.data)
    expected = torch.from_numpy(oracle @ x.numpy().T)
    expected = expected if bias is None else expected + bias[:, None]
    weights = Weights(weight, KERNELS, "w")
    same(weights.rows(bias)(x), expected.T)
    for kernel in KERNELS:
        same(weights.columns_by(kernel, bias)(transposed(x)), expected)
        same(weights.vector_by(kernel, bias)(x[0]), expected[:, 0])


@given(st.integers(0, 70), st.integers(1, 70), st.sampled_from(["plain", "turned", "strided"]))
@settings(max_examples=40, deadline=None)
def test_a_transposition_is_torchs(a, b, form):
    x = {
        "plain": torch.randn(a, b),
        "turned": torch.randn(b, a).T,
        "strided": torch.randn(a, 2 * b)[:, ::2],
    }[form]
    assert torch.equal(transposed(x), x.T) and transposed(x).is_contiguous()


@pytest.mark.parametrize("shape", [(64, 1024), (17, 2048), (1024, 64), (64, 784)])
def test_a_transposition_in_strips_is_torchs(shape):
    x = torch.randn(shape)
    assert torch.equal(transposed(x), x.T) and transposed(x).is_contiguous()


@settings(max_examples=40, deadline=None)
@given(
    window=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    batch=st.integers(1, 3),
    channels_last=st.booleans(),
)
def test_patches_are_torchs(window, stride, padding, dilation, batch, channels_last):
    x = torch.randn(batch, 3, 8, 9).to(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
    expected = F.unfold(x, window, dilation, padding, stride).transpose(0, 1).reshape(3 * window[0] * window[1], -1)
    patches, height, width = unfold(x, window, stride, padding, dilation)
    assert torch.equal(patches, expected) and height * width * batch == patches.shape[1]


def test_activations_stay_feature_major_through_a_chain():
    model, _ = network("lenet-300-100")
    converted = convert(model, kernel="csr")
    chains = [module for module in converted.modules() if isinstance(module, Chain)]
    assert [[layer.name for layer in chain.layers] for chain in chains] == [["fc1.weight", "fc2.weight", "fc3.weight"]]
    assert not any(isinstance(module, nn.BatchNorm1d | nn.Dropout) for module in converted.modules())


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("shape", [(10,), (3, 10), (2, 3, 10), (2, 0, 10), (0, 10), (1, 1, 10)])
def test_linear_layers_take_any_leading_dimensions(kernel, shape):
    model = mlp(10, 16, 4)
    x = torch.randn(shape)
    same(convert(model, kernel=kernel)(x), model(x))


def test_batch_norm_on_three_dimensions_stays_as_it_is_with_an_example_and_is_refused_without():
    model = pruned(nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Linear(5, 2)), (5, 6))
    x = torch.randn(3, 5, 6)
    same(convert(model, x, kernel="csr")(x), model(x))
    with pytest.raises(ConvertError, match="give convert.. an example"):
        convert(model, kernel="csr")(x)


def test_batch_norm_behind_an_activation_scales_features():
    model = nn.Sequential(nn.Linear(6, 50), nn.Tanh(), nn.BatchNorm1d(50), nn.Dropout(), nn.Linear(50, 3))
    pruned(model, (6,))
    for kernel in KERNELS:
        converted = convert(model, kernel=kernel)
        assert sum(isinstance(module, Chain) for module in converted.modules()) == 1
        for batch in (1, 5):
            x = torch.randn(batch, 6)
            same(converted(x), model(x))


def test_in_place_steps_do_not_reach_what_others_read():
    class Fork(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 8)

        def forward(self, x):
            h = self.a(x)
            return torch.relu(h) + h + self.b(F.dropout(torch.clamp(h, -0.5, max=0.5), 0.5, self.training))

    model = Fork().eval()
    x = torch.randn(5, 8)
    for kernel in KERNELS:
        same(convert(model, kernel=kernel)(x), model(x))


def test_dropout_that_is_never_switched_off_stays():
    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(8, 400)

        def forward(self, x):
            return F.dropout(self.fc(x), 0.5)

    converted = convert(Noisy())
    assert (converted(torch.randn(1, 8)) == 0).float().mean() > 0.2


def test_optional_arguments_keep_their_meaning():
    class Optional(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(8, 4)

        def forward(self, x, shift=None):
            return self.fc(x) if shift is None else self.fc(x) + shift

    model = Optional()
    x = torch.randn(3, 8)
    converted = convert(model, kernel="csr")
    same(converted(x), model(x))
    same(converted(x, shift=torch.ones(4)), model(x, torch.ones(4)))


def test_hooks_of_a_model_still_run():
    model = mlp(8, 6, 4)
    model[0].register_forward_hook(lambda module, args, output: output + 1)
    x = torch.randn(3, 8)
    converted = convert(model, kernel="csr")
    same(converted(x), model(x))
    assert set(converted.choices) == {"2.weight"}
    model = mlp(8, 6, 4)
    model.register_forward_hook(lambda module, args, output: output + 1)
    same(convert(model, kernel="csr")(x), model(x))


def test_a_copy_of_a_converted_model_is_its_own():
    model, shape = network("lenet-5")
    x = torch.randn(3, *shape)
    for kernel in KERNELS:
        converted = convert(model, kernel=kernel)
        expected = converted(x).clone()
        twin = copy.deepcopy(converted)
        assert twin.choices == converted.choices and torch.equal(twin(x), expected)
        for tensor in (*converted.parameters(), *converted.buffers()):
            tensor.zero_()
        assert torch.equal(twin(x), expected) and not torch.equal(converted(x), expected)


def test_training_the_original_does_not_reach_the_converted_model():
    model, shape = network("residual")
    x = torch.randn(3, *shape)
    for kernel in (*KERNELS, None):
        converted = convert(model, kernel=kernel)
        expected = converted(x).clone()
        twin = copy.deepcopy(model)
        with torch.no_grad():
            for tensor in (*model.parameters(), *model.buffers()):
                tensor.fill_(0.5)
        assert torch.equal(converted(x), expected)
        model = twin


def test_a_converted_model_is_for_inference():
    model = mlp(8, 6, 4)
    x = torch.randn(3, 8, requires_grad=True)
    for kernel in KERNELS:
        converted = convert(model.train(), kernel=kernel)
        assert not converted(x).requires_grad and not converted.training
        assert not any(parameter.requires_grad for parameter in converted.parameters())
        assert torch.is_grad_enabled() and model.training
        with torch.inference_mode():
            same(converted(x), model(x))
    with pytest.raises(ConvertError, match="for inference"):
        converted.train()


# Choices


def test_choices_are_measured_kept_and_honoured():
    model, shape = network("lenet-5")
    example = torch.randn(2, *shape)
    converted = convert(model, example, batches=(32, 1))
    assert set(converted.choices) == {"conv1.weight", "conv2.weight", "fc1.weight", "fc2.weight"}
    assert all(list(chosen) == [1, 32] for chosen in converted.choices.values())
    wish = {
        "conv1": "dense",
        "conv2.weight": {"1": "csr", "32": "dense"},
        "fc1": {1: "scipy", 32: "csr"},
        "fc2": "scipy",
    }
    again = convert(model, example, batches=(1, 32), kernel=wish)
    expected = {
        "conv1.weight": {1: "dense", 32: "dense"},
        "conv2.weight": {1: "csr", 32: "dense"},
        "fc1.weight": {1: "scipy", 32: "csr"},
        "fc2.weight": {1: "scipy", 32: "scipy"},
    }
    assert again.choices == expected
    stored = json.loads(json.dumps(again.choices))
    assert convert(model, batches=(1, 32), kernel=stored).choices == expected
    again.choices["fc1.weight"][1] = "dense"
    assert again.choices == expected
    for batch in (1, 9, 64):
        same(again(example[:1].expand(batch, -1, -1, -1)), model(example[:1]).expand(batch, -1))


def test_the_fastest_in_the_measurement_is_chosen(monkeypatch):
    measured = []

    def rigged(candidates):
        measured.append(set(candidates))
        for run in candidates.values():
            run()
        return {name: float(name != ("scipy", "dense")) for name in candidates}

    monkeypatch.setattr("prunelab.sparse.inference.linear_chain.medians", rigged)
    monkeypatch.setattr("prunelab.sparse.inference.linear_chain.cheapest", lambda costs, allowed: ("scipy", "dense"))
    converted = convert(mlp(40, 30, 20), batches=(1, 16))
    assert converted.choices == {"0.weight": {1: "scipy", 16: "scipy"}, "2.weight": {1: "dense", 16: "dense"}}
    uniform = {(kernel, kernel) for kernel in KERNELS}
    assert measured.count(uniform | {("scipy", "dense")}) == 2 and measured.count(set(KERNELS)) == 4
    measured.clear()
    assert convert(mlp(40, 30, 20), batches=(1, 16), kernel=converted.choices).choices == converted.choices
    assert measured == []


def test_convolutions_stay_dense_without_an_example_and_when_they_lose(monkeypatch):
    model, shape = network("lenet-5")
    assert set(convert(model).choices["conv2.weight"].values()) == {"dense"}
    monkeypatch.setattr(PatchConv2d, "run", lambda self, kernel, x: None)
    monkeypatch.setattr(
        "prunelab.sparse.inference.conv_patches.medians", lambda runs: {k: float(k != "dense") for k in runs}
    )
    converted = convert(model, torch.randn(1, *shape))
    assert isinstance(converted.network.conv2, nn.Conv2d) and converted.choices["conv2.weight"][1] == "dense"


def test_a_form_of_a_weight_that_is_never_used_is_dropped():
    model = mlp(40, 30, 20)
    forms = {}
    for kernel in KERNELS:
        weights = [module for module in convert(model, kernel=kernel).modules() if isinstance(module, Weights)]
        forms[kernel] = {(w.dense is None, w.values is None) for w in weights}
    assert forms == {"dense": {(False, True)}, "csr": {(True, False)}, "scipy": {(True, False)}}
    mixed = convert(model, batches=(1, 8), kernel={"0": {1: "dense", 8: "csr"}, "2": "dense"})
    first, second = (module for module in mixed.modules() if isinstance(module, Weights))
    assert first.dense is not None and first.values is not None and second.values is None


def test_the_nearest_measured_batch_is_by_ratio():
    batches = Batches((1, 8, 64, 256))
    nearest = {n: batches.sizes[batches.nearest(n)] for n in (1, 2, 3, 8, 22, 23, 64, 128, 129, 10_000)}
    assert nearest == {1: 1, 2: 1, 3: 8, 8: 8, 22: 8, 23: 64, 64: 64, 128: 64, 129: 256, 10_000: 256}


def test_plans_count_transpositions():
    able = [KERNELS, KERNELS]
    sparse_wins = Costs(rows=10, columns={"dense": 11, "csr": 4, "scipy": 5}, into=2, back=1)
    dense_wins = Costs(rows=3, columns={"dense": 3, "csr": 6, "scipy": 7}, into=1, back=1)
    dear = Costs(rows=10, columns={"dense": 11, "csr": 4, "scipy": 5}, into=9, back=1)
    assert cheapest([sparse_wins, dense_wins], able) == ("csr", "dense")
    assert cheapest([dense_wins, sparse_wins], able) == ("dense", "csr")
    assert cheapest([dear, dense_wins], able) == ("dense", "dense")
    assert cheapest([dear, dense_wins], [("scipy",), KERNELS]) == ("scipy", "dense")
    assert cheapest([sparse_wins, sparse_wins], [("dense",), KERNELS]) == ("dense", "csr")


def test_hopeless_candidates_are_not_raced_and_the_others_take_turns(monkeypatch):
    clock = [0.0]
    runs = []

    def run(name, seconds):
        runs.append(name)
        clock[0] += seconds

    monkeypatch.setattr(kernel_choice.time, "perf_counter", lambda: clock[0])
    found = kernel_choice.medians({"a": lambda: run("a", 1.0), "b": lambda: run("b", 2.0), "c": lambda: run("c", 4.0)})
    assert found == pytest.approx({"a": 1.0, "b": 2.0, "c": 4.0})
    assert runs.count("c") == 3 and runs.count("a") == runs.count("b") == 3 + kernel_choice.MIN_TURNS
    assert runs[9:13] in (["a", "b", "b", "a"], ["b", "a", "a", "b"])


# Memory


@pytest.mark.parametrize("density", [0.02, 0.3, 1.0])
def test_building_needs_at_most_16_bytes_a_survivor_beside_the_dense_weights(density):
    weight = torch.randn(2048, 3000)
    weight *= torch.rand(weight.shape) < density
    survivors = int(torch.count_nonzero(weight))
    build_csr(weight[:2])  # whatever is set up once
    tracemalloc.start()
    try:
        parts = build_csr(weight)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept <= 8 * survivors + 8 * len(weight) + 4096 and len(parts[2]) == survivors
    assert kept > 7 * survivors  # else the measurement is blind
    assert peak <= 16 * survivors + 4 * weight.numel()


def test_converting_holds_one_copy_of_what_stays_and_tied_weights_once():
    shared = nn.Linear(64, 64)
    other = nn.Linear(64, 64)
    other.weight = shared.weight
    model = nn.Sequential(shared, nn.ReLU(), other, nn.ReLU(), shared)
    with torch.no_grad():
        shared.weight *= torch.rand(64, 64) < 0.2
    x = torch.randn(9, 64)
    for kernel in KERNELS:
        converted = convert(model, kernel=kernel)
        same(converted(x), model(x))
        storages = {t.untyped_storage().data_ptr(): t.nbytes for t in (*converted.buffers(), *converted.parameters())}
        one = shared.weight.nbytes if kernel == "dense" else 8 * int(torch.count_nonzero(shared.weight)) + 4 * 65
        assert sum(storages.values()) == one + 2 * shared.bias.nbytes
        assert len(converted.choices) == 2


# Bad input


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("kernel", [*KERNELS, None])
def test_weights_that_are_not_finite_are_refused_by_name(value, kernel):
    model = mlp(8, 6, 4)
    with torch.no_grad():
        model[2].weight[1, 2] = value
    before = state(model)
    with pytest.raises(ConvertError, match="2.weight holds NaN or infinite"):
        convert(model, kernel=kernel)
    assert all(torch.equal(t, before[k]) or k == "2.weight" for k, t in model.state_dict().items())


@pytest.mark.parametrize("density", [0.0, 1.0])
def test_empty_and_full_layers_convert(density):
    model = nn.Sequential(nn.Linear(12, 9), nn.ReLU(), nn.Linear(9, 3))
    with torch.no_grad():
        model[0].weight.mul_(density)
    for kernel in (*KERNELS, None):
        for batch in (1, 6):
            x = torch.randn(batch, 12)
            same(convert(model, kernel=kernel)(x), model(x))


def test_weights_that_are_not_contiguous_convert():
    model = nn.Sequential(nn.Linear(12, 9), nn.Flatten(), nn.Linear(9, 3, bias=False))
    model[0].weight = nn.Parameter(torch.randn(12, 9).T)
    model[2].weight = nn.Parameter(torch.randn(3, 18)[:, ::2])
    x = torch.randn(5, 12)
    for kernel in KERNELS:
        same(convert(model, kernel=kernel)(x), model(x))


def test_double_weights_stay_double_and_half_ones_stay_dense():
    x = torch.randn(5, 12, dtype=torch.float64)
    model = mlp(12, 9, 3).double()
    for kernel in KERNELS:
        found = convert(model, kernel=kernel)(x)
        same(found, model(x), rtol=1e-12, atol=1e-12)
    for dtype in (torch.float16, torch.bfloat16):
        model = mlp(12, 9, 3).to(dtype)
        converted = convert(model, kernel="csr")
        assert {k for chosen in converted.choices.values() for k in chosen.values()} == {"dense"}
        same(converted(x.to(dtype)), model(x.to(dtype)), rtol=1e-2, atol=1e-2)
        with pytest.raises(ConvertError, match=f"0.weight is {dtype}.*'csr'"):
            convert(model, kernel={"0": "csr"})


def test_without_mkl_scipy_stands_in_for_torch(monkeypatch):
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: False)
    kernels._takes_int32.cache_clear()
    model = mlp(12, 9, 3)
    x = torch.randn(5, 12)
    converted = convert(model)
    assert {k for chosen in converted.choices.values() for k in chosen.values()} <= {"dense", "scipy"}
    same(converted(x), model(x))
    with pytest.raises(ConvertError, match="without MKL"):
        convert(model, kernel="csr")
    kernels._takes_int32.cache_clear()


def test_an_mkl_of_64_bit_integers_gets_64_bit_indices(monkeypatch):
    monkeypatch.setattr(kernels, "_takes_int32", lambda: False)
    model = mlp(12, 9, 3)
    x = torch.randn(5, 12)
    for kernel in KERNELS:
        converted = convert(model, kernel=kernel)
        assert {b.dtype for n, b in converted.named_buffers() if n.endswith("columns")} <= {torch.int64}
        same(converted(x), model(x))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"kernel": "fast"}, "'fast'.*must be one of dense, csr, scipy"),
        ({"kernel": "2:4"}, "to_2_4"),
        ({"kernel": {"fc1": "csr"}}, "'fc1' matches no .* layer; there are 0, 2"),
        ({"kernel": {"0": "fast"}}, "'fast'"),
        ({"kernel": {"0": {3: "csr"}}}, "batch size 3 is none of"),
        ({"batches": ()}, "batches = "),
        ({"batches": (0, 4)}, "batches = "),
        ({"batches": (2.5,)}, "batches = "),
        ({"example": torch.randn(3, 9)}, r"example \(\(3, 9\)\) does not pass through"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments, words):
    with pytest.raises(ConvertError, match=words):
        convert(mlp(8, 6, 4), **arguments)


def test_models_that_cannot_be_converted_say_why():
    with pytest.raises(ConvertError, match="no Linear or Conv"):
        convert(nn.Sequential(nn.ReLU()))
    with pytest.raises(ConvertError, match="has no shape yet"):
        convert(nn.Sequential(nn.LazyLinear(3)))
    with pytest.raises(ConvertError, match="on meta"):
        convert(nn.Linear(4, 3, device="meta"))
    model = mlp(8, 6, 4)
    torch.nn.utils.prune.l1_unstructured(model[0], "weight", 0.5)
    with pytest.raises(ConvertError, match="0.weight is computed.*prune.remove"):
        convert(model)
    model = mlp(8, 6, 4)
    model.note = (model[0].weight * 2,)
    with pytest.raises(ConvertError, match="cannot be copied"):
        convert(model)
    model, _ = network("grouped")
    with pytest.raises(ConvertError, match="grouped.weight has 3 groups"):
        convert(model, kernel={"grouped": "csr"})
    model, _ = network("untraceable")
    with pytest.raises(ConvertError, match="never runs by itself"):
        convert(model, kernel={"attention.out_proj": "csr"})


def test_input_that_does_not_fit_is_refused():
    converted = convert(mlp(8, 6, 4), kernel="scipy")
    with pytest.raises(ConvertError, match=r"0.weight takes torch.float32 of shape \(batch, 8\)"):
        converted(torch.randn(3, 9))
    with pytest.raises(ConvertError, match="float64"):
        converted(torch.randn(3, 8).double())
    convolution = convert(nn.Conv2d(3, 4, 3), kernel="csr")
    with pytest.raises(ConvertError, match="channels|batch, 3"):
        convolution(torch.randn(1, 2, 9, 9))
    with pytest.raises(ConvertError, match="smaller than the window"):
        convolution(torch.randn(1, 3, 2, 9))


def test_single_layers_convert():
    for layer, x in ((nn.Linear(8, 5), torch.randn(6, 8)), (nn.Conv2d(3, 4, 3, bias=False), torch.randn(6, 3, 7, 8))):
        for kernel in (*KERNELS, None):
            converted = convert(layer, x, kernel=kernel)
            assert isinstance(converted, Converted) and set(converted.choices) == {"weight"}
            same(converted(x), layer(x))
            same(converted(x[:1]), layer(x[:1]))
    same(convert(layer, kernel="csr")(x[0]), layer(x[0]))


def test_the_bench_of_kernels_runs_and_gives_finite_ratios():
    with torch.no_grad():
        rows = kernel_bench.grid_rows(((20, 30),), rounds=1, say=lambda what: None)
    counts = [row for row in rows if row.unit == ""]
    assert len(rows) == 5 and len(counts) == 2 and all(0 <= row.figure <= 6 for row in counts)
    assert all(row.figure > 0 for row in rows if row.unit == "x")
    assert rows[1].note.count("20x30") == 2 and rows[-1].target == 8
