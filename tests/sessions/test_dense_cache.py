"""Dense networks from the cache: the same to the last bit, for the same training alone, and never half of one."""

from __future__ import annotations

import copy
import os
import pickle
import shutil
import threading
import time
from dataclasses import replace

import pytest

import prunelab as pl
from prunelab.errors import StorageError
from prunelab.exports import snippet
from prunelab.recipe import TRAINING_FIELDS
from prunelab.sessions import checkpoint, dense_cache
from prunelab.sessions.dense_cache import DenseCache, key
from support.own_models import blobs
from support.sessions import finished, quick, same


@pytest.fixture
def cache(tmp_path) -> DenseCache:
    return DenseCache(tmp_path / "dense")


def trained(recipe: pl.Recipe) -> pl.Session:
    session = pl.Session(recipe)
    list(session.train())
    return session


def kept(cache: DenseCache, recipe: pl.Recipe) -> pl.Session:
    session = trained(recipe)
    cache.keep(session.state(), recipe)
    return session


def test_a_network_from_the_cache_is_the_trained_one_and_goes_on_like_it(cache):
    recipe = quick(dropout=0.2, batch_norm=True, optimizer="adam")
    anew = kept(cache, recipe)
    session = pl.Session(recipe)
    session.restore(cache.find(recipe))
    same(session, anew)
    assert [s.scalars() for s in session.history] == [s.scalars() for s in anew.history], "the training is there to see"
    same(finished(session), finished(pl.Session(recipe)))


def test_it_serves_all_ways_of_pruning_with_a_history_of_their_own(cache):
    kept(cache, quick())
    other = quick(quality=0.7, rounds=4, std="all")
    session, anew = pl.Session(other), trained(other)
    session.restore(cache.find(other))
    assert session.history[-1].scalars() == anew.history[-1].scalars()
    assert {s.recipe for s in session.history} == {other}
    same(finished(session), finished(anew))


OTHERS = {
    "data": "mnist", "model": "lenet-300-100", "seed": 1, "optimizer": "adam", "learning_rate": 0.03, "batch_size": 32,
    "epochs": 4, "regularizer": "l1", "strength": 0.5, "dropout": 0.1, "batch_norm": True,
}  # fmt: skip


@pytest.mark.parametrize("name", TRAINING_FIELDS)
def test_another_training_is_another_network(cache, name):
    kept(cache, quick())
    other = quick(**{name: OTHERS[name]})
    assert key(other) != key(quick()) and cache.find(other) is None


def test_another_version_or_another_number_of_threads_is_another_network(monkeypatch):
    known = key(quick())
    monkeypatch.setattr(dense_cache, "__version__", "0.0.1")
    assert key(quick()) != known
    monkeypatch.undo()
    monkeypatch.setattr(dense_cache.torch, "get_num_threads", lambda: 77)
    assert key(quick()) != known


def test_only_a_training_that_is_done_is_kept(cache):
    session = pl.Session(quick())
    next(session.train())
    cache.keep(session.state(), quick())
    assert cache.find(quick()) is None
    list(session.train())
    session.prune()
    cache.keep(session.state(), quick())
    assert cache.find(quick()) is None


def test_what_is_somebodys_own_is_not_kept(cache):
    session = pl.Session(quick(model="mlp-small"), data=(blobs(), blobs()), model=pl.models.build("mlp-small", (4,), 3))
    list(session.train())
    cache.keep(session.state(), session.recipe)
    assert not cache.folder.exists() or not list(cache.folder.iterdir())


def test_a_damaged_network_is_removed_and_trained_anew(cache):
    kept(cache, quick())
    (file,) = (cache.folder / key(quick())).glob("tensors-*")
    file.write_bytes(file.read_bytes()[:-8])
    assert cache.find(quick()) is None and not (cache.folder / key(quick())).exists()
    kept(cache, quick())
    assert cache.find(quick()) is not None


def test_a_network_that_is_removed_once_it_was_read_is_there_for_this_time(cache, monkeypatch):
    session = kept(cache, quick())
    read = dense_cache.read_state

    def overtaken(path):
        state = read(path)
        shutil.rmtree(path)
        return state

    monkeypatch.setattr(dense_cache, "read_state", overtaken)
    again = pl.Session(quick())
    again.restore(cache.find(quick()))
    same(again, session)
    assert cache.find(quick()) is None


