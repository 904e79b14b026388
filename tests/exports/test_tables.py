"""Every number of every snapshot comes back from the CSV as it was."""

import csv
import io
import math
from dataclasses import replace

import prunelab as pl
from prunelab.exports import modules_csv, recipe_json, snapshots_csv
from prunelab.exports.tables import COLUMNS, WHOLE
from prunelab.results.subject import Module


def test_a_row_for_every_snapshot_and_layer_with_exact_numbers(history):
    rows = [row for row in csv.DictReader(io.StringIO(snapshots_csv(history))) if row["layer"] != WHOLE]
    pairs = [(i, s, layer) for i, s in enumerate(history) for layer in s.layers]
    assert len(rows) == len(pairs)
    for row, (i, s, layer) in zip(rows, pairs, strict=True):
        assert tuple(row) == COLUMNS and None not in row.values()
        assert (int(row["snapshot"]), row["phase"], row["layer"]) == (i, s.phase, layer.name)
        for name in ("round", "rounds", "step", "steps", "clock"):
            assert int(row[name]) == getattr(s, name)
        for name in ("train_loss", "train_accuracy", "test_loss", "test_accuracy", "dense_accuracy"):
            assert (float(row[name]) if row[name] else None) == getattr(s, name)
        assert (float(row["target_quality"]) if row["target_quality"] else None) == s.quality
        assert (float(row["quality"]) if row["quality"] else None) == layer.quality
        assert row["target_density"] == "", "all cuts of this run are by quality"
        assert row["zeros_hold"] == ("true" if s.zeros_hold else "false")
        assert (int(row["kept"]), int(row["total"])) == (layer.kept, layer.total)
        assert float(row["density"]) == layer.density
        assert (float(row["threshold"]) if row["threshold"] else None) == layer.threshold
        assert math.prod(map(int, row["shape"].split("x"))) == layer.total


def test_the_last_row_of_every_snapshot_is_the_whole_network(history):
    rows = list(csv.DictReader(io.StringIO(snapshots_csv(history))))
    size = len(history[0].layers) + 1
    assert len(rows) == size * len(history)
    for number, snapshot in enumerate(history):
        *layers, whole = rows[number * size : (number + 1) * size]
        assert whole["layer"] == WHOLE and WHOLE not in [row["layer"] for row in layers]
        for name in ("snapshot", "phase", "round", "clock", "test_accuracy", "recipe", "target_quality"):
            assert {row[name] for row in layers} == {whole[name]}
        for name in ("kept", "total", "effective", "dead"):
            assert int(whole[name]) == sum(int(row[name]) for row in layers)
        assert float(whole["density"]) == int(whole["kept"]) / int(whole["total"]) == snapshot.density
        assert [whole[name] for name in ("shape", "quality", "threshold", "deviation", "dropout")] == [""] * 5
        assert whole["spared"] == "false"


def test_what_the_whole_network_does_not_know_is_empty(history):
    layers = (replace(history[-1].layers[0], effective=None, spared=True), *history[-1].layers[1:])
    *_, whole = csv.DictReader(io.StringIO(snapshots_csv([replace(history[-1], layers=layers)])))
    assert (whole["effective"], whole["spared"]) == ("", "true") and whole["dead"] != ""


def test_modules_are_listed_with_reasons():
    modules = [Module("", "Net", 0, 7, False, 'only\n"this"'), Module("a,b", "Linear", 12, 0, True, "")]
    header, *rows = csv.reader(io.StringIO(modules_csv(modules)))
    assert header == ["name", "kind", "counted", "others", "pruned", "why"]
    assert rows == [["", "Net", "0", "7", "false", 'only\n"this"'], ["a,b", "Linear", "12", "0", "true", ""]]


def test_dropout_stands_beside_the_layer_it_belongs_to(history):
    rows = [row for row in csv.DictReader(io.StringIO(snapshots_csv(history[-1:])))]
    rates = {d.layer: d.rate for d in history[-1].dropouts}
    assert {row["layer"]: float(row["dropout"]) for row in rows if row["dropout"]} == rates
    assert [row["layer"] for row in rows if not row["dropout"]] == ["fc3.weight", WHOLE]


def test_names_with_commas_quotes_and_lines_survive(history, rename):
    name = 'a,"b"\nc'
    rows = list(csv.DictReader(io.StringIO(snapshots_csv(rename(history, name)[-1:]))))
    assert [row["layer"] for row in rows] == [f"{name}.weight", "fc2.weight", "fc3.weight", WHOLE]


def test_no_snapshots_no_rows():
    assert snapshots_csv([]) == ",".join(COLUMNS) + "\n"


def test_the_recipe_is_read_back():
    recipe = pl.Recipe(quality=0.1 + 0.2, layer_quality={"fc1</script>": 2.0}, rounds=7)
    text = recipe_json(recipe)
    assert pl.Recipe.from_json(text) == recipe
    assert '\n  "rounds": 7' in text
