"""Weights that cannot have a mask are refused in words; those that only look odd are pruned."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

import prunelab as pl
from prunelab.pruning import model_state
from prunelab.sparse.compaction.compact import compact
from prunelab.sparse.inference.convert import convert
from prunelab.sparse.measuring.measure import measure
from prunelab.sparse.packing.file import load, save

X = torch.randn(4, 20, generator=torch.Generator().manual_seed(0))
DEPRECATED = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")  # torch's quantisation


def network(a: int = 20, b: int = 30, c: int = 5) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(a, b), nn.ReLU(), nn.Linear(b, c))


def retyped(dtype: torch.dtype) -> nn.Sequential:
    model = network()
    model[2].weight = nn.Parameter(model[2].weight.detach().to(dtype), requires_grad=False)
    return model


def on_meta() -> nn.Sequential:
    with torch.device("meta"):
        return network()


def dynamically_quantised() -> nn.Module:
    model = network()
    pl.Masks(model).prune(density=0.2)
    return torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)


def statically_quantised() -> nn.Module:
    model = nn.Sequential(
        torch.ao.quantization.QuantStub(), nn.Linear(20, 5), torch.ao.quantization.DeQuantStub()
    ).eval()
    model.qconfig = torch.ao.quantization.default_qconfig
    torch.ao.quantization.prepare(model, inplace=True)
    model(X)
    return torch.ao.quantization.convert(model)


class Reader(nn.Module):
    """Its recurrent part is quantised, its head is not."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(20, 8, batch_first=True), nn.Linear(8, 5)

    def forward(self, x):
        return self.head(self.lstm(x[:, None])[0][:, 0])


def partly_quantised() -> nn.Module:
    return torch.ao.quantization.quantize_dynamic(Reader(), {nn.LSTM}, dtype=torch.qint8)


def everything(model: nn.Module, path) -> dict:
    return {
        "Masks": lambda: pl.Masks(model),
        "from_zeros": lambda: pl.Masks.from_zeros(model),
        "save": lambda: save(model, path),
        "convert": lambda: convert(model, X),
        "compact": lambda: compact(model, X),
        "measure": lambda: measure(model, X, batches=(1,), threads=(1,)),
        "sensitivity": lambda: pl.sensitivity(model, (X, torch.arange(4) % 5), densities=[0.5]),
        "Session": lambda: pl.Session(model=model, data=((X, torch.arange(4)), (X, torch.arange(4)))),
    }


@pytest.mark.parametrize(
    "call", ["Masks", "from_zeros", "save", "convert", "compact", "measure", "sensitivity", "Session"]
)
def test_a_model_on_the_meta_device_is_refused_everywhere_by_this_name(call, tmp_path):
    with pytest.raises(ValueError, match=r"0\.weight is on meta.*to_empty"):
        everything(on_meta(), tmp_path / "net")[call]()


@DEPRECATED
@pytest.mark.parametrize("make", [dynamically_quantised, statically_quantised])
@pytest.mark.parametrize(
    "call", ["Masks", "from_zeros", "save", "convert", "compact", "measure", "sensitivity", "Session"]
)
def test_a_quantised_network_is_refused_everywhere_by_this_name(call, make, tmp_path):
    with pytest.raises(ValueError, match=r"quantised"):
        everything(make(), tmp_path / "net")[call]()


@DEPRECATED
def test_the_float_part_of_a_partly_quantised_network_is_pruned_but_not_stored(tmp_path):
    model = partly_quantised()
    masks = pl.Masks(model)
    masks.prune(density=0.5)
    assert list(masks) == ["head.weight"] and masks.zeros_hold()
    for call in ("save", "measure"):
        with pytest.raises(ValueError, match="lstm is quantised"):
            everything(model, tmp_path / "net")[call]()
    with pytest.raises(pl.PrunelabError, match="lstm is quantised.*not touched"):
        save(network(), tmp_path / "net")
        load(tmp_path / "net", model)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize("make", [torch.jit.script, lambda model: torch.jit.trace(model, X)])
@pytest.mark.parametrize("call", ["Masks", "from_zeros", "convert", "compact", "measure", "sensitivity", "Session"])
def test_torchscript_is_refused_by_this_name(call, make, tmp_path):
    with pytest.raises(ValueError, match="TorchScript"):
        everything(make(network()), tmp_path / "net")[call]()


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_weights_of_torchscript_can_be_stored(tmp_path):
    model = network()
    save(torch.jit.script(model), tmp_path / "net")
    assert torch.equal(load(tmp_path / "net", torch.jit.script(network(20, 30)))[0].weight, model[0].weight)


