"""The trade-off curve of a page is saved with it, and written anew only when it has grown."""

from __future__ import annotations

import json

import pytest

from prunelab.errors import StorageError
from prunelab.lab.links import Options
from prunelab.lab.worker.page_settings import PageSettings
from prunelab.lab.worker.run_state import RunState
from prunelab.lab.worker.visit import CURVE, enter
from prunelab.recipe import Recipe
from prunelab.results.tradeoff import Point, Tradeoff


def curve(points=1):
    made = tuple(
        Point(
            line="L2 retrained", recipe=Recipe(rule="density", density=0.5, seed=seed), cuts=(0.5,), kept=50,
            total=100, effective=None, gaussian=0.5, accuracy=0.9, dense=0.95,
        )
        for seed in range(points)
    )  # fmt: skip
    return Tradeoff(lines=("L2 retrained",), densities=(0.5,), seeds=(0,), samples=360, points=made, done=0.5)


def left(folder, run):
    """A saved page that was left."""
    visit = enter(None, folder)
    visit.keep_page(PageSettings(Recipe(), Options()))
    visit.keep_run(run)
    visit.close()
    return visit


def test_a_curve_comes_back(tmp_path):
    visit = enter(left(tmp_path, RunState(tradeoff=curve(2))).id, tmp_path)
    assert visit.tradeoff() == curve(2)
    visit.close()


def test_a_page_without_one_comes_back_without(tmp_path):
    visit = enter(left(tmp_path, RunState()).id, tmp_path)
    assert visit.tradeoff() is None
    visit.close()


def test_it_is_written_when_it_has_grown_and_only_then(tmp_path):
    visit = enter(None, tmp_path)
    first = curve()
    visit.keep_run(RunState(tradeoff=first))
    written = (visit.folder / CURVE).stat().st_mtime_ns
    visit.keep_run(RunState(tradeoff=first))
    assert (visit.folder / CURVE).stat().st_mtime_ns == written
    visit.keep_run(RunState(tradeoff=curve(3)))
    assert len(json.loads((visit.folder / CURVE).read_bytes())["points"]) == 3
    visit.close()


def test_a_damaged_curve_is_named(tmp_path):
    gone = left(tmp_path, RunState(tradeoff=curve()))
    (gone.folder / CURVE).write_text('{"points": []}')
    visit = enter(gone.id, tmp_path)
    with pytest.raises(StorageError, match="damaged"):
        visit.tradeoff()
    visit.close()
