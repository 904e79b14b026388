"""Training: the method on the real digits, against the plain loop that anyone would write."""

import copy
import dataclasses
import itertools
import os

import numpy as np
import pytest
import torch
from torch import nn

import prunelab as pl
from prunelab import torch_state
from prunelab.data import load
from prunelab.errors import SessionError
from prunelab.recipe import MODELS, RETRAIN_EPOCHS
from prunelab.training import evaluation, steps
from support.own_models import blobs, small
from support.sessions import finished, quick


def test_it_learns_the_digits_and_recovers_from_a_deep_cut():
    session = pl.Session(pl.Recipe(quality=2.0, rounds=1))
    for snapshot in session.train():
        assert snapshot.phase in ("training", "trained")
    dense = snapshot.test_accuracy
    cut = session.prune()
    *_, retrained = session.retrain()
    assert dense > 0.95 and cut.test_accuracy < dense - 0.1 and retrained.test_accuracy > cut.test_accuracy + 0.1
    assert retrained.density < 0.1 and retrained.zeros_hold


@pytest.mark.skipif(not os.environ.get("PRUNELAB_DATA"), reason="PRUNELAB_DATA names no MNIST")
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("model", MODELS)
def test_every_network_learns_mnist_at_its_usual_learning_rate(model, optimizer):
    mnist = load("mnist")
    mnist = dataclasses.replace(mnist, test_x=mnist.test_x[:500], test_y=mnist.test_y[:500])
    with torch_state.threads(1):  # on a busy machine two of them may wait for each other more than they work
        session = pl.Session(pl.Recipe(data="mnist", model=model, optimizer=optimizer, seed=1), data=mnist)
        before = session.snapshot().test_loss
        for _ in itertools.islice(session.ticks("train"), 140):
            pass
        after = evaluation.evaluate(session.model, mnist.test_x, mnist.test_y)
    assert before > 2.2 and after.loss < 0.75 and after.accuracy > 0.75


def test_own_data_and_models_take_their_own_lengths_and_rate_unless_given():
    data = (blobs(), blobs())
    session = pl.Session(pl.Recipe(quality=1.75), model=small(), data=data)
    assert session.recipe == pl.Recipe(quality=1.75, model="own", data="own")
    given = pl.Session(pl.Recipe(epochs=40, learning_rate=0.1), model=small(), data=data).recipe
    assert (given.epochs, given.learning_rate, given.retrain_epochs) == (40, 0.1, RETRAIN_EPOCHS["own"])


def test_the_dense_part_equals_a_plain_torch_loop():
    """The oracle for training: the few lines that anyone would write."""
    recipe = quick(dropout=0.0, batch_size=50, strength=0.01)
    session = pl.Session(recipe)
    model = copy.deepcopy(session.model)
    for _ in session.train():
        pass
    weights = [m.weight for m in model.modules() if isinstance(m, nn.Linear)]
    biases = [m.bias for m in model.modules() if isinstance(m, nn.Linear)]
    optimizer = torch.optim.SGD(
        [{"params": weights, "weight_decay": 0.01}, {"params": biases}], lr=recipe.learning_rate, momentum=0.9
    )
    x, y = session.data.train_x, session.data.train_y
    per_epoch = -(-len(y) // 50)
    for step in range(recipe.epochs * per_epoch):
        epoch, index = divmod(step, per_epoch)
        chosen = steps.shuffled(len(y), steps.mix(recipe.seed, 0, epoch))[index * 50 : (index + 1) * 50]
        for group in optimizer.param_groups:
            group["lr"] = 0.5 * recipe.learning_rate * (1 + np.cos(np.pi * step / (recipe.epochs * per_epoch)))
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x[chosen]), y[chosen]).backward()
        optimizer.step()
    for (name, ours), theirs in zip(session.model.named_parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6, msg=name)


def test_retraining_starts_from_the_surviving_weights_at_the_lower_rate():
    session = pl.Session(quick(retrain_rate=1e-9))
    for _ in session.train():
        pass
    session.prune()
    before = {n: p.detach().clone() for n, p in session.model.named_parameters()}
    for _ in session.retrain():
        pass
    for name, parameter in session.model.named_parameters():
        torch.testing.assert_close(parameter.detach(), before[name], rtol=0, atol=1e-6)


def test_batches_never_leave_a_single_sample_alone_with_batch_norm():
    x, y = blobs(samples=65)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    session = finished(pl.Session(quick(batch_size=64), model=model, data=((x, y), (x, y))))
    assert session.clock == session.recipe.epochs + 2 * session.recipe.retrain_epochs


def test_models_in_double_precision_are_trained_and_pruned_in_it():
    model = small().double()
    recipe = quick(epochs=30, batch_size=16, learning_rate=0.1)
    session = finished(pl.Session(recipe, model=model, data=(blobs(), blobs())))
    assert model[0].weight.dtype == torch.float64 and session.masks.zeros_hold()
    assert next(s for s in session.history if s.phase == "trained").test_accuracy > 0.8


def test_single_samples_are_refused_where_a_batch_norm_learns():
    x, y = blobs()
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    with pytest.raises(SessionError, match="batch_size = 1.*batch normalisation"):
        pl.Session(quick(batch_size=1), model=model, data=((x, y), (x, y)))
    model[1].eval()
    finished(pl.Session(quick(batch_size=1, epochs=1), model=model, data=((x[:9], y[:9]), (x, y))))


def test_a_batch_norm_that_its_owner_froze_stays_frozen():
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 8), nn.BatchNorm1d(8))
    model.append(nn.Linear(8, 3))
    model[1].eval()
    before = copy.deepcopy(dict(model[1].named_buffers()))
    session = pl.Session(quick(), model=model, data=(blobs(), blobs()))
    for _ in itertools.islice(session.ticks("run"), 5):
        model.eval()  # somebody looks at it in between, and forgets
    finished(session)
    assert all(torch.equal(before[name], buffer) for name, buffer in model[1].named_buffers())
    assert not torch.equal(model[4].running_mean, torch.zeros(8))
    assert (
        not model[1].training
        and pl.Session(quick(), model=small().eval(), data=(blobs(), blobs()))._pruned.frozen == []
    )
