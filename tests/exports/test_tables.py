"""Every number of every snapshot comes back from the CSV as it was."""

import csv
import io
import math

import prunelab as pl
from prunelab.exports import recipe_json, snapshots_csv
from prunelab.exports.tables import COLUMNS


def test_a_row_for_every_snapshot_and_layer_with_exact_numbers(history):
    rows = list(csv.DictReader(io.StringIO(snapshots_csv(history))))
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


def test_dropout_stands_beside_the_layer_it_belongs_to(history):
    rows = [row for row in csv.DictReader(io.StringIO(snapshots_csv(history[-1:])))]
    rates = {d.layer: d.rate for d in history[-1].dropouts}
    assert {row["layer"]: float(row["dropout"]) for row in rows if row["dropout"]} == rates
    assert [row["layer"] for row in rows if not row["dropout"]] == ["fc3.weight"]


def test_names_with_commas_quotes_and_lines_survive(history, rename):
    name = 'a,"b"\nc'
    rows = list(csv.DictReader(io.StringIO(snapshots_csv(rename(history, name)[-1:]))))
    assert [row["layer"] for row in rows] == [f"{name}.weight", "fc2.weight", "fc3.weight"]


def test_no_snapshots_no_rows():
    assert snapshots_csv([]) == ",".join(COLUMNS) + "\n"


def test_the_recipe_is_read_back():
    recipe = pl.Recipe(quality=0.1 + 0.2, layer_quality={"fc1</script>": 2.0}, rounds=7)
    text = recipe_json(recipe)
    assert pl.Recipe.from_json(text) == recipe
    assert '\n  "rounds": 7' in text
