"""A cut that a session's masks make by themselves: test result and dropouts are those of the network as it is."""

import math

import pytest
import torch
from torch import nn

import prunelab as pl
from prunelab.errors import Diverged
from prunelab.training import evaluation
from support.sessions import quick


def session_of(phase: str, **changes) -> pl.Session:
    session = pl.Session(quick(dropout=0.4, **changes))
    session.finish("train")
    if phase != "trained":
        session.prune(density=0.5)
    if phase == "retrained":
        session.finish("retrain")
    return session


def measured(session: pl.Session) -> tuple[float, float]:
    """The oracle: a test of the model itself."""
    x, y = session.data.test_x, session.data.test_y
    session.model.eval()
    with torch.no_grad():
        scores = session.model(x)
    return float(nn.functional.cross_entropy(scores, y)), float((scores.argmax(1) == y).float().mean())


def rates_by_rule(session: pl.Session) -> list[float]:
    """Han's rule, by hand, for dropouts that each belong to one layer."""
    return [
        each.original * math.sqrt(session.masks.kept_in(each.layer) / session.masks.total_in(each.layer))
        for each in session.snapshot().dropouts
    ]


def rates(session: pl.Session) -> list[float]:
    return [module.p for module in session.model.modules() if isinstance(module, nn.Dropout)]


@pytest.mark.parametrize("phase", ["trained", "pruned", "retrained"])
def test_a_snapshot_is_of_the_network_as_it_was_cut(phase):
    session = session_of(phase)
    before = session.snapshot()
    session.masks.prune(density=0.02)
    assert "accuracy unknown" in repr(session), "not that of the network before"
    now = session.snapshot()
    assert (now.test_loss, now.test_accuracy) == pytest.approx(measured(session), abs=1e-6)
    assert now.test_accuracy < before.test_accuracy and now.dense_accuracy == before.dense_accuracy
    assert [each.rate for each in now.dropouts] == rates(session) == pytest.approx(rates_by_rule(session))
    assert now.dropouts[0].rate < before.dropouts[0].rate
    assert now.predicted.tolist() == session.model(session.data.test_x).argmax(1).tolist()


def test_dropouts_stay_as_they_are_where_the_recipe_says_so():
    session = session_of("pruned", adjust_dropout=False)
    before = rates(session)
    session.masks.prune(density=0.02)
    assert session.snapshot().test_accuracy == pytest.approx(measured(session)[1])
    assert rates(session) == before == [each.original for each in session.snapshot().dropouts]


def test_it_is_tested_once(monkeypatch):
    session, tests = session_of("retrained"), []
    evaluate = evaluation.evaluate
    monkeypatch.setattr(evaluation, "evaluate", lambda *given: tests.append(1) or evaluate(*given))
    session.snapshot()
    session.prune(density=0.3)
    session.restore(session.state())
    session.snapshot()
    assert not tests, "cuts of the session are tested by it"
    session.masks.prune(density=0.02)
    session.snapshot()
    session.snapshot()
    assert len(tests) == 1


@pytest.mark.parametrize("looked", [False, True])
@pytest.mark.parametrize("saved", [False, True])
def test_retraining_goes_on_with_the_same_bits_whether_looked_at_or_saved(looked, saved, tmp_path):
    def run(looked: bool, saved: bool) -> pl.Session:
        session = session_of("pruned")
        for _ in session.ticks("retrain"):
            if session.step == 3:
                session.masks.prune(density=0.05)
                if looked:
                    session.snapshot()
                if saved:
                    session.save(tmp_path)
                    session = pl.Session.load(tmp_path)
                break
        session.finish("retrain")
        return session

    plain, other = run(False, False), run(looked, saved)
    states = plain.model.state_dict(), other.model.state_dict()
    assert all(torch.equal(a, b) for a, b in zip(*(state.values() for state in states), strict=True))
    assert rates(plain) == rates(other) == pytest.approx(rates_by_rule(plain))
    assert plain.snapshot().test_loss == other.snapshot().test_loss


def test_a_cut_within_a_stream_takes_its_dropouts_along():
    session = session_of("pruned")
    seen = []
    for _ in session.ticks("retrain"):
        seen.append(rates(session))
        if session.step == 3:  # also between the parts of the test that each cut asks for
            session.masks.prune(density=0.05)
    assert seen[2] != seen[3] == pytest.approx(rates_by_rule(session))


def test_a_training_that_diverges_after_it_goes_back_to_a_network_that_is_cut():
    session = session_of("pruned")
    with pytest.raises(Diverged):
        for _ in session.ticks("retrain"):
            if session.step == 2:
                session.masks.prune(density=0.05)
            if session.step == 4:
                with torch.no_grad():
                    next(session.model.parameters()).fill_(math.nan)
    assert session.masks.zeros_hold() and session.masks.density == pytest.approx(0.05, abs=1e-3)
    assert session.snapshot().test_accuracy == pytest.approx(measured(session)[1])


def test_a_cut_between_two_parts_of_a_test_is_tested_whole():
    session, step, loss = session_of("pruned"), -1, None
    for _ in session.ticks("retrain"):
        if loss is not None and session.step > step:
            break  # the first training step after that test
        if loss is None and session.step == step:  # a part of a test, no training step
            session.masks.prune(density=0.02)
            loss = measured(session)[0]
        step = session.step
    assert session.phase == "retraining" and session.snapshot().test_loss == pytest.approx(loss, abs=1e-6)
