"""Bytes against what is really written, times that claim nothing that noise could have made."""

import copy
import csv
import gzip
import io
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest
import safetensors.torch
import scipy.sparse
import torch
from torch import nn

import prunelab as pl
from prunelab import models, views
from prunelab.results.measurement import NETWORKS, Latency, Measurement
from prunelab.sparse import MeasureError, bound, measure, save
from prunelab.sparse.measuring.file_sizes import sizes
from prunelab.views import key_figures


def network(density: float = 0.08) -> nn.Module:
    model = models.build("lenet-300-100", (1, 28, 28), 10, seed=1)
    if density < 1:
        pl.Masks(model).prune(density=density)
    return model


@pytest.fixture(scope="module")
def measured() -> Measurement:
    return measure(network(), torch.rand(32, 1, 28, 28), batches=(1, 16), threads=(1,))


def test_it_says_which_kernel_computes_each_layer_and_why(measured):
    layers = ["fc1.weight", "fc2.weight", "fc3.weight"]
    assert [(x.layer, x.batch, x.threads) for x in measured.kernels] == [(n, b, 1) for n in layers for b in (1, 16)]
    for x in measured.kernels:
        assert x.kernel in ("dense", "csr", "scipy") and "as fast as dense" in x.why
        assert ("no clear gain" in x.why) == all(y.kernel == "dense" for y in measured.kernels if y.batch == x.batch)
    assert measured.to_dict()["kernels"][0]["layer"] == "fc1.weight"


def test_bytes_are_those_of_files_that_hold_the_network(tmp_path):
    model = network()
    found = {size.format: size.bytes for size in sizes(model)}
    safetensors.torch.save_file(model.state_dict(), tmp_path / "dense")
    assert found["dense"] == (tmp_path / "dense").stat().st_size
    assert found["packed"] == pl.sparse.save(model, tmp_path / "packed") == (tmp_path / "packed").stat().st_size
    weights = {name: p.detach() for name, p in model.named_parameters() if p.dim() == 2}
    kept = sum(int((w != 0).sum()) for w in weights.values())
    rows, biases = sum(len(w) for w in weights.values()), 4 * 410
    assert found["COO"] == pytest.approx(kept * (4 + 16) + biases, rel=0.01)
    assert found["CSR"] == pytest.approx(kept * (4 + 8) + 8 * rows + biases, rel=0.01)
    npz = 0
    for weight in weights.values():
        scipy.sparse.save_npz(tmp_path / "w.npz", scipy.sparse.csr_matrix(weight.numpy()))
        npz += (tmp_path / "w.npz").stat().st_size
    assert found["npz"] == pytest.approx(npz + biases, rel=0.01)
    p = kept / sum(w.numel() for w in weights.values())
    assert (
        found["bound"]
        == bound(model)
        <= kept * 4 + 266_200 * (-p * np.log2(p) - (1 - p) * np.log2(1 - p)) / 8 + biases + 8
    )


def test_the_paper_s_lesson_twelve_times_fewer_weights_is_not_twelve_times_fewer_bytes():
    found = {size.format: size.bytes for size in sizes(network())}
    ratio = {name: found["dense"] / size for name, size in found.items()}
    assert 2.3 < ratio["COO"] < 2.6 and 3.8 < ratio["CSR"] < 4.2 and 10.5 < ratio["packed"] < 11.5


def test_a_network_and_its_packed_file_have_the_same_sizes(tmp_path):
    model = network()
    for weight in model.parameters():
        weight.data[weight == 0] = -0.0  # as a product with a mask leaves where a weight was negative
    pl.sparse.save(model, tmp_path / "packed")
    zipped = safetensors.torch.save({name: t + 0.0 for name, t in model.state_dict().items()})
    assert sizes(model) == sizes(pl.sparse.load(tmp_path / "packed"))
    assert {size.format: size.bytes for size in sizes(model)}["gzip"] == len(gzip.compress(zipped, 6, mtime=0))
    for dtype in (torch.bfloat16, torch.float8_e4m3fn, torch.int64):
        assert all(size.bytes for size in sizes({"weight": torch.ones(4, 4).to(dtype)}))


@pytest.mark.parametrize("density", [1.0, 0.5, 0.01])
def test_sizes_of_dense_and_of_nearly_empty_networks(density):
    found = {size.format: size.bytes for size in sizes(network(density))}
    assert found["packed"] <= found["dense"] + 200 and all(value > 0 for value in found.values())
    if density == 1.0:
        assert found["COO"] == found["dense"], "without zeros nothing is stored sparsely"


def test_tied_half_and_double_weights_are_counted_as_they_are():
    tied = nn.Sequential(nn.Linear(30, 30, bias=False), nn.ReLU(), nn.Linear(30, 30, bias=False))
    tied[2].weight = tied[0].weight
    single = nn.Sequential(nn.Linear(30, 30, bias=False))
    single[0].weight = tied[0].weight
    assert abs(sizes(tied)[0].bytes - sizes(single)[0].bytes) < 100
    double = {size.format: size.bytes for size in sizes(network().double())}
    assert double["dense"] > 1.9 * sizes(network())[0].bytes
    assert {size.format: size.bytes for size in sizes(network().half())}["packed"] < 0.7 * double["packed"] / 2


