"""Distillation: retraining learns from the dense network's outputs, too."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import prunelab as pl
from prunelab.errors import SessionError
from prunelab.training import distillation, steps
from prunelab.training.objective import CLASSIFICATION
from support.own_models import blobs, small
from support.sessions import finished, quick, same


def distilling(share=0.7, **changes) -> pl.Recipe:
    return quick(**{"distill": share, **changes})


def softened(scores):
    e = np.exp((scores - scores.max(1, keepdims=True)) / 4)
    return e / e.sum(1, keepdims=True)


@given(st.integers(0, 2**31), st.integers(1, 9), st.integers(2, 7), st.floats(0, 1))
def test_the_loss_is_that_of_the_paper(seed, samples, classes, share):
    rng = np.random.default_rng(seed)
    output, teacher = rng.normal(0, 3, (2, samples, classes))
    target = rng.integers(0, classes, samples)
    own, wanted = softened(output), softened(teacher)
    divergence = 16 * (wanted * np.log(wanted / own)).sum(1).mean()
    whole = output - output.max(1, keepdims=True)
    hard = -(whole - np.log(np.exp(whole).sum(1, keepdims=True)))[np.arange(samples), target].mean()
    functions = distillation.distilling(CLASSIFICATION, torch.tensor(teacher), share)
    found = functions.loss(torch.tensor(output), torch.tensor(target))
    assert float(found) == pytest.approx((1 - share) * hard + share * divergence, rel=1e-9, abs=1e-12)
    assert functions.score is CLASSIFICATION.score and functions.objective == CLASSIFICATION.objective


def test_a_network_that_says_what_its_teacher_says_has_nothing_to_learn_of_it():
    scores = torch.randn(5, 3, requires_grad=True)
    loss = distillation.divergence(scores, scores.detach())
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0, abs=1e-6) and scores.grad.abs().max() < 1e-6


def test_the_teacher_is_the_dense_network_with_dropout_off():
    session = pl.Session(distilling(dropout=0.5))
    list(session.train())
    x = session.data.test_x[:20]
    session.model.eval()
    with torch.no_grad():
        dense = session.model(x)
    finished(session)
    session.model.train()
    assert torch.equal(session._pruned.dense_scores(x), dense)
    assert session.masks.density < 1


@pytest.fixture
def losses(monkeypatch):
    """Whether the loss of each training step was the plain one."""
    seen = []
    step = steps.training_step

    def watching(*given, functions, **others):
        seen.append(functions.loss is CLASSIFICATION.loss)
        return step(*given, functions=functions, **others)

    monkeypatch.setattr(steps, "training_step", watching)
    return seen


def test_only_retraining_distills(losses):
    session = finished(pl.Session(distilling()))
    dense = next(s.clock for s in session.history if s.phase == "trained")
    assert losses == [True] * dense + [False] * (session.clock - dense)


def test_nothing_is_kept_and_nothing_changes_without_it():
    session = finished(pl.Session(distilling(0.0)))
    assert session.state()["model"]["dense"] == {}
    same(session, finished(pl.Session(quick())))


def test_its_outputs_come_nearer_to_those_of_the_dense_network():
    def distance(share):
        session = finished(pl.Session(distilling(share, epochs=15, retrain_epochs=8, quality=1.2)))
        teacher = pl.Session(quick(epochs=15))
        list(teacher.train())
        x = session.data.test_x
        with torch.no_grad():
            return float(distillation.divergence(session.model.eval()(x), teacher.model.eval()(x)))

    assert distance(0.9) < 0.8 * distance(0.0)


@pytest.mark.parametrize("changes", [{}, {"optimizer": "adam", "batch_norm": True}, {"gradual": True}])
def test_stopped_anywhere_saved_and_loaded_it_goes_on_bit_for_bit(tmp_path, changes):
    recipe = distilling(dropout=0.3, **changes)
    whole = finished(pl.Session(recipe))
    for stop in (60, 69, 70, 72, 90, 118, 150):
        part = pl.Session(recipe)
        for _ in itertools.islice(part.ticks("run"), stop):
            pass
        part.save(tmp_path / str(stop))
        same(whole, finished(pl.Session.load(tmp_path / str(stop))))


def test_other_losses_have_no_soft_outputs():
    x, _ = blobs()
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    given = {"model": model, "data": ((x, x[:, :1]), (x, x[:, :1])), "loss": "mse"}
    with pytest.raises(SessionError, match="distill = 0.7: for classification only; the loss here is mse"):
        pl.Session(distilling(), **given)
    session = pl.Session(quick(), **given)
    with pytest.raises(SessionError, match="for classification only"):
        session.change(session.recipe.changed(distill=0.7))


def test_a_dense_network_that_is_gone_is_missed_in_words():
    session = pl.Session(quick())
    list(session.train())
    dense = session.state()
    session.prune()
    with pytest.raises(SessionError, match="distill = 0.7: the dense network was not kept"):
        session.change(distilling())
    session.restore(dense)
    session.change(distilling())
    finished(session)
    assert session.state()["model"]["dense"]
    session.change(quick())
    session.change(distilling(0.2))


def test_a_network_that_comes_trained_is_its_own_teacher():
    model = small()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    session = finished(pl.Session(distilling(), model=model, data=(blobs(), blobs()), trained=True))
    assert all(torch.equal(before[name], value) for name, value in session.state()["model"]["dense"].items())
