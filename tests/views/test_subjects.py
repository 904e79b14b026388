"""What a view is given: the mistakes people make are refused in words, and nothing is run."""

from __future__ import annotations

import inspect

import pytest

import prunelab as pl
from prunelab import views

OF_SNAPSHOT = [views.weights, views.connections, views.mask, views.pixels, views.bands, views.graph]
OF_HISTORY = [views.accuracy, views.distribution, views.dropout]
OF_RESULT = {
    views.size: ("Measurement", "prunelab.sparse.measure"),
    views.speed: ("Measurement", "prunelab.sparse.measure"),
    views.sensitivity: ("Sensitivity", "prunelab.sensitivity"),
    views.tradeoff: ("Tradeoff", "prunelab.experiments.tradeoff"),
}


@pytest.fixture(scope="module")
def session():
    session = pl.Session(pl.Recipe(model="mlp-small", epochs=1, dropout=0.5))
    session.finish("train")
    return session


@pytest.mark.parametrize("view", OF_SNAPSHOT)
def test_a_view_of_a_snapshot_says_what_it_takes(view, session):
    words = rf"views.{view.__name__} shows a Snapshot, and this is a Session: session.snapshot\(\) gives its current"
    with pytest.raises(TypeError, match=words):
        view(session)
    for other, kind in ((session.history, "a History"), (None, "a NoneType"), (1, "an int"), (session.model, "a MLP")):
        with pytest.raises(TypeError, match=f"this is {kind}: as session.snapshot"):
            view(other)
    assert view(session.preview(1.0))["layout"]["title"]["text"]


def test_two_snapshots_side_by_side_say_what_they_are(session):
    now = session.snapshot()
    for pair in ((session, now), (now, session)):
        with pytest.raises(TypeError, match="views.side_by_side shows a Snapshot, and this is a Session"):
            views.side_by_side("left", pair[0], "right", pair[1])


@pytest.mark.parametrize("view", OF_HISTORY)
def test_a_view_of_a_history_says_what_it_takes_and_runs_nothing(view, session):
    clock = session.clock
    with pytest.raises(TypeError, match=f"views.{view.__name__} shows a history .* this is a Session: give session"):
        view(session)
    with pytest.raises(TypeError, match="this is a single one: put it into a list"):
        view(session.snapshot())
    with pytest.raises(TypeError, match="one of these is a str"):
        view([session.snapshot(), "later"])
    with pytest.raises(TypeError, match="history of snapshots, and this is an int"):
        view(3)
    assert session.clock == clock
    assert view(iter(session.history)) == view(list(session.history)) == view(session.history)


@pytest.mark.parametrize("view", list(OF_RESULT))
def test_a_view_of_a_result_says_what_it_takes(view, session):
    kind, source = OF_RESULT[view]
    wrong = {"a Session": session, "a Snapshot": session.snapshot(), "a History": session.history, "an int": 3}
    for found, value in wrong.items():
        with pytest.raises(TypeError, match=f"views.{view.__name__} shows a {kind}, and this is {found}: {source}"):
            view(value)
    assert "yet" in view(None)["layout"]["title"]["text"]


def test_a_comparison_says_what_it_takes_and_runs_nothing(session):
    clock = session.clock
    for value, words in (
        (session, 'this is a Session: give a dict, {"my run": session.history}'),
        (session.snapshot(), r'this is a Snapshot: give a dict, {"my run": \[snapshot\]}'),
        (session.history, 'this is a History: give a dict, as in {"one": session.history'),
        (None, "this is a NoneType: give a dict, as in"),
    ):
        with pytest.raises(TypeError, match=f"views.compare shows runs by name, and {words}"):
            views.compare(value)
    with pytest.raises(TypeError, match="views.compare shows a history .* this is a Session: give session"):
        views.compare({"mine": session})
    assert session.clock == clock and views.compare({"mine": session.history})["data"]


@pytest.mark.parametrize("view", [*OF_SNAPSHOT, *OF_HISTORY])
def test_names_signatures_and_docs_stay(view):
    assert view.__doc__ and next(iter(inspect.signature(view).parameters)) in ("snapshot", "history")
