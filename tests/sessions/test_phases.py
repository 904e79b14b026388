"""Which phase may follow which, and how long each one is."""

import itertools

import pytest

import prunelab as pl
from prunelab.errors import SessionError
from support.sessions import finished, quick, same


@pytest.mark.parametrize(("step", "words"), [("prune", "untrained"), ("retrain", "prune first"), ("train", "over")])
def test_steps_out_of_order_say_what_to_do(step, words):
    session = pl.Session(quick())
    if step == "train":
        for _ in session.train():
            pass
    with pytest.raises(SessionError, match=words):
        next(iter(getattr(session, step)())) if step != "prune" else session.prune()


def test_one_call_runs_a_phase_or_all_of_it_to_the_end():
    session, other = pl.Session(quick()), finished(pl.Session(quick()))
    assert session.finish("train").phase == "trained"
    session.prune()
    assert session.finish("retrain").moment == "round 1, retrained"
    last = session.finish()
    assert session.finished and (last.phase, last.round, last.clock) == ("retrained", 2, session.clock)
    same(session, other)
    assert session.finish().test_accuracy == last.test_accuracy  # nothing is left to do


def test_one_call_goes_on_where_a_stream_was_left():
    session = pl.Session(quick())
    for _ in itertools.islice(session.ticks("run"), 7):
        pass
    session.finish()
    same(session, finished(pl.Session(quick())))


def test_one_call_is_for_steps_that_can_follow():
    session = pl.Session(quick())
    with pytest.raises(ValueError, match="'dense': must be train, retrain or run"):
        session.finish("dense")
    with pytest.raises(SessionError, match="prune first"):
        session.finish("retrain")


def test_a_change_of_lengths_is_for_the_next_phase():
    session = pl.Session(quick(retrain_epochs=8))
    for _ in session.train():
        pass
    session.prune()
    ticks = session.ticks("retrain")
    for _ in itertools.islice(ticks, 60):
        pass
    session.change(quick(retrain_epochs=1))
    one = session.snapshot().steps // 8
    assert session.steps_left("retrain") == 8 * one - session.step > 0
    assert session.steps_left("run") == 8 * one - session.step + one
    for snapshot in session.retrain():
        assert snapshot.step <= snapshot.steps == 8 * one and session.steps_left("retrain") >= 0
    assert (snapshot.phase, snapshot.step) == ("retrained", 8 * one)
    *_, snapshot = finished(session).history
    assert (snapshot.round, snapshot.steps) == (2, one)


def test_a_change_of_lengths_does_not_touch_a_saved_phase_either(tmp_path):
    session = pl.Session(quick(retrain_epochs=4, rounds=1))
    for _ in session.train():
        pass
    session.prune()
    for _ in itertools.islice(session.ticks("retrain"), 10):
        pass
    session.change(quick(retrain_epochs=1, rounds=1))
    session.save(tmp_path)
    same(finished(session), finished(pl.Session.load(tmp_path)))
