"""A lab that has trained, labs of visitors, and a clock for those that watch whether somebody looks."""

from types import SimpleNamespace

import pytest

import prunelab as pl
from prunelab.lab import app
from prunelab.lab.page import status
from prunelab.lab.worker import visit
from support.labs import LINK, QUICK


@pytest.fixture
def lab():
    lab = pl.Lab(QUICK, measure=False)
    assert lab.wait(60)
    yield lab
    lab.stop()


@pytest.fixture
def presence_clock(monkeypatch):
    """The clock by which pages are missed; it stands until a test moves it on: ``presence_clock.now = 61.0``."""
    clock = SimpleNamespace(now=0.0)
    clock.monotonic = lambda: clock.now
    for module in (app, status):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def visitor_of(tmp_path, monkeypatch):
    """``visitor_of(query)``: the lab that a visitor with this address gets, in a kernel that was started for him."""
    monkeypatch.setenv("PRUNELAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("VOILA_PREHEAT", "False")
    monkeypatch.setattr(visit.enter, "__kwdefaults__", {"patience": 0.2})
    labs = []

    def come(query: str = LINK, **options) -> pl.Lab:
        monkeypatch.setenv("QUERY_STRING", query)
        labs.append(pl.Lab.for_page(measure=False, **options))
        return labs[-1]

    yield come
    for lab in labs:
        lab.stop()
