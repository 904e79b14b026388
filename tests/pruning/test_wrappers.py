"""Wrappers around a model, or around parts of it, are seen through: compiled and parallel ones."""

import json

import pytest
import torch
from torch import nn

import prunelab as pl
from prunelab.pruning import effective
from prunelab.pruning.wrappers import aligned, unwrapped
from prunelab.sparse.compaction.compact import compact
from prunelab.sparse.inference.convert import convert
from prunelab.sparse.measuring.measure import measure
from prunelab.sparse.packing.file import bound, load, save

X = torch.randn(4, 20, generator=torch.Generator().manual_seed(0))
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # torch's own, while it compiles


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    body = nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 10))
    return nn.Sequential(body, nn.ReLU(), nn.Linear(10, 5)).eval()


def compiled(model: nn.Module) -> nn.Module:
    return torch.compile(model, backend="eager")


def partly(wrap):
    def wrapped(model: nn.Sequential) -> nn.Sequential:
        model[0] = wrap(model[0])
        return model

    return wrapped


def in_place(model: nn.Module) -> nn.Module:
    model.compile(backend="eager")
    return model


WRAPS = {
    "compiled": compiled,
    "compiled in place": in_place,
    "parallel": nn.DataParallel,
    "compiled, parallel": lambda model: compiled(nn.DataParallel(model)),
    "parallel, compiled": lambda model: nn.DataParallel(compiled(model)),
    "a part compiled": partly(compiled),
    "a part parallel": partly(nn.DataParallel),
}
OUTER = {name: wrap for name, wrap in WRAPS.items() if name != "a part parallel"}


def pruned(model: nn.Module) -> nn.Module:
    pl.Masks(model).prune(density=0.2, scope="layer")
    return model


@pytest.fixture(autouse=True)
def fresh():
    torch._dynamo.reset()


@pytest.mark.parametrize("name", OUTER)
def test_a_wrapped_model_is_packed_as_the_plain_one_would_be_read(name, tmp_path):
    path, wrap = tmp_path / "net", WRAPS[name]
    plain = pruned(network())
    save(wrap(pruned(network())), path)
    for target in (network(1), wrap(network(1)), compiled(network(1)), nn.DataParallel(network(1))):
        load(path, target)
        for ours, theirs in zip(target.parameters(), plain.parameters(), strict=True):
            assert torch.equal(ours, theirs)
    save(plain, path)
    target = load(path, wrap(network(1)))
    assert all(torch.equal(a, b) for a, b in zip(target.parameters(), plain.parameters(), strict=True))


@pytest.mark.parametrize("name", OUTER)
def test_masks_fit_with_and_without_the_wrapper(name, tmp_path):
    model = network()
    plain_masks = pl.Masks(model)
    plain_masks.prune(density=0.2)
    wrapped = WRAPS[name](model)
    masks = pl.Masks.from_zeros(wrapped)
    assert masks.kept == plain_masks.kept
    sizes = {
        save(given, tmp_path / "net", masks=kept) - save(given, tmp_path / "net")
        for given in (wrapped, unwrapped(wrapped))
        for kept in (masks, plain_masks, dict(masks))
    }
    assert sizes == {0}
    assert bound(wrapped, masks) == bound(unwrapped(wrapped), plain_masks)
    with pytest.raises(ValueError, match="belongs to no tensor"):
        save(wrapped, tmp_path / "net", masks={"other.weight": masks[next(iter(masks))]})


@pytest.mark.parametrize("name", WRAPS)
@pytest.mark.parametrize("kernel", ["csr", "dense", None])
def test_a_wrapped_model_is_converted_as_the_one_inside(name, kernel):
    plain = pruned(network())
    wrapped = WRAPS[name](pruned(network()))
    fast = convert(wrapped, X, kernel=kernel, batches=(4,))
    assert set(fast.choices) == {"0.0.weight", "0.2.weight", "2.weight"}
    with torch.no_grad():
        torch.testing.assert_close(fast(X), plain(X), rtol=1e-4, atol=1e-5)
    again = convert(wrapped, X, kernel=json.loads(json.dumps(fast.choices)), batches=(4,))
    assert again.choices == fast.choices
    inside = next(n for n, _ in wrapped.named_parameters()).removesuffix(".weight")
    if name != "a part parallel":
        assert convert(wrapped, X, kernel={inside: "scipy"}, batches=(4,)).choices["0.0.weight"] == {4: "scipy"}


@pytest.mark.parametrize("name", WRAPS)
def test_a_wrapped_model_is_compacted_as_the_one_inside(name):
    def dead(model: nn.Sequential) -> nn.Sequential:
        with torch.no_grad():
            model[0][0].weight[:7] = 0
        model[0][2].bias.requires_grad_(False)
        return model.train()

    plain = dead(pruned(network()))
    wrapped = WRAPS[name](dead(pruned(network())))
    small, expected = compact(wrapped, X), compact(plain, X)
    assert small.compaction == expected.compaction and small.compaction.removed >= 7
    assert type(small) is nn.Sequential and [m.training for m in small.modules()] == [True] * 7
    flags = {n: p.requires_grad for n, p in small.named_parameters()}
    assert flags == {n: p.requires_grad for n, p in expected.named_parameters()} and not flags["0.2.bias"]
    with torch.no_grad():
        torch.testing.assert_close(small(X), plain(X), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [*OUTER, "averaged"])
