"""Models that have learned already."""

import copy

import pytest
import torch
from torch import nn

import prunelab as pl
from prunelab.errors import SessionError
from support.own_models import blobs, small
from support.sessions import finished, quick, same


def learned() -> nn.Module:
    model = small()
    for _ in pl.Session(quick(epochs=30, learning_rate=0.1), model=model, data=(blobs(), blobs())).train():
        pass
    return model


def test_a_model_that_has_learned_already_is_pruned_at_once(tmp_path):
    model = learned()
    data = (blobs(), blobs())
    session = pl.Session(quick(), model=model, data=data, trained=True, directory=tmp_path)
    accuracy = float((model.eval()(data[1][0]).argmax(1) == data[1][1]).double().mean())
    snapshot = session.snapshot()
    assert snapshot.phase == "trained" and snapshot.dense_accuracy == snapshot.test_accuracy == accuracy > 0.8
    assert (session.clock, [s.phase for s in session.history]) == (0, ["trained"])
    with pytest.raises(SessionError, match="dense training is over"):
        session.train()
    preview, pruned = session.preview(0.5), session.prune(0.5)
    assert preview.test_accuracy == pruned.test_accuracy and pruned.dense_accuracy == accuracy
    loaded = pl.Session.load(tmp_path, model=small(), data=data)
    assert session.steps_left("run") == loaded.steps_left("run") == 2 * 2 * 2
    finished(session)
    same(session, finished(loaded))
    assert session.round == 2 and session.masks.zeros_hold()


def test_a_trained_session_is_saved_before_anything_was_pruned(tmp_path):
    model, data = learned(), (blobs(), blobs())
    twin = copy.deepcopy(model)
    session = pl.Session(quick(), model=model, data=data, trained=True)
    session.save(tmp_path)
    loaded = pl.Session.load(tmp_path, model=small(), data=data)
    same(session, loaded)
    assert all(torch.equal(a, b) for a, b in zip(twin.parameters(), loaded.model.parameters(), strict=True))
    same(finished(session), finished(loaded))


def test_trained_needs_a_model_and_untrained_says_so():
    with pytest.raises(SessionError, match="trained=True: which network"):
        pl.Session(quick(), trained=True)
    with pytest.raises(SessionError, match="trained=True"):
        pl.Session(quick(), model=small(), data=(blobs(), blobs())).prune()
