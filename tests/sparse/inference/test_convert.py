"""convert against the masked dense model. No assertion on time."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from prunelab.errors import ConvertError
from prunelab.sparse.inference.convert import Converted, convert
from support.convertible import BATCHES, KERNELS, mlp, network, same, state


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


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("batch", [1, 5])
def test_inputs_that_are_negated_lazily_are_taken(kernel, batch):
    model, x = mlp(12, 9, 3), torch.randn(batch, 12, dtype=torch.complex64).conj().imag
    assert x.is_neg()
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


def test_single_layers_convert():
    for layer, x in ((nn.Linear(8, 5), torch.randn(6, 8)), (nn.Conv2d(3, 4, 3, bias=False), torch.randn(6, 3, 7, 8))):
        for kernel in (*KERNELS, None):
            converted = convert(layer, x, kernel=kernel)
            assert isinstance(converted, Converted) and set(converted.choices) == {"weight"}
            same(converted(x), layer(x))
            same(converted(x[:1]), layer(x[:1]))
    same(convert(layer, kernel="csr")(x[0]), layer(x[0]))
