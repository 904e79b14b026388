import pytest
import torch
from torch import nn

from prunelab import models
from prunelab.models import build
from prunelab.recipe import MODELS

SHAPES = [(1, 8, 8), (1, 12, 15), (1, 15, 16), (1, 16, 16), (3, 20, 32), (1, 28, 28)]


def weights(model: nn.Module) -> dict[str, int]:
    return {
        name: module.weight.numel()
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
    }


def test_lenet_300_100_has_the_papers_size():
    sizes = weights(build("lenet-300-100", (1, 28, 28), 10))
    assert sizes == {"fc1": 784 * 300, "fc2": 300 * 100, "fc3": 100 * 10}
    assert sum(sizes.values()) == 266_200


def test_lenet_5_has_the_papers_size():
    sizes = weights(build("lenet-5", (1, 28, 28), 10))
    assert sizes == {"conv1": 500, "conv2": 25_000, "fc1": 400_000, "fc2": 5_000}
    assert sum(sizes.values()) == 430_500


def test_caffes_lenet_has_one_relu_only_and_it_follows_fc1():
    names = [name for name, _ in build("lenet-5", (1, 28, 28), 10).named_children()]
    assert names == ["conv1", "pool1", "conv2", "pool2", "flatten", "fc1", "relu1", "fc2"]


@pytest.mark.parametrize("extras", [{}, {"dropout": 0.5}, {"batch_norm": True, "dropout": 0.1}])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", MODELS)
def test_runs_and_can_be_traced(name, shape, extras):
    model = build(name, shape, 7, **extras).eval()
    x = torch.rand(3, *shape)
    out = model(x)
    assert out.shape == (3, 7) and out.isfinite().all()
    assert torch.equal(torch.fx.symbolic_trace(model)(x), out)


def test_mlps_take_flat_samples():
    assert build("mlp-small", (16,), 2)(torch.rand(5, 16)).shape == (5, 2)


def test_off_means_no_module():
    for name in MODELS:
        model = build(name, (1, 8, 8), 10)
        absent = nn.Dropout | nn.BatchNorm1d | nn.BatchNorm2d
        assert not any(isinstance(module, absent) for module in model.modules())


def test_batch_norm_stands_before_the_activation_and_dropout_after_it():
    names = [n for n, _ in build("lenet-300-100", (4,), 2, dropout=0.5, batch_norm=True).named_children()]
    hidden = [f"{step}{i}" for i in (1, 2) for step in ("fc", "bn", "relu", "dropout")]
    assert names == ["flatten", *hidden, "fc3"]
    lenet = dict(build("lenet-5", (1, 8, 8), 2, dropout=0.3, batch_norm=True).named_children())
    order = list(lenet)
    assert order[order.index("conv1") + 1] == "bn1" and order[order.index("conv2") + 1] == "bn2"
    assert order[-5:] == ["fc1", "bn3", "relu1", "dropout1", "fc2"]
    assert lenet["dropout1"].p == 0.3


@pytest.mark.parametrize("name", MODELS)
def test_same_seed_same_weights(name):
    first, again, other = (build(name, (1, 8, 8), 10, seed=seed) for seed in (3, 3, 4))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not torch.equal(first.fc1.weight, other.fc1.weight)


def test_the_global_random_state_is_left_alone():
    torch.manual_seed(11)
    expected = torch.rand(4)
    torch.manual_seed(11)
    build("lenet-300-100", (1, 8, 8), 10, seed=5)
    assert torch.equal(torch.rand(4), expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("lenet", (1, 8, 8), 10), "'lenet'.*lenet-300-100, lenet-5, mlp-small"),
        (("lenet-5", (64,), 10), r"\(64,\).*images.*lenet-300-100"),
        (("lenet-5", (1, 7, 8), 10), r"\(1, 7, 8\).*at least 8 x 8"),
        (("mlp-small", (), 10), "one sample"),
        (("mlp-small", (0,), 10), "one sample"),
        (("mlp-small", (8.0,), 10), "one sample"),
        (("mlp-small", (8,), 1), "classes = 1"),
        (("mlp-small", (8,), True), "classes = True"),
    ],
)
def test_errors_name_what_was_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        build(*arguments)


@pytest.mark.parametrize("dropout", [-0.1, 1.0, float("nan")])
def test_dropout_outside_its_range(dropout):
    with pytest.raises(ValueError, match="dropout ="):
        build("mlp-small", (8,), 2, dropout=dropout)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28)])
def test_a_network_is_recognised_by_the_shapes_of_its_tensors_in_any_order(name, batch_norm, shape):
    model = models.build(name, shape, 7, batch_norm=batch_norm, dropout=0.3)
    shapes = {key: tuple(tensor.shape) for key, tensor in reversed(model.state_dict().items())}
    twin, sample = models.recognised(shapes)
    twin.load_state_dict(model.state_dict())
    assert twin(torch.zeros(2, *sample)).shape == (2, 7) and torch.Size(sample).numel() == torch.Size(shape).numel()
    shapes.pop("fc1.bias")
    assert models.recognised(shapes) is None and models.recognised({}) is None