def test_every_network_is_timed_at_every_batch_and_the_model_is_left_alone(measured):
    assert {(x.network, x.batch, x.threads) for x in measured.latencies} == {
        (n, b, 1) for n in NETWORKS for b in (1, 16)
    }
    assert all(0 < x.least <= x.low <= x.median <= x.high for x in measured.latencies)
    assert measured.progress == 1.0 and measured.kept == round(0.08 * 266_200) and measured.machine.cores >= 1
    model = network().train()
    before = copy.deepcopy(model.state_dict())
    measure(model, torch.rand(4, 1, 28, 28), batches=(2,), threads=(1,))
    assert model.training and all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_the_threads_of_the_caller_are_given_back():
    before = torch.get_num_threads()
    measure(network(), torch.rand(4, 784), batches=(1,), threads=(1, 2))
    assert torch.get_num_threads() == before


def test_rows_and_csv_say_the_same(measured):
    read = list(csv.DictReader(io.StringIO(measured.to_csv())))
    assert [row["name"] for row in read] == [row["name"] for row in measured.rows()]
    assert [float(row["value"]) for row in read] == [row["value"] for row in measured.rows()]
    assert {row["unit"] for row in read} == {"bytes", "s"}


def test_a_model_that_some_network_cannot_be_made_of_is_measured_all_the_same():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(6, 6)

        def forward(self, x):
            out = torch.zeros(len(x), 8)
            out[:, 2:].copy_(self.fc(x))  # into a view: what compact() does not follow
            return out

    found = measure(Odd(), torch.rand(3, 6), batches=(1,), threads=(1,))
    assert any(note.startswith("compacted: not measured") for note in found.notes)
    assert found.latency("dense", 1) is not None and found.latency("compacted", 1) is None
    go.Figure(views.speed(found))


def nan_network():
    model = network()
    with torch.no_grad():
        model.fc1.weight[0, 0] = float("nan")
    return model


def held(tensor, *, parameter: bool = False):
    """A network that holds a tensor of another kind beside its weights."""
    layer = nn.Linear(8, 4)
    pl.Masks(layer).prune(density=0.5)
    if parameter:
        layer.more = nn.Parameter(tensor, requires_grad=False)
    else:
        layer.register_buffer("more", tensor)
    return layer


@pytest.mark.parametrize("parameter", [True, False])
@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2, torch.int8, torch.bool, torch.bfloat16])
def test_tensors_of_any_type_that_can_be_stored_are_measured(dtype, parameter):
    model = held(torch.eye(16).to(dtype), parameter=parameter)
    found = measure(model, torch.rand(2, 8), batches=(1,), threads=(1,))
    assert (found.kept, found.total) == ((32, 288) if parameter else (16, 32))
    assert {size.format: size.bytes for size in found.sizes}["packed"] == save(model, io.BytesIO())


def test_the_mask_of_attention_is_infinite_and_sound():
    model = held(torch.full((6, 6), -torch.inf).triu(1))
    assert measure(model, torch.rand(2, 8), batches=(1,), threads=(1,)).latency("dense", 1) is not None


@pytest.mark.parametrize(
    ("model", "example", "more", "said"),
    [
        (lambda: nn.LazyLinear(3), torch.rand(2, 8), {}, "weight has no shape yet: run the model once first"),
        (lambda: held(torch.eye(3).cfloat()), torch.rand(2, 8), {}, "more is torch.complex64.*cannot be stored"),
        (lambda: held(torch.tensor([[torch.nan]])), torch.rand(2, 8), {}, "more holds NaN"),
        (nan_network, torch.rand(2, 784), {}, "fc1.weight holds NaN"),
        (network, torch.rand(2, 7), {}, r"cannot take the example, shape \(2, 7\)"),
        (network, torch.rand(0, 784), {}, "at least one sample"),
        (network, torch.rand(2, 784), {"batches": (0,)}, "whole numbers"),
        (network, torch.rand(2, 784), {"batches": ()}, "at least one"),
        (network, torch.rand(2, 784), {"batches": 8}, "batches = 8: must be whole numbers"),
        (network, torch.rand(2, 784), {"batches": (1, 10**13)}, "a batch of 10,000,000,000,000 samples needs more"),
        (network, torch.rand(2, 784), {"batches": (10**30,)}, "needs more memory than there is: take a smaller batch"),
        (network, torch.rand(2, 784), {"threads": []}, r"threads = \(\): must be whole numbers"),
        (network, torch.rand(2, 784), {"threads": [0]}, r"threads = \(0,\): must be whole numbers"),
        (network, torch.rand(2, 784), {"threads": [1.5]}, r"threads = \(1.5,\): must be whole numbers"),
        (network, torch.rand(2, 784), {"threads": [True]}, r"threads = \(True,\): must be whole numbers"),
        (network, torch.rand(2, 784), {"threads": 2}, "threads = 2: must be whole numbers"),
        (network, torch.rand(2, 784), {"threads": [1, 40000]}, "40000 are too many for this machine; take .* at most"),
    ],
)
def test_what_cannot_be_measured_is_said_in_words(model, example, more, said):
    with pytest.raises(MeasureError, match=said):
        measure(model(), example, **more)


