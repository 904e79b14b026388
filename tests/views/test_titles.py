"""What titles claim, against the numbers of the snapshot: over rules, units, kinds of layers, data, models and moments.

Each title has to be of a known form, and what it says in words and numbers is computed anew from the masks and counts.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

import prunelab as pl
from prunelab import models, views
from prunelab.formatting import layer_of, percent
from prunelab.hardware import Machine
from prunelab.results.measurement import Latency, Measurement, Size
from support.label_boxes import apart
from support.own_models import TwoDrops, blobs

SHORT = {"epochs": 1, "retrain_epochs": 1, "rounds": 2}
PERCENT = r"(\d+\.\d+ %)"
COUNT = r"([\d,]+)"


def pictures(classes: int = 10, samples: int = 60, shape=(1, 28, 28)):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(samples, *shape, generator=generator), torch.arange(samples) % classes


def own(recipe: pl.Recipe, model: nn.Module, data) -> pl.Session:
    return pl.Session(recipe, model=model, data=(data, data))


def coloured() -> pl.Session:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 6 * 6, 20), nn.ReLU(), nn.Linear(20, 10))
    return own(pl.Recipe(**SHORT), model, pictures(shape=(3, 6, 6)))


def mnist_shaped(**changes) -> pl.Session:
    torch.manual_seed(0)
    recipe = pl.Recipe(**SHORT, **changes)
    return own(recipe, models.build("lenet-300-100", (1, 28, 28), 10, dropout=0.5), pictures())


def convolutional(**changes) -> pl.Session:
    torch.manual_seed(0)
    return own(pl.Recipe(**SHORT, **changes), models.build("lenet-5", (1, 28, 28), 10), pictures())


MODES = {
    "quality, linear, digits": lambda: pl.Session(pl.Recipe(model="mlp-small", dropout=0.5, **SHORT)),
    "qualities by layer": lambda: pl.Session(pl.Recipe(model="mlp-small", layer_quality={"fc2": 0.4}, **SHORT)),
    "density": lambda: pl.Session(pl.Recipe(model="mlp-small", rule="density", density=0.2, dropout=0.5, **SHORT)),
    "density by layer": lambda: pl.Session(
        pl.Recipe(model="mlp-small", rule="density", density=0.2, scope="layer", **SHORT)
    ),
    "neurons": lambda: pl.Session(pl.Recipe(model="mlp-small", rule="density", density=0.4, unit="neuron", **SHORT)),
    "dropout not adjusted": lambda: pl.Session(
        pl.Recipe(model="mlp-small", dropout=0.5, adjust_dropout=False, **SHORT)
    ),
    "convolution, digits": lambda: pl.Session(pl.Recipe(model="lenet-5", **SHORT)),
    "convolution, filters": lambda: pl.Session(
        pl.Recipe(model="lenet-5", rule="density", density=0.4, unit="neuron", **SHORT)
    ),
    "mnist-shaped": mnist_shaped,
    "convolution, mnist-shaped": convolutional,
    "own, several channels": coloured,
    "own, two dropouts": lambda: own(pl.Recipe(**SHORT), TwoDrops(), blobs()),
}


@cache
def moments(mode: str) -> dict[str, pl.Session]:
    """Snapshots of a run in this mode, by what they are of, and the whole history."""
    session = MODES[mode]()
    found = {"new": session.snapshot()}
    for _ in session.ticks("train"):
        pass
    found["trained"] = session.snapshot()
    found["preview"] = session.preview()
    deep = {"density": 0.02} if session.recipe.rule == "density" else {"quality": 3.5}
    found["deep preview"] = session.preview(**deep)
    found["nothing to cut"] = session.preview(**({"density": 1.0} if "density" in deep else {"quality": 0.0}))
    for _ in session:
        pass
    for snapshot in session.history:
        if snapshot.settled:
            found[f"{snapshot.phase} {snapshot.round}"] = snapshot
    found["preview of the next round"] = session.preview()
    return {"history": list(session.history), **found}


def each_snapshot():
    names = [
        "new", "trained", "preview", "deep preview", "nothing to cut", "pruned 1", "retrained 1", "pruned 2",
        "retrained 2", "preview of the next round",
    ]  # fmt: skip
    return pytest.mark.parametrize("moment", names)


each_mode = pytest.mark.parametrize("mode", MODES)


def title(view) -> str:
    return view["layout"]["title"]["text"]


def number(text: str) -> int:
    return int(text.replace(",", ""))


def is_preview(snapshot) -> bool:
    return snapshot.phase == "preview"


@each_mode
@each_snapshot()
def test_weights(mode, moment):
    snapshot = moments(mode)[moment]
    view = views.weights(snapshot)
    said = title(view)
    kept = sum(int(layer.mask.sum()) for layer in snapshot.layers)
    total = sum(layer.mask.size for layer in snapshot.layers)
    if found := re.fullmatch(rf"Dense: all {COUNT} connections, (before training|none is cut)", said):
        assert number(found[1]) == total == kept
        assert (found[2] == "before training") == (snapshot.phase == "new") and not is_preview(snapshot)
    elif found := re.fullmatch(
        rf"(?:Quality (\d\.\d\d)|(These qualities)|(The next cut)) would leave {PERCENT} of {COUNT} connections", said
    ):
        assert is_preview(snapshot) and (found[4], number(found[5])) == (percent(kept / total), total)
        qualities = {None if layer.quality is None else round(layer.quality, 2) for layer in snapshot.layers}
        if found[1]:
            assert qualities == {float(found[1])}
        else:
            assert len(qualities) > 1 if found[2] else None in qualities
    else:
        found = re.fullmatch(
            rf"{PERCENT} of {COUNT} connections are left(?:(, none of them between the lines)"
            rf"|; {COUNT} have moved between the lines|, {COUNT} of them between the lines)?",
            said,
        )
        assert found, said
        assert (found[1], number(found[2])) == (percent(kept / total), total)
        assert kept < total and not is_preview(snapshot)
        between = _between_the_lines(view)
        told = found[4] or found[5]
        spared = snapshot.phase == "pruned" and any(layer.spared for layer in snapshot.layers)
        assert between == (number(told) if told else between if between < 2 or spared else -1)
        assert not found[5] or snapshot.recipe.regrow
        if found[3]:
            assert view["layout"]["shapes"], "lines are drawn"
            assert between == 0


def _between_the_lines(view) -> int:
    """The survivors in bars that lie between the threshold lines, as they are drawn."""
    lines = {shape["xref"]: abs(shape["x0"]) for shape in view["layout"]["shapes"]}
    count = 0
    for trace in view["data"][1::2]:
        end = lines.get(trace["xaxis"], -1.0)
        ends = np.abs(np.array(trace["x"])) + trace["width"] / 2
        count += int(np.array(trace["y"])[ends <= end + 1e-6].sum())
    return count


@each_mode
@each_snapshot()
def test_connections(mode, moment):
    snapshot = moments(mode)[moment]
    said = title(views.connections(snapshot))
    shares = {layer_of(layer.name): percent(float(layer.mask.mean())) for layer in snapshot.layers}
    order = sorted(snapshot.layers, key=lambda layer: layer.mask.mean())
    if re.fullmatch(r"No layer (has lost|would lose) a connection", said):
        assert all(layer.mask.all() for layer in snapshot.layers)
        assert ("would" in said) == is_preview(snapshot)
        return
    assert ("would keep" in said) == is_preview(snapshot), said
    if found := re.fullmatch(rf"Every layer (?:would keep|keeps) {PERCENT}", said):
        assert set(shares.values()) == {found[1]}
        return
    found = re.fullmatch(rf"(.+?) (?:would keep|keeps?) {PERCENT}, (.+) only {PERCENT}", said)
    assert found, said
    for names, share, extreme in ((found[1], found[2], order[-1]), (found[3], found[4], order[0])):
        assert share == percent(float(extreme.mask.mean()))
        those = [name for name, value in shares.items() if value == share]
        assert names == (" and ".join(those) if len(those) < 3 else f"{len(those)} layers")


@each_mode
@each_snapshot()
def test_masks(mode, moment):
    snapshot = moments(mode)[moment]
    for layer in snapshot.layers:
        said = title(views.mask(snapshot, layer.name))
        mask = layer.mask.reshape(layer.shape[0], -1)
        would = "would be " if is_preview(snapshot) else ""
        start = f"{layer_of(layer.name)}: {percent(1 - float(mask.mean()))} {would}cut"
        empty = int((mask.sum(1) == 0).sum()), int((mask.sum(0) == 0).sum())
        linear = len(layer.shape) == 2
        words = ("neurons without input", "inputs unread") if linear else ("rows empty", "columns empty")
        parts = [f", {n} of {of} {word}" for n, of, word in zip(empty, mask.shape, words, strict=True) if n]
        assert said == start + "".join(parts)


@each_mode
@each_snapshot()
def test_input_maps(mode, moment):
    snapshot = moments(mode)[moment]
    view = views.pixels(snapshot)
    said, first = title(view), snapshot.layers[0]
    if mode == "own, two dropouts":
        assert said == "No map" and not view["data"]
        return
    mask = first.mask
    if mask.ndim == 4:
        readers, what, by = mask.sum((0, 1)), "kernel position", "filter"
    else:
        channels = snapshot.input_shape[0]
        readers = mask.reshape(len(mask), channels, -1).sum((0, 1))
        what, by = "pixel", "neuron" if channels == 1 else "connection"
    np.testing.assert_array_equal(np.array(view["data"][0]["z"]).ravel(), readers.ravel())
    most = mask.size // readers.size
    if (readers == 0).any():
        found = re.fullmatch(rf"{COUNT} of {COUNT} {what}s (is|are|would be) read by nobody", said)
        assert found, said
        assert (number(found[1]), number(found[2])) == ((readers == 0).sum(), readers.size)
        assert (found[3] == "would be") == is_preview(snapshot)
    else:
        verb = "would be" if is_preview(snapshot) else "is"
        least, largest = readers.min(), readers.max()
        span = f"all {most}" if least == most else f"{least}" if least == largest else f"{least} to {largest}"
        assert said == f"Every {what} {verb} read by {span} {'' if least == most else f'of {most} '}{by}s"


@each_mode
@each_snapshot()
def test_dropout(mode, moment):
    snapshot = moments(mode)[moment]
    view = views.dropout([snapshot])
    said = title(view)
    if not snapshot.dropouts:
        assert said == "No dropout"
        return
    assert apart(view)
    changed = [d for d in snapshot.dropouts if d.rate != d.original]
    if not changed:
        cut = snapshot.kept < snapshot.total
        rates = " and ".join(sorted({f"{d.original:.2f}" for d in snapshot.dropouts}))
        assert said == f"Dropout stays at {rates}: " + ("the cut does not change it" if cut else "nothing is cut yet")
        return
    assert re.match(r"Dropout (would fall|fell)", said)[1] == ("would fall" if is_preview(snapshot) else "fell")
    if alike := re.fullmatch(r"Dropout (?:would fall|fell) from (\d\.\d\d) to (\d\.\d\d)(?:–(\d\.\d\d))?", said):
        rates = [f"{d.rate:.2f}" for d in snapshot.dropouts]
        assert {f"{d.original:.2f}" for d in snapshot.dropouts} == {alike[1]}
        assert (min(rates), max(rates)) == (alike[2], alike[3] or alike[2])
        return
    steps = re.findall(r"(\S+) from (\d\.\d\d) to (\d\.\d\d)", said.replace(":", ""))
    assert steps
    for name, before, after in steps:
        assert before != after
        assert {(f"{d.original:.2f}", f"{d.rate:.2f}") for d in snapshot.dropouts if d.name == name} == {
            (before, after)
        }


@each_mode
@each_snapshot()
def test_graph(mode, moment):
    snapshot = moments(mode)[moment]
    view = views.graph(snapshot)
    first, _, second = title(view).partition("; ")
    word = "neurons" if all(len(layer.shape) == 2 for layer in snapshot.layers) else "neurons or filters"
    neurons = sum(layer.shape[0] for layer in snapshot.layers)
    if snapshot.dead is None:
        silent = sum(int((~layer.mask.reshape(layer.shape[0], -1).any(1)).sum()) for layer in snapshot.layers)
        assert re.sub(" (has|have|would have) ", " ", first) == f"{silent} of {neurons} {word} no input"
    elif found := re.fullmatch(rf"{COUNT} of {COUNT} {word} (is|are|would be) dead", first):
        assert number(found[1]) == snapshot.dead
        assert number(found[2]) == neurons
    else:
        assert re.fullmatch(r"No neuron( or filter)? (is|would be) dead", first), first
        assert not snapshot.dead
    assert ("would" in first) == is_preview(snapshot)
    if found := re.fullmatch(rf"all {COUNT} survivors are drawn", second):
        assert number(found[1]) == snapshot.kept
    else:
        found = re.fullmatch(rf"drawn are (?:the|each layer's) strongest, {COUNT} of {COUNT} survivors", second)
        assert found, second
        assert number(found[1]) < number(found[2]) == snapshot.kept


@each_mode
def test_accuracy_of_the_run_of_an_earlier_moment_and_of_a_preview(mode):
    run = moments(mode)
    history = run["history"]
    dense = next(s.test_accuracy for s in history if s.phase == "trained")
    cases = [(None, history[: i + 1]) for i, s in enumerate(history) if s.test_accuracy is not None]
    for moment, past in [*cases, *((s, history) for s in history)]:
        now = moment or past[-1]
        said = title(views.accuracy(past, None, moment))
        if now.test_accuracy is None:
            assert said == "Accuracy was not measured at this moment"
            continue
        right = percent(now.test_accuracy)
        found = re.fullmatch(
            rf"{PERCENT} right(?:, (?:(as good as)|(\d+\.\d) points (above|below)) dense, with {PERCENT} kept)?",
            said,
        )
        assert found, said
        assert found[1] == right
        assert (found[5] is not None) == (now.round > 0)
        if found[5]:
            points = 100 * (now.test_accuracy - dense)
            assert found[5] == percent(now.kept / now.total)
            assert abs(points) < 0.05 if found[2] else found[3] == f"{abs(points):.1f}"
            assert not found[4] or (points > 0) == (found[4] == "above")
    preview = run["preview of the next round"]
    said = title(views.accuracy(history, preview))
    assert said == f"{percent(history[-1].test_accuracy)} right now; {percent(preview.test_accuracy)} if cut now"
    rough = replace(preview, exact=False)
    assert title(views.accuracy(history, rough)).endswith(f"; about {percent(preview.test_accuracy)} if cut now")


def measured(packed: int, times: dict[str, tuple[float, float]] | None = None) -> Measurement:
    sizes = tuple(
        Size(name, size, "") for name, size in (("dense", 1000), ("CSR", 1400), ("packed", packed), ("bound", 90))
    )
    machine = Machine("processor", 2, "system", "2.13")
    latencies = tuple(
        Latency(name, 64, 2, median, median * 0.99, median * 1.01, least)
        for name, (median, least) in (times or {}).items()
    )
    return Measurement(machine, 10, 100, sizes, latencies, progress=1.0)


@pytest.mark.parametrize(
    ("packed", "says"),
    [
        (100, "The packed file is 10.0x smaller: 0.1 KB instead of 1.0 KB; CSR would be larger than dense"),
        (80, "The packed file is 12.5x smaller: 0.1 KB instead of 1.0 KB, below the entropy of a mask without"),
        (970, "Nothing to gain: packed, the file is as large as dense (1.0 KB)"),
        (1030, "Nothing to gain: packed, the file is as large as dense (1.0 KB)"),
        (1200, "The packed file is 1.2x larger: 1.2 KB instead of 1.0 KB"),
    ],
)
def test_size(packed, says):
    assert title(views.size(measured(packed))).startswith(says)


@pytest.mark.parametrize(
    ("times", "says"),
    [
        ({"sparse": (2.0, 1.9)}, "Not faster anywhere: no network beats dense at any batch size"),
        ({"sparse": (0.4, 0.39)}, "Sparse, the network is 2.5x faster at batch 64"),
        ({"sparse": (0.4, 0.39), "compacted": (0.25, 0.24)}, "Compacted, the network is 4.0x faster at batch 64"),
        ({"sparse": (0.4, 0.95)}, "No verdict: the timing was unsteady at batch 64, measure again"),
    ],
)
def test_speed_is_the_ratio_of_the_times_beside_it(times, says):
    view = views.speed(measured(100, {"dense": (1.0, 0.97), **times}))
    assert title(view) == says
    for trace in view["data"]:
        for share, text in zip(trace["x"], trace["text"], strict=True):
            if found := re.search(r"(\d+\.\d)x (faster|slower)", text):
                ratio = 1 / share if found[2] == "faster" else share
                assert float(found[1]) == pytest.approx(ratio, abs=0.051)


def test_a_title_of_some_layers_is_about_these_alone():
    snapshot = moments("quality, linear, digits")["pruned 1"]
    layer = snapshot.layer("fc2.weight")
    said = title(views.weights(snapshot, ["fc2.weight"]))
    assert said.startswith(f"{percent(layer.density)} of {layer.total:,} connections of fc2 are left")