def test_beyond_the_cap_the_one_goes_that_was_not_used_for_longest(cache, monkeypatch):
    for seed in (0, 1):
        kept(cache, quick(seed=seed))
        for path in (cache.folder / key(quick(seed=seed))).iterdir():
            os.utime(path, (time.time() - 100 + seed, time.time() - 100 + seed))
    assert cache.find(quick(seed=0)) is not None, "used now"
    size = sum(path.stat().st_size for path in (cache.folder / key(quick())).iterdir())
    monkeypatch.setattr(dense_cache, "LARGEST", 2.5 * size)
    kept(cache, quick(seed=2))
    assert [cache.find(quick(seed=seed)) is not None for seed in (0, 1, 2)] == [True, False, True]


def test_it_can_be_switched_off_and_is_private(tmp_path, monkeypatch):
    monkeypatch.setenv("PRUNELAB_CACHE", str(tmp_path))
    monkeypatch.setenv(dense_cache.SWITCH, "off")
    assert DenseCache.if_wanted() is None
    monkeypatch.delenv(dense_cache.SWITCH)
    cache = DenseCache.if_wanted()
    assert cache is not None and cache.folder == tmp_path / "dense"
    assert cache.folder.stat().st_mode & 0o777 == 0o700


def test_one_process_trains_and_the_other_waits_for_it(tmp_path):
    first, second = DenseCache(tmp_path), DenseCache(tmp_path)
    assert first.take_turn(quick())
    assert not second.take_turn(quick()) and second.take_turn(quick(seed=1))
    waited = threading.Event()

    def wait() -> None:
        second.wait(quick(), threading.Event())
        waited.set()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    assert not waited.wait(0.6), "nothing is there yet"
    first.keep(trained(quick()).state(), quick())
    assert waited.wait(60) and second.find(quick()) is not None
    thread.join()


@pytest.mark.parametrize("end", ["it gives up", "a visitor comes"])
def test_nobody_waits_for_a_training_that_was_left_or_when_a_visitor_comes(tmp_path, end):
    first, second, needed = DenseCache(tmp_path), DenseCache(tmp_path), threading.Event()
    assert first.take_turn(quick())
    thread = threading.Thread(target=second.wait, args=(quick(), needed), daemon=True)
    thread.start()
    if end == "it gives up":
        first.give_up()
    else:
        needed.set()
    thread.join(60)
    assert not thread.is_alive()
    assert first.take_turn(quick()) == (end == "a visitor comes"), "whose turn it is"


def test_a_full_disk_is_an_error_and_leaves_nothing_half(cache, monkeypatch):
    session = trained(quick())

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "write_atomically", full)
    with pytest.raises(StorageError, match="No space left"):
        cache.keep(session.state(), quick())
    monkeypatch.undo()
    assert cache.find(quick()) is None


@pytest.mark.parametrize(
    "changed",
    [
        lambda d: replace(d, train_x=d.train_x[:150], train_y=d.train_y[:150]),
        lambda d: replace(d, test_x=1 - d.test_x),
        lambda d: replace(d, seed=None),
        lambda d: replace(d, train_y=d.train_y.flip(0)),
    ],
)
def test_digits_that_were_thinned_or_changed_are_data_of_ones_own(changed, tmp_path):
    """Their name alone does not make them what the recipe says: neither for the cache nor for the exported lines."""
    cache, recipe = DenseCache(tmp_path), pl.Recipe(model="mlp-small", epochs=1)
    session = pl.Session(recipe, data=changed(pl.data.load("digits")))
    assert session.recipe.data == "own"
    session.finish("train")
    cache.keep(session.state(), session.recipe)
    assert cache.find(recipe) is None and not list(tmp_path.glob("*/*.json"))
    assert "data=(train, test)" in snippet(session.recipe, list(session.history))


def test_digits_as_they_are_loaded_are_what_the_recipe_says_in_any_copy():
    recipe = pl.Recipe(model="mlp-small", epochs=1, seed=5)
    digits = pl.data.load("digits", seed=5)
    for data in (digits, copy.deepcopy(digits), replace(digits), pickle.loads(pickle.dumps(digits))):
        assert pl.Session(recipe, data=data).recipe == recipe