class Strict(nn.Linear):
    """Refuses what it is not made for with an error of its own, as models of others do."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[1] != self.in_features:
            raise AssertionError
        return super().forward(x)


def test_whatever_a_model_raises_the_example_is_refused():
    with pytest.raises(MeasureError, match=r"cannot take the example, shape \(2, 5\): AssertionError"):
        measure(Strict(4, 3), torch.rand(2, 5))


def test_numbers_may_come_in_any_form_and_are_measured_once():
    measured = measure(nn.Linear(4, 3), torch.rand(2, 4), batches=iter((8, 1, 8)), threads=iter((1, 1)))
    timed = [(x.batch, x.threads) for x in measured.latencies if x.network == "dense"]
    assert timed == [(8, 1), (1, 1)] and measured.progress == pytest.approx(1)


def test_connections_are_parameters_and_buffers_are_none():
    layer = nn.Linear(8, 4)
    pl.Masks(layer).prune(density=0.5)
    layer.register_buffer("table", torch.ones(100, 100))
    found = measure(layer, torch.rand(2, 8), batches=(1,), threads=(1,))
    assert (found.kept, found.total) == (16, 32)


def timed(network: str, median: float, spread: float = 0.01, least: float | None = None) -> Latency:
    low, high = median * (1 - spread), median * (1 + spread)
    return Latency(network, 64, 2, median, low, high, low if least is None else least)


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (timed("sparse", 0.5), 2.0),
        (timed("sparse", 2.0), 0.5),
        (timed("sparse", 0.97), 1.0),  # closer than clocks agree
        (timed("sparse", 0.7, spread=0.5), 1.0),  # quartiles overlap
        (timed("sparse", 0.01, least=0.9), 1.0),  # dense was held up by a neighbour: the minima tell
        (timed("sparse", 0.5, least=0.6), 2.0),  # medians and minima agree: the medians, which are shown, are compared
        (timed("sparse", 5.0, least=0.5), 1.0),  # slower but for a moment: nothing can be said
    ],
)
def test_only_what_noise_cannot_have_made_is_called_faster_or_slower(measured, own, expected):
    found = replace(measured, latencies=(timed("dense", 1.0), own))
    assert found.speedup("sparse", 64) == pytest.approx(expected, rel=0.01)
    assert found.fastest(64)[0] == ("sparse" if expected > 1 else "dense")


@pytest.mark.parametrize(
    ("own", "word", "card"),
    [
        (timed("sparse", 0.97), "same as dense", "no gain"),
        (timed("sparse", 2.0), "2.0x slower", "no gain"),
        (timed("sparse", 0.5), "2.0x faster", "2.0x"),
        (timed("sparse", 0.7, spread=0.5), "unsteady: no verdict", "unsteady"),
        (timed("sparse", 5.0, least=0.5), "unsteady: no verdict", "unsteady"),
        # Slower, if anything: how much nobody knows, but it is no gain.
        (timed("sparse", 1.85, spread=0.5, least=1.2), "unsteady: no verdict", "no gain"),
    ],
)
def test_the_same_is_said_of_what_is_the_same_only(measured, own, word, card):
    found = replace(measured, latencies=(timed("dense", 1.0), own))
    view = views.speed(found)
    assert view["data"][1]["text"][0].endswith(word) and word in views.summary(view)
    assert key_figures.speed(found, 64)[0] == card
    unsteady = "unsteady" in word
    assert ("quartiles overlap" in view["layout"]["xaxis"]["title"]["text"]) == unsteady, "why stands on the page"
    title = view["layout"]["title"]["text"]
    assert title.startswith({"no gain": "Not faster anywhere", "unsteady": "No verdict"}.get(card, "Sparse"))


def test_views_are_honest_about_what_is_larger_and_slower(measured):
    slow = replace(measured, latencies=(timed("dense", 1.0), timed("sparse", 3.0), timed("compacted", 9.0)))
    view = views.speed(slow)
    go.Figure(view)
    assert view["layout"]["title"]["text"].startswith("Not faster anywhere")
    texts = [text for trace in view["data"] for text in trace["text"]]
    assert any("3.0x slower" in text for text in texts) and any("9.0x slower" in text for text in texts)
    fast = views.speed(replace(measured, latencies=(timed("dense", 1.0), timed("converted", 0.5))))
    assert fast["layout"]["title"]["text"] == "Converted, the network is 2.0x faster at batch 64"
    view = views.size(measured)
    go.Figure(view)
    packed, dense = measured.bytes("packed"), measured.bytes("dense")
    assert f"{dense / packed:.1f}x smaller" in view["layout"]["title"]["text"]
    half = measure(network(0.5), torch.rand(1, 784), batches=(1,), threads=(1,))
    assert "COO" in views.size(half)["layout"]["title"]["text"], "what is larger than dense is named"
    assert any("larger" in text for text in views.size(half)["data"][0]["text"])
    assert "Nothing measured" in views.size(None)["layout"]["title"]["text"]
