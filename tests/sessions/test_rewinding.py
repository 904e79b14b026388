"""Rewinding: retraining from early weights, or at early learning rates; both repeat dense training from there on."""

import itertools

import pytest
import torch
from torch import nn

import prunelab as pl
from prunelab.errors import SessionError
from prunelab.sessions.dense_cache import key
from prunelab.training import steps
from support.own_models import blobs, small
from support.sessions import finished, quick, same

PER_EPOCH = 15  # batches of 100 in the digits' training samples


def rewinding(how="weights", epoch=1, **changes) -> pl.Recipe:
    return quick(**{"rewind": how, "rewind_epoch": epoch, "batch_size": 100, "rounds": 2, **changes})


def weights_after(recipe, number):
    session = pl.Session(recipe)
    for _ in session.ticks("train"):
        if session.step == number:
            break
    return {name: value.clone() for name, value in session.model.state_dict().items()}


@pytest.mark.parametrize("epoch", [0, 1, 2])
@pytest.mark.parametrize("model", ["mlp-small", "lenet-5"])
def test_survivors_begin_each_retraining_with_their_early_values(epoch, model):
    recipe = rewinding(epoch=epoch, model=model, learning_rate=0.05)
    early = pl.Session(recipe).model.state_dict() if epoch == 0 else weights_after(recipe, epoch * PER_EPOCH)
    session = pl.Session(recipe)
    list(session.train())
    assert not torch.equal(session.model.state_dict()["fc1.weight"], early["fc1.weight"])
    session.prune()
    for _ in session._pruner.rewind(recipe):
        pass
    for name, parameter in session.model.named_parameters():
        mask = session.masks[name] if name in session.masks else torch.ones_like(parameter)
        assert torch.equal(parameter.detach(), early[name] * mask), name


@pytest.fixture
def rates(monkeypatch):
    """The learning rate of each training step."""
    seen = []
    step = steps.training_step

    def watching(model, optimizer, *given, **others):
        seen.append(optimizer.param_groups[0]["lr"])
        return step(model, optimizer, *given, **others)

    monkeypatch.setattr(steps, "training_step", watching)
    return seen


@pytest.mark.parametrize("how", ["weights", "rate"])
@pytest.mark.parametrize("epoch", [0, 2])
def test_the_rates_are_those_of_dense_training_from_that_epoch_on(rates, how, epoch):
    session = finished(pl.Session(rewinding(how, epoch)))
    dense, length = 3 * PER_EPOCH, (3 - epoch) * PER_EPOCH
    assert len(rates) == dense + 2 * length == session.clock
    for first in (dense, dense + length):
        assert rates[first : first + length] == rates[epoch * PER_EPOCH : dense]
    assert session.recipe.retraining_epochs == 2 * (3 - epoch)


def test_rewinding_the_rate_keeps_the_final_weights():
    session = pl.Session(rewinding("rate", learning_rate=1e-9))
    list(session.train())
    session.prune()
    before = {name: p.detach().clone() for name, p in session.model.named_parameters()}
    list(session.retrain())
    for name, parameter in session.model.named_parameters():
        torch.testing.assert_close(parameter.detach(), before[name], rtol=0, atol=1e-6)


def test_uncut_and_without_dropout_rewinding_to_the_start_repeats_dense_training_but_for_the_order():
    """With the whole training set in one batch there is no order: then it is the same training, to rounding."""
    recipe = rewinding(epoch=0, quality=0.0, rounds=1, dropout=0.0, batch_size=2000)
    session = pl.Session(recipe)
    list(session.train())
    dense = {name: p.detach().clone() for name, p in session.model.named_parameters()}
    session.prune()
    list(session.retrain())
    for name, parameter in session.model.named_parameters():
        torch.testing.assert_close(parameter.detach(), dense[name], rtol=1e-4, atol=1e-5)


def test_the_accuracy_at_the_cut_is_that_of_the_cut_and_then_that_of_the_rewound_network():
    session = pl.Session(rewinding(epoch=0, epochs=6, quality=0.5))
    list(session.train())
    pruned = session.prune()
    retraining = next(s for s in session.retrain() if s.phase == "retraining")
    assert pruned.test_accuracy > 0.5 > retraining.test_accuracy and retraining.zeros_hold


@pytest.mark.parametrize(
    ("how", "changes"), [("weights", {}), ("rate", {}), ("weights", {"optimizer": "adam", "batch_norm": True})]
)
def test_stopped_anywhere_saved_and_loaded_it_goes_on_bit_for_bit(tmp_path, how, changes):
    recipe = rewinding(how, dropout=0.3, **changes)
    whole = finished(pl.Session(recipe))
    for stop in (7, 16, 47, 48, 49, 50, 60, 82, 85):
        part = pl.Session(recipe)
        for _ in itertools.islice(part.ticks("run"), stop):
            pass
        part.save(tmp_path / str(stop))
        same(whole, finished(pl.Session.load(tmp_path / str(stop))))


def test_batch_norm_is_rewound_and_measured_again():
    recipe = rewinding(batch_norm=True, recalibrate=True)
    session = pl.Session(recipe)
    list(session.train())
    session.prune()
    cut = {name: b.clone() for name, b in session.model.named_buffers()}
    for _ in session._pruner.rewind(recipe):
        pass
    assert any(not torch.equal(cut[name], buffer) for name, buffer in session.model.named_buffers())
    assert session.masks.zeros_hold()


def test_a_network_that_comes_trained_has_no_early_weights():
    with pytest.raises(SessionError, match="no early weights to go back to; take rewind='rate'"):
        pl.Session(rewinding(), model=small(), data=(blobs(), blobs()), trained=True)
    session = pl.Session(rewinding("rate"), model=small(), data=(blobs(), blobs()), trained=True)
    finished(session)
    with pytest.raises(SessionError, match="rewind: dense training depends on it"):
        session.change(session.recipe.changed(rewind="weights"))


def test_early_weights_that_were_not_kept_are_missed_before_anything_runs():
    session = pl.Session(rewinding(epoch=2))
    for _ in itertools.islice(session.ticks("train"), 20):
        pass
    session.prune()
    before = session.state()["model"]["weights"]
    for what in ("retrain", "run"):
        with pytest.raises(SessionError, match="left before epoch 2 was over"):
            session.ticks(what)
    assert all(torch.equal(value, before[name]) for name, value in session.model.state_dict().items())
    session.change(session.recipe.changed(rewind="rate"))
    finished(session)


def test_early_weights_are_a_part_of_dense_training():
    plain, early = quick(), rewinding(batch_size=64)
    assert (
        not plain.trains_like(early)
        and early.trains_like(plain)
        and plain.trains_like(rewinding("rate", batch_size=64))
    )
    assert not early.trains_like(early.changed(rewind_epoch=2))
    assert key(early) not in (key(plain), key(early.changed(rewind_epoch=2)))
    assert key(rewinding("rate", batch_size=64)) == key(plain) == key(quick(rewind_epoch=2))


def test_only_sessions_that_rewind_weights_keep_a_copy():
    for recipe, kept in ((quick(), False), (rewinding("rate"), False), (rewinding(), True)):
        session = pl.Session(recipe)
        list(session.train())
        assert bool(session.state()["model"]["early"]) == kept


def test_a_frozen_module_and_a_tied_weight_are_rewound_too():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3))
    model[2].weight = model[0].weight
    session = finished(pl.Session(rewinding(epoch=0, epochs=4), model=model, data=(blobs(), blobs())))
    assert session.masks.zeros_hold() and model[2].weight is model[0].weight