@pytest.mark.parametrize(
    "dtype", [torch.int8, torch.uint8, torch.int32, torch.bool, torch.float8_e4m3fn, torch.float8_e5m2], ids=str
)
def test_weights_of_types_without_arithmetic_are_refused_unless_they_are_left_out(dtype, tmp_path):
    model = retyped(dtype)
    with pytest.raises(ValueError, match=rf"2\.weight is {dtype}.*exclude"):
        pl.Masks(model)
    masks = pl.Masks(model, exclude=["2"])
    masks.prune(density=0.5)
    assert masks.zeros_hold() and list(masks) == ["0.weight"]
    save(model, tmp_path / "net")
    again = load(tmp_path / "net", retyped(dtype))
    assert all(torch.equal(a.double(), b.double()) for a, b in zip(again.parameters(), model.parameters(), strict=True))
    for call in ("compact", "measure", "sensitivity", "Session"):
        with pytest.raises(ValueError):
            everything(model, tmp_path / "net")[call]()


@pytest.mark.filterwarnings("ignore:Complex modules:UserWarning")
def test_complex_weights_are_pruned_by_magnitude_and_refused_where_they_cannot_be_stored(tmp_path):
    model = network().to(torch.complex64)
    model[1] = nn.Identity()
    masks = pl.Masks(model)
    dense = {name: masks.weight(name).detach().numpy().copy() for name in masks}
    cuts = masks.prune(quality=1.0)
    for name, values in dense.items():
        assert cuts[name].deviation == pytest.approx(values.std(), rel=1e-6)
        assert (masks[name].numpy() == (abs(values) >= cuts[name].threshold)).all()
    before = [(dense[name], masks[name].numpy()) for name in masks]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    masks.attach(optimizer)
    masks.prune(density=0.2)
    magnitudes = np.concatenate([abs(values[masks_before]).ravel() for values, masks_before in before])
    kept = np.concatenate([abs(dense[name][masks[name].numpy()]) for name in masks])
    assert sorted(kept) == sorted(magnitudes)[-len(kept) :] and len(kept) == round(0.2 * masks.total)
    model(X.to(torch.complex64)).abs().sum().backward()
    optimizer.step()
    assert masks.zeros_hold()
    with pytest.raises(ValueError, match=r"0\.weight is torch.complex64.*cannot be stored"):
        save(model, tmp_path / "net")


@pytest.mark.filterwarnings("ignore:Initializing zero-element:UserWarning")
@pytest.mark.parametrize("sizes", [(20, 30, 0), (20, 0, 5)])
def test_layers_without_entries_have_no_mask_and_are_in_nobodys_way(sizes, tmp_path):
    model = nn.Sequential(nn.Linear(20, 20), network(*sizes)).eval()
    for masks in (pl.Masks(model), pl.Masks.from_zeros(model)):
        assert set(masks) == {n for n, p in model.named_parameters() if n.endswith("weight") and p.numel()}
        for target in ({"quality": 1.0}, {"density": 0.5}, {"density": 0.2, "scope": "layer"}):
            assert not any(cut.spared for cut in masks.prune(**target).values())
    save(model, tmp_path / "net")
    load(tmp_path / "net", copy.deepcopy(model))
    with pytest.raises(ValueError, match="no entries"):
        pl.Masks(network(0, 0, 0))
    with pytest.raises(pl.PrunelabError, match=r"weight has no entries.*take its layer out"):
        compact(model, X)
    found = measure(model, X, batches=(1,), threads=(1,))
    assert any(note.startswith("compacted: not measured") for note in found.notes)
    with torch.no_grad():
        assert torch.equal(convert(model, X, kernel="csr", batches=(4,))(X), model(X))


