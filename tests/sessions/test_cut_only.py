"""Rounds without retraining: what a cut costs, and nothing else."""

import itertools

import pytest
import torch

import prunelab as pl
from support.sessions import finished, quick, same


@pytest.mark.parametrize("rounds", [1, 3])
def test_a_round_without_retraining_leaves_the_cut_as_it_is(rounds):
    session = finished(pl.Session(quick(retrain_epochs=0, rounds=rounds)))
    settled = [s for s in session.history if s.settled]
    assert [s.phase for s in settled] == ["trained", *["pruned", "retrained"] * rounds]
    assert {s.clock for s in settled} == {session.clock}, "not one step after dense training"
    for pruned, retrained in zip(settled[1::2], settled[2::2], strict=True):
        assert (pruned.round, pruned.kept) == (retrained.round, retrained.kept)
        assert (pruned.test_accuracy, pruned.test_loss) == (retrained.test_accuracy, retrained.test_loss)
        assert retrained.steps == retrained.step == 0 and retrained.zeros_hold
    assert session.finished and session.steps_left("run") == 0


def test_the_survivors_keep_their_dense_values():
    dense, cut = pl.Session(quick()), pl.Session(quick(retrain_epochs=0))
    list(dense.train())
    finished(cut)
    for name, mask in cut.masks.items():
        assert torch.equal(cut.masks.weight(name), dense.masks.weight(name) * mask)


def test_nothing_is_left_to_do_but_the_run_is_finished_only_after_its_last_round():
    session = pl.Session(quick(retrain_epochs=0, rounds=2))
    list(session.train())
    seen = [(session.steps_left("run"), session.finished)]
    for _ in range(2):
        session.prune()
        seen.append((session.steps_left("run"), session.finished))
        list(session.retrain())
        seen.append((session.steps_left("run"), session.finished))
    assert seen == [(0, False)] * 4 + [(0, True)]


@pytest.mark.parametrize("stop", [69, 70, 71, 72])
def test_it_is_saved_and_goes_on_from_between_any_two_steps(tmp_path, stop):
    recipe = quick(retrain_epochs=0)
    part = pl.Session(recipe)
    for _ in itertools.islice(part.ticks("run"), stop):
        pass
    part.save(tmp_path)
    same(finished(pl.Session(recipe)), finished(pl.Session.load(tmp_path)))


def test_retraining_may_follow_when_the_recipe_changes():
    session = finished(pl.Session(quick(retrain_epochs=0, rounds=1)))
    before = session.snapshot().test_accuracy
    session.change(session.recipe.changed(retrain_epochs=4))
    assert session.steps_left("retrain") == 4 * 23
    list(session.retrain())
    assert session.snapshot().test_accuracy > before