@pytest.mark.parametrize("inwards", [True, False])
def test_masks_of_the_wrapped_model_are_loaded_into_those_of_the_plain_one_and_back(name, inwards):
    wrap = torch.optim.swa_utils.AveragedModel if name == "averaged" else OUTER[name]
    models = [wrap(network()), network(1)]
    given, taken = map(pl.Masks, models if inwards else reversed(models))
    given.prune(quality=1.0)
    taken.load_state_dict(given.state_dict())
    for (one, mask), (other, same) in zip(given.items(), taken.items(), strict=True):
        assert torch.equal(mask, same) and not taken.weight(other)[~mask].any()
        assert taken.plan(quality=1.0).cuts[other].deviation == given.plan(quality=1.0).cuts[one].deviation
    part = {key: value for key, value in given.state_dict().items() if "2" not in key}
    with pytest.raises(ValueError, match="on one side only"):
        taken.load_state_dict(part)


@pytest.mark.parametrize("name", WRAPS)
def test_a_wrapped_model_is_pruned_trained_and_measured(name):
    model = WRAPS[name](network().train())
    masks = pl.Masks(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    masks.attach(optimizer)
    for density in (0.5, 0.2):
        masks.prune(density=density)
        model(X).square().sum().backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        assert masks.zeros_hold() and masks.density == pytest.approx(density, abs=0.01)
    found = measure(model, X, batches=(1,), threads=(1,))
    assert {timed.network for timed in found.latencies} == {"dense", "sparse", "converted", "compacted"}


@pytest.mark.parametrize("name", WRAPS)
def test_a_session_trains_a_wrapped_model(name, tmp_path):
    x, y = torch.randn(60, 20), torch.arange(60) % 5
    recipe = pl.Recipe(epochs=1, retrain_epochs=1, rounds=1)
    session = pl.Session(recipe, model=WRAPS[name](network()), data=((x, y), (x, y)))
    *_, last = session
    assert last.phase == "retrained" and session.masks.zeros_hold()
    assert pl.sensitivity(session.model, (x, y), densities=[0.5]).points


@pytest.mark.parametrize("name", [name for name in WRAPS if not name.startswith("a part")])
def test_paths_outputs_and_dropouts_are_found_inside(name):
    def dropping(model: nn.Sequential) -> nn.Sequential:
        model[1] = nn.Sequential(nn.ReLU(), nn.Dropout(0.5))
        return model

    plain, wrapped = dropping(network()), WRAPS[name](dropping(network()))
    expected, found = pl.Masks(plain), pl.Masks(wrapped)
    for masks in (expected, found):
        masks.prune(density=0.05, scope="layer")
        masks.outputs()
    before = next(iter(found)).removesuffix("0.0.weight")
    assert found.outputs(X) == found.outputs() == {before + output for output in expected.outputs()}
    reach, wanted = effective.trace(wrapped, X).effective(found), effective.trace(plain, X).effective(expected)
    assert (reach.kept, reach.dead) == (wanted.kept, wanted.dead)
    assert reach.layers.keys() == {before + layer for layer in wanted.layers}
    rates = {before + dropout: rate for dropout, rate in pl.adjust_dropout(plain, expected).items()}
    assert pl.adjust_dropout(wrapped, found) == rates == pl.adjust_dropout(wrapped, found, example=X)


@pytest.mark.parametrize("name", ["a part compiled", "a part parallel"])
def test_masks_stay_valid_when_a_part_is_wrapped_after_they_were_made(name):
    model = network()
    masks = pl.Masks(model)
    masks.prune(density=0.5)
    WRAPS[name](model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    masks.attach(optimizer)
    masks.prune(density=0.2)
    model(X).sum().backward()
    optimizer.step()
    assert masks.zeros_hold() and masks.density == pytest.approx(0.2, abs=0.01)
    model[0] = nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 10))
    with pytest.raises(ValueError, match="has been replaced"):
        masks.zeros_hold()


def test_names_are_aligned_by_what_they_mean():
    assert aligned(["a.weight"], ["a.weight", "b"]) == {"a.weight": "a.weight"}
    assert aligned(["_orig_mod.a.b"], ["a.b", "c"]) == {"_orig_mod.a.b": "a.b"}
    assert aligned(["a._orig_mod.b"], ["module.a.b", "module.c"]) == {"a._orig_mod.b": "module.a.b"}
    assert aligned(["module._orig_mod.a"], ["_orig_mod.module.a"]) == {"module._orig_mod.a": "_orig_mod.module.a"}
    assert aligned(["module.a", "b"], ["a", "b"]) is None, "not all have the prefix, so it is none"
    assert aligned(["a", "_orig_mod.a"], ["a"]) is None
    assert aligned([], ["a"]) == {}


def test_a_model_whose_own_part_is_called_module_keeps_its_names(tmp_path):
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = nn.Linear(20, 5)

        def forward(self, x):
            return self.module(x)

    model = pruned(Net())
    save(model, tmp_path / "net")
    assert set(load(tmp_path / "net")) == {"module.weight", "module.bias"}
    assert torch.equal(load(tmp_path / "net", Net()).module.weight, model.module.weight)
    assert unwrapped(model) is model