def test_views_of_one_buffer_that_are_apart_are_weights_like_others(tmp_path):
    flat = torch.randn(2 * 400, generator=torch.Generator().manual_seed(0))
    fused = torch.randn(20, 40, generator=torch.Generator().manual_seed(1))
    for first, second in (
        (flat[:400].view(20, 20), flat[400:].view(20, 20)),
        (fused[:, :20], fused[:, 20:]),  # interleaved in memory
        (fused[:, ::2], fused[:, 1::2]),
    ):
        model = network(20, 20, 20)
        model[0].weight, model[2].weight = nn.Parameter(first), nn.Parameter(second)
        twin = copy.deepcopy(model)
        for each in (model, twin):
            masks = pl.Masks(each)
            optimizer = torch.optim.SGD(each.parameters(), lr=0.1, momentum=0.9)
            masks.attach(optimizer)
            masks.prune(density=0.3)
            each(X).square().sum().backward()
            optimizer.step()
            assert masks.zeros_hold() and masks.density == pytest.approx(0.3)
        for a, b in zip(model.parameters(), twin.parameters(), strict=True):
            torch.testing.assert_close(a, b)
        save(model, tmp_path / "net")
        model[0].weight.data.zero_()
        load(tmp_path / "net", model)
        assert torch.equal(model[0].weight, twin[0].weight)
        with torch.no_grad():
            torch.testing.assert_close(convert(model, X, kernel="csr")(X), model(X), rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(compact(model, X)(X), model(X), rtol=1e-4, atol=1e-5)


def test_views_that_share_memory_are_refused_by_both_names():
    square = torch.randn(20, 20)
    wide = torch.randn(50 * 20)
    for first, second in (
        (square, square.t()),
        (square, square.detach()),
        (wide[:400].view(20, 20), wide[200:600].view(20, 20)),
        (wide.view(25, 40)[:20, :20], wide.view(25, 40)[:20, 19:39]),
    ):
        model = network(20, 20, 20)
        model[0].weight, model[2].weight = nn.Parameter(first), nn.Parameter(second)
        with pytest.raises(ValueError, match=r"(0\.weight and 2|2\.weight and 0)\.weight are different views"):
            pl.Masks(model)
        assert len(pl.Masks(model, exclude=["2"])) == 1


def test_weights_tied_as_one_parameter_are_no_overlap():
    model = network(20, 20, 20)
    model[2].weight = model[0].weight
    assert len(pl.Masks(model)) == 1


def test_an_expanded_weight_is_refused():
    model = network(20, 20, 20)
    model[0].weight = nn.Parameter(torch.randn(1, 20).expand(20, 20))
    with pytest.raises(ValueError, match=r"0\.weight is expanded.*contiguous"):
        pl.Masks(model)


def test_a_weight_made_of_other_tensors_is_refused():
    from torch.testing._internal.two_tensor import TwoTensor

    model = network()
    model[0].weight = nn.Parameter(TwoTensor(torch.randn(30, 20), torch.randn(30, 20)))
    with pytest.raises(ValueError, match=r"0\.weight is a TwoTensor.*before"):
        pl.Masks(model)


def test_overlaps_of_many_views_are_found_without_comparing_all_pairs(monkeypatch):
    flat = torch.zeros(3000)
    weights = {f"{i}": flat[i : i + 1] for i in range(3000)}
    compared = []
    monkeypatch.setattr(model_state, "_share", lambda a, b: compared.append(1) or False)
    assert model_state.overlapping(weights) is None and not compared
    weights["x"] = flat[1500:1502]
    assert model_state.overlapping(weights) is None and len(compared) == 2


def expanded(model):
    model[2].weight.data = torch.randn(1, 8).expand(3, 8)


def half_made_of_integers(model):
    model[2].weight.requires_grad_(False).data = torch.ones(3, 8, dtype=torch.int8)


@pytest.mark.parametrize("change", [expanded, half_made_of_integers])
def test_a_cut_that_cannot_be_carried_out_changes_nothing(change):
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
    masks = pl.Masks(model)
    change(model)
    before = [p.detach().clone() for p in model.parameters()]
    with pytest.raises(ValueError, match="2.weight is (expanded|torch.int8)"):
        masks.prune(density=0.05)
    assert masks.density == 1 and all(map(torch.equal, before, (p.detach() for p in model.parameters())))


def test_a_network_made_in_inference_mode_is_read_and_its_copy_is_pruned():
    with torch.inference_mode():
        model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
    masks = pl.Masks(model)
    with pytest.raises(ValueError, match=r"0.weight was made in torch.inference_mode\(\).*copy.deepcopy\(model\)"):
        masks.prune(density=0.3)
    assert masks.density == 1 and masks.zeros_hold()
    twin = pl.Masks(copy.deepcopy(model))
    twin.prune(density=0.3)
    assert twin.zeros_hold() and twin.kept == round(0.3 * 88)
    with torch.inference_mode():
        masks.prune(density=0.3)
        assert masks.zeros_hold() and masks.kept == round(0.3 * 88)
