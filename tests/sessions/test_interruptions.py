"""A session that is stopped, saved, killed or left goes on to the same end, bit for bit."""

import dataclasses
import itertools

import pytest
import torch

import prunelab as pl
from prunelab import torch_state
from prunelab.data import load
from prunelab.errors import SessionError
from prunelab.training import evaluation
from support.own_models import HOLDING, blobs, small
from support.sessions import finished, quick, same


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("stop", [1, 70, 100, 150])
def test_stopped_anywhere_saved_loaded_and_continued_equals_uninterrupted(tmp_path, optimizer, stop):
    recipe = quick(optimizer=optimizer, learning_rate=0.01, dropout=0.3, batch_norm=True)
    whole = finished(pl.Session(recipe))
    part = pl.Session(recipe)
    ticks = part.ticks("run")
    for _ in itertools.islice(ticks, stop):
        pass
    ticks.close()
    part.save(tmp_path / "saved")
    del part
    loaded = pl.Session.load(tmp_path / "saved")
    same(whole, finished(loaded))
    settled = [(s.phase, s.round, s.clock, s.test_accuracy) for s in loaded.history if s.settled]
    assert settled == [(s.phase, s.round, s.clock, s.test_accuracy) for s in whole.history if s.settled]


def test_a_killed_process_loses_at_most_its_round(tmp_path):
    """What is on disk after every phase is all that a kill leaves; going on from it gives the same end."""
    recipe = quick()
    whole = finished(pl.Session(recipe))
    for snapshot in pl.Session(recipe, directory=tmp_path):
        if snapshot.phase == "retraining" and snapshot.round == 2:
            break  # killed here: nothing is saved by hand
    loaded = pl.Session.load(tmp_path)
    assert (loaded.phase, loaded.round) == ("pruned", 2)
    same(whole, finished(loaded))


def test_leaving_the_loop_is_clean_and_the_stream_goes_on():
    recipe = quick()
    session = pl.Session(recipe)
    for _ in range(40):
        for _snapshot in session:
            break
    same(finished(pl.Session(recipe)), finished(session))


def test_steps_one_by_one_equal_the_run():
    recipe = quick()
    session = pl.Session(recipe)
    for _ in session.train():
        pass
    for _ in range(recipe.rounds):
        session.prune()
        for _ in session.retrain():
            pass
    same(finished(pl.Session(recipe)), session)


def test_no_hook_stays_on_the_model_however_many_rounds_and_restores():
    model = small()
    session = pl.Session(quick(rounds=6, epochs=2, retrain_epochs=2), model=model, data=(blobs(), blobs()))
    counts = []
    while session.round < 6 or session.phase != "retrained":
        for _ in itertools.islice(session.ticks("run"), 3):
            counts.append(len(model[0].weight._post_accumulate_grad_hooks or ()))
        session.restore(session.state())
    assert set(counts) == {0, 1}, "one while it learns, none when it was pruned"
    assert not model[0].weight._post_accumulate_grad_hooks


def test_a_stream_ends_with_words_when_the_session_went_on_otherwise():
    session = pl.Session(quick())
    with pytest.raises(SessionError, match="this stream has ended"):
        for _ in session.train():
            session.prune(1.0)
    assert (session.phase, session.round) == ("pruned", 1)
    first, second = session.retrain(), session.retrain()
    next(second)
    with pytest.raises(SessionError, match="this stream has ended"):
        next(first)
    session.restore(session.state())
    with pytest.raises(SessionError, match="this stream has ended"):
        next(second)
    finished(session)


@pytest.mark.parametrize("stop", [1, 7, 10, 14, 19, 23])
def test_a_network_on_many_threads_goes_on_from_any_batch_or_part_of_a_test(tmp_path, monkeypatch, stop):
    monkeypatch.setattr(evaluation, "CHUNK", 100)  # the test takes four parts
    data = load("digits")
    few = dataclasses.replace(data, train_x=data.train_x[:640], train_y=data.train_y[:640])
    recipe = pl.Recipe(model="lenet-5", batch_size=128, epochs=1, retrain_epochs=1, rounds=1, dropout=0.4)
    with torch_state.threads(2):  # however few this process has otherwise
        whole = pl.Session(recipe, data=few)
        assert whole._threads == torch.get_num_threads() == 2
        finished(whole)
        part = pl.Session(recipe, data=few)
        for _ in itertools.islice(part.ticks("run"), stop):
            pass
        part.save(tmp_path)
        loaded = finished(pl.Session.load(tmp_path, data=few))
        same(whole, loaded)
    settled = [(s.phase, s.round, s.clock, s.test_accuracy) for s in loaded.history if s.settled]
    assert settled == [(s.phase, s.round, s.clock, s.test_accuracy) for s in whole.history if s.settled]


@pytest.mark.parametrize("kind", HOLDING)
def test_a_model_that_holds_results_of_its_last_step_is_cut_between_two_steps(kind):
    build, layer = HOLDING[kind]
    model = build()
    session = pl.Session(quick(), model=model, data=(blobs(), blobs()), masks=pl.Masks(model, layers=layer))
    for _ in itertools.islice(session.ticks("train"), 3):
        pass
    weight = session.model.get_submodule(layer).weight.detach().clone()
    session.preview(density=0.25)
    session.prune(density=0.25)
    assert torch.equal(session.masks[layer], weight.abs() >= weight.abs().flatten().topk(8).values[-1])
    finished(session)
