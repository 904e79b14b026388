"""A lab that has trained, and a clock for those that watch whether somebody looks."""

from types import SimpleNamespace

import pytest

import prunelab as pl
from prunelab.lab import app
from prunelab.lab.page import status
from support.labs import QUICK


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
