"""The figures of the paper in miniature, on the digits: their numbers against their networks, and going on."""

import csv
import io
from contextlib import closing

import numpy as np
import plotly.graph_objects as go
import pytest

from prunelab.errors import StorageError
from prunelab.experiments import reproduce_figures as figures
from prunelab.experiments.tradeoff import tradeoff
from prunelab.recipe import Recipe
from prunelab.results.tradeoff import LINES
from prunelab.sessions.session import Session

SMALL = Recipe(model="mlp-small", epochs=2, retrain_epochs=1, rounds=1, quality=1.0)
DENSITIES = (0.5, 0.1)


def drawn(name, directory, recipe=SMALL, seeds=(0,)):
    *parts, figure = figures.stream(name, directory, recipe=recipe, seeds=seeds, densities=DENSITIES)
    assert all(0 <= part <= 1 for part in parts) and list(parts) == sorted(parts)
    for view in figure.views.values():
        go.Figure(view)
    return figure


def rows(figure):
    return list(csv.DictReader(io.StringIO(figure.csv)))


@pytest.fixture(scope="module")
def session():
    whole = Session(SMALL)
    for _ in whole:
        pass
    return whole


def test_figure_4_counts_what_each_pixel_keeps(session, tmp_path):
    found = drawn("figure4", tmp_path)
    kept = session.masks["fc1.weight"].numpy().sum(axis=0).reshape(8, 8)
    assert {(int(r["row"]), int(r["column"])): int(r["kept"]) for r in rows(found)} == {
        (i, j): kept[i, j] for i in range(8) for j in range(8)
    }
    assert set(found.views) == {"bands", "mask"}


def test_figure_7_has_all_weights_before_and_the_survivors_after(session, tmp_path):
    table = rows(drawn("figure7", tmp_path))
    now = session.snapshot()
    for layer in now.layers:
        weight = session.model.get_parameter(layer.name).detach().numpy()
        for when, number in (("dense", layer.total), ("retrained", layer.kept)):
            bins = [r for r in table if (r["when"], r["layer"]) == (when, layer.name)]
            assert sum(int(r["weights"]) for r in bins) == number
        edges = [float(bins[0]["from"]), *(float(r["to"]) for r in bins)]
        survivors = weight[session.masks[layer.name].numpy()]
        counts, _ = np.histogram(survivors, np.array(edges))
        # Weights on the edge of a bin may fall to either side in single precision.
        assert np.abs(counts - [int(r["weights"]) for r in bins]).sum() <= 2


def test_figures_4_and_7_are_of_one_run_that_is_done_once(tmp_path, monkeypatch):
    drawn("figure4", tmp_path)
    monkeypatch.setattr(Session, "ticks", None)  # nothing is trained again
    drawn("figure7", tmp_path)
    with pytest.raises(StorageError, match="holds a run of another recipe"):
        drawn("figure7", tmp_path, SMALL.changed(quality=2.0))


def test_figure_5_has_every_line_of_every_seed_and_goes_on_where_it_was_left(tmp_path):
    with closing(figures.stream("figure5", tmp_path, recipe=SMALL, seeds=(0, 1), densities=DENSITIES)) as steps:
        for part in steps:
            if part > 0.6:
                break
    (saved,) = tmp_path.glob("figure5-seed*.json")
    before = saved.stat().st_mtime_ns
    table = rows(drawn("figure5", tmp_path, seeds=(0, 1)))
    assert saved.stat().st_mtime_ns == before
    assert {(r["line"], r["seed"]) for r in table} == {(line, seed) for line in LINES for seed in ("0", "1")}
    own = tradeoff(SMALL, densities=DENSITIES, seeds=(0, 1))
    assert {(r["line"], r["seed"], r["cuts"], float(r["accuracy"])) for r in table} == {
        (p.line, str(p.recipe.seed), ";".join(map(repr, p.cuts)), p.accuracy) for p in own.points
    }


def test_figure_5_refuses_what_is_not_its_own(tmp_path):
    drawn("figure5", tmp_path)
    with pytest.raises(StorageError, match="of another recipe or of other densities"):
        drawn("figure5", tmp_path, SMALL.changed(epochs=3))
    (path,) = tmp_path.glob("figure5-seed*.json")
    path.write_text(path.read_text()[:100])
    with pytest.raises(StorageError, match="damaged"):
        drawn("figure5", tmp_path)


def test_figure_6_cuts_each_layer_alone(tmp_path):
    table = rows(drawn("figure6", tmp_path))
    assert [r["layer"] for r in table] == ["(none)", *(f"fc{i}.weight" for i in (1, 2, 3) for _ in DENSITIES)]
    assert rows(drawn("figure6", tmp_path)) == table


def test_what_is_no_figure_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(ValueError, match="'figure3': must be one of figure4"):
        figures.stream("figure3", tmp_path)
    with pytest.raises(ValueError, match="at least one seed"):
        figures.stream("figure5", tmp_path, seeds=())
    assert list(tmp_path.iterdir()) == []
