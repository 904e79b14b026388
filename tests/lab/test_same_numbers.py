"""One word, one number: cards, pictures, report, command line and CSV say the same of the same network."""

from __future__ import annotations

import csv
import io
import re
from types import SimpleNamespace

import pytest

import prunelab as pl
from prunelab import views
from prunelab.cli import measure as cli_measure
from prunelab.cli import result_tables
from prunelab.exports import narrative, tables, view_list
from prunelab.hardware import Machine
from prunelab.lab.messages import LabState
from prunelab.lab.wording import cards
from prunelab.results.measurement import Latency, Measurement, Size
from support.sessions import quick

TIMES = {"dense": 1.0, "sparse": 1.7, "converted": 0.44, "compacted": 0.37}


@pytest.fixture(scope="module")
def states() -> dict[str, pl.Session]:
    """Sessions in several states: dense, cut once, retrained, and cut so deeply that neurons are dead."""
    found = {}
    for name, qualities in {
        "dense": (),
        "cut": (1.0,),
        "retrained": (1.0,),
        "deep": (2.2,),
        "by hand": (0.5, 1.8),
    }.items():
        session = pl.Session(quick())
        for _ in session.ticks("train"):
            pass
        for quality in qualities:
            session.prune(quality)
        if name == "retrained":
            for _ in session.ticks("retrain"):
                pass
        found[name] = session
    return found


def measurement(now, packed: int) -> Measurement:
    sizes = (Size("dense", 26_000, ""), Size("CSR", 31_000, ""), Size("packed", packed, ""), Size("bound", 5_900, ""))
    latencies = tuple(
        Latency(name, 64, 2, *(1e-3 * factor * (1 + spread) for spread in (0.0, -0.01, 0.01, -0.02)))
        for name, factor in TIMES.items()
    )
    return Measurement(Machine("processor", 2, "system", "2.13"), now.kept, now.total, sizes, latencies, progress=1.0)


def card(state: LabState, name: str) -> dict[str, str]:
    return next(card for card in cards(state) if card["name"] == name)


def cells(table) -> list[list[str]]:
    """The texts of a table of rich, by column."""
    return [list(map(str, column.cells)) for column in table.columns]


NAMES = ("dense", "cut", "retrained", "deep", "by hand")


@pytest.mark.parametrize("name", NAMES)
def test_compression_and_density(states, name):
    session = states[name]
    now = session.snapshot()
    kept, total = session.masks.kept, session.masks.total
    wanted, share = f"{total / kept:.1f}x", f"{100 * kept / total:.1f} %"
    state = LabState("ready", session.recipe, snapshot=now, history=tuple(session.history))
    assert card(state, "compression")["value"] == wanted
    assert card(state, "connections")["value"] == share
    assert card(state, "connections")["more"] == f"{kept:,} of {total:,}"
    rows = {row[0]: row[1:] for row in narrative.headline(now, None)}
    assert rows["compression"][0] == wanted and rows["density"][0] == share
    assert view_list.figures_of(now).endswith(f"{share} of the connections ({wanted} fewer)")
    if kept < total:
        assert f" {wanted} fewer connections" in narrative.title(session.recipe, now)
        assert f" {wanted} fewer connections" in str(result_tables.tables(result_tables.as_dict(session))[0].title)
        hovers = [t for trace in views.compare({"run": [now]})["data"] for t in trace.get("hovertext", ())]
        assert any(f"{share} kept ({wanted})" in text for text in hovers)
    rows = list(csv.DictReader(io.StringIO(tables.snapshots_csv([now]))))
    last = rows[:-1]  # without the whole network
    assert sum(int(row["kept"]) for row in last) == kept and sum(int(row["total"]) for row in last) == total
    result = result_tables.as_dict(session)
    assert (result["compression"], result["density"]) == (total / kept, kept / total)


@pytest.mark.parametrize("name", NAMES)
def test_dead_neurons(states, name):
    session = states[name]
    now = session.snapshot()
    state = LabState("ready", session.recipe, snapshot=now)
    said = re.fullmatch(r"([\d,]+) dead neurons?", card(state, "effective")["more"])
    drawn = next(trace for trace in views.graph(now)["data"] if trace["name"] == "dead")
    neurons = [text for text in drawn["hovertext"] if not text.startswith("input ")]
    title = views.graph(now)["layout"]["title"]["text"]
    assert said and int(said[1]) == now.dead == len(neurons)
    assert title.startswith(f"{now.dead} of ") if now.dead else title.startswith("No neuron is dead")
    assert (now.dead > 0) == (name != "dense")
    *layers, whole = csv.DictReader(io.StringIO(tables.snapshots_csv([now])))
    assert sum(int(row["dead"]) for row in layers) == int(whole["dead"]) == now.dead


@pytest.mark.parametrize("packed", [2_400, 25_900, 30_000])
def test_sizes(states, packed):
    session = states["cut"]
    now = session.snapshot()
    found = measurement(now, packed)
    state = LabState("ready", session.recipe, snapshot=now, measurement=found)
    how = {2_400: "10.8x smaller", 25_900: "as large", 30_000: "1.2x larger"}[packed]
    joined = "as large as dense" if how == "as large" else f"{how} than dense"
    assert card(state, "file")["more"] == joined
    assert dict((row[0], row[2]) for row in narrative.headline(now, found))["file"].startswith(joined)
    view = views.size(found)
    assert how in view["layout"]["title"]["text"]
    label = dict(zip(view["data"][0]["y"], view["data"][0]["text"], strict=True))["packed"]
    assert label == f"{packed / 1000:.1f} KB" + ("" if how == "as large" else f" · {how}")
    names, _, against, _ = cells(cli_measure._sizes(found))
    assert dict(zip(names, against, strict=True))["packed"] == how


def test_speed_and_the_times_beside_it(states):
    session = states["cut"]
    now = session.snapshot()
    found = measurement(now, 2_400)
    state = LabState("ready", session.recipe, snapshot=now, measurement=found)
    assert card(state, "speed") == {"name": "speed", "value": "2.7x", "more": "compacted, batch 64"}
    assert views.speed(found)["layout"]["title"]["text"] == "Compacted, the network is 2.7x faster at batch 64"
    bars = {trace["name"]: trace["text"][0] for trace in views.speed(found)["data"]}
    assert bars == {
        "dense": "1.0 ms", "sparse": "1.7 ms · 1.7x slower", "converted": "440 µs · 2.3x faster",
        "compacted": "370 µs · 2.7x faster",
    }  # fmt: skip
    names = [str(column.header) for column in cli_measure._latencies(found).columns]
    row = dict(zip(names, (column[0] for column in cells(cli_measure._latencies(found))), strict=True))
    assert {name: row[name] for name in bars} == bars


def test_a_term_on_a_card_is_in_the_glossary():
    from prunelab.lab.page.status import Status

    status = Status(SimpleNamespace(), lambda: None)
    shown = [card["name"] for card in cards(LabState("ready", pl.Recipe()))]
    assert list(status.terms) == shown
    for term, about in status.terms.values():
        assert about == views.glossary.about(term)
    status.close()
