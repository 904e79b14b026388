"""Snapshots: true to the network, often enough, never too dear, and a bounded number of them."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import prunelab as pl
from prunelab.results.history import LONGEST_HISTORY, History
from prunelab.results.snapshot import BINS, STRONGEST
from prunelab.sessions import snapshot_rate
from prunelab.sessions.snapshot_rate import SnapshotRate
from prunelab.training import evaluation
from support.own_models import blobs, small
from support.sessions import finished, quick


def test_snapshots_agree_with_the_network():
    session = finished(pl.Session(quick()))
    snapshot = session.snapshot()
    for layer in snapshot.layers:
        weight = dict(session.model.named_parameters())[layer.name].detach().numpy()
        np.testing.assert_array_equal(layer.mask, session.masks[layer.name].numpy())
        assert layer.kept == layer.mask.sum() == layer.kept_counts.sum()
        assert layer.total - layer.kept == layer.cut_counts.sum()
        edges = np.linspace(-layer.limit, layer.limit, BINS + 1)
        expected = np.histogram(weight[layer.mask], edges)[0]
        assert np.abs(expected - layer.kept_counts).sum() <= 2, "a value on an edge may fall to either side"
        assert np.abs(weight).max() <= layer.limit
        magnitudes = np.sort(np.abs(weight[layer.mask]))[::-1][: len(layer.strengths)]
        np.testing.assert_array_equal(np.abs(layer.strengths), magnitudes)
        np.testing.assert_array_equal(weight.ravel()[layer.strongest], layer.strengths)
        assert len(layer.strongest) == min(STRONGEST, layer.kept) and layer.mask.ravel()[layer.strongest].all()
    with torch.no_grad():
        output = session.model.eval()(session.data.test_x)
    np.testing.assert_array_equal(snapshot.predicted, output.argmax(1).numpy())
    assert snapshot.test_accuracy == float((output.argmax(1) == session.data.test_y).double().mean())
    first, second, third = (layer.mask for layer in snapshot.layers)
    alive = first.any(1) & (second & third.any(0)[:, None]).any(0)  # by hand, for a chain of three
    assert snapshot.layers[0].dead == (~alive).sum() and snapshot.layers[0].effective == first[alive].sum()
    assert snapshot.effective <= snapshot.kept
    assert snapshot.kept == session.masks.kept and snapshot.compression == pytest.approx(1 / session.masks.density)


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands until a test moves it on."""

    clock = SimpleNamespace(now=0.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr(snapshot_rate, "time", clock)
    return clock


def test_snapshots_come_at_least_ten_times_a_second_whatever_the_machine(clock, monkeypatch):
    """Every batch and every part of a test takes 30 ms of the clock, a snapshot 10."""
    monkeypatch.setattr(evaluation, "CHUNK", 40)
    session = pl.Session(quick(epochs=5))
    record = session._record

    def slowly():
        clock.now += 0.01
        return record()

    monkeypatch.setattr(session, "_record", slowly)
    shown = []
    for tick in session.ticks("train"):
        if tick is not None:
            shown.append(clock.now)
        clock.now += 0.03
    assert len(shown) > 40 and max(b - a for a, b in itertools.pairwise(shown)) <= 0.1 + 0.03


def test_snapshots_that_take_long_come_more_seldom(clock):
    pace = SnapshotRate()

    def slow():
        clock.now += 0.5
        return "taken"

    due = []
    for _ in range(1000):
        if pace.due():
            due.append(clock.now)
            assert pace.take(slow) == "taken"
        clock.now += 0.01
    spent, all_of_it = 0.5 * len(due), clock.now
    assert 0.15 < spent / all_of_it <= 0.2 + 0.5 / all_of_it


def test_tests_and_copies_cost_a_tenth_even_of_a_tiny_test_set(monkeypatch):
    """Counted: with 20 test samples a copy of everything at each step would cost more than the steps."""
    x, y = blobs(samples=400)
    session = pl.Session(quick(batch_size=8, epochs=4), model=small(), data=((x, y), (x[:20], y[:20])))
    tests = []
    whole = evaluation.evaluation
    monkeypatch.setattr(evaluation, "evaluation", lambda *a: tests.append(session.step) or whole(*a))
    *_, last = session.train()
    assert last.steps == 200 and len(tests) <= 2 + last.steps / 10
    assert tests[0] == 0 and tests[-1] == 200


def test_history_is_bounded_and_keeps_every_phase():
    session = finished(pl.Session(quick()))
    settled = [s for s in session.history if s.settled]
    inside = next(s for s in session.history if not s.settled)
    history = History()
    for i in range(3 * LONGEST_HISTORY):
        history.append(settled[i % len(settled)] if i % 50 == 0 else inside)
    assert len(history) <= LONGEST_HISTORY + 1
    assert sum(s.settled for s in history) == 3 * LONGEST_HISTORY / 50
    assert history[-1] is inside
