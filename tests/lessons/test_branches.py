"""Branches of one dense network: they start from the same weights, and leave it as it is."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from prunelab import Recipe, Session
from prunelab.errors import LessonError, SessionError
from prunelab.lessons.branches import accuracy, branch, outcome, right, trained

RECIPE = Recipe(model="mlp-small", epochs=2, rule="density", density=0.1, rounds=2, retrain_epochs=1)


@pytest.fixture(scope="module")
def dense():
    return trained(RECIPE)


def test_a_trained_session_is_that_of_its_own_stream(dense):
    by_hand = Session(RECIPE)
    for _ in by_hand.train():
        pass
    assert dense.phase == "trained" and dense.snapshot().digest == by_hand.snapshot().digest


@pytest.mark.parametrize("changes", [{}, {"density": 0.5}, {"retrain_rate": 1.0, "rounds": 1}], ids=str)
def test_a_branch_ends_as_a_session_that_went_on_by_itself(dense, changes):
    whole = Session(RECIPE.changed(**changes))
    for _ in whole.run():
        pass
    assert outcome(dense, **changes).digest == whole.snapshot().digest


def test_branches_leave_the_dense_network_and_each_other_as_they_are(dense):
    before = dense.snapshot().digest
    one, two = branch(dense, density=0.5), branch(dense, density=0.02)
    one.prune(), two.prune()
    assert one.masks.density > 2 * two.masks.density and dense.masks.density == 1
    assert dense.snapshot().digest == before and dense.recipe == RECIPE
    weights = [session.model.fc1.weight for session in (dense, one, two)]
    assert len({weight.data_ptr() for weight in weights}) == 3


@pytest.mark.parametrize("rule", ["quality", "density"])
def test_a_quality_or_a_density_names_the_rule_of_a_branch(dense, rule):
    session = branch(dense, rule=rule)
    assert branch(session, density=0.5).recipe == RECIPE.changed(rule="density", density=0.5)
    assert branch(session, quality=0.7).recipe == RECIPE.changed(rule="quality", quality=0.7)
    assert branch(session, quality=0.7, density=0.5).recipe.rule == rule
    assert branch(session, rounds=3).recipe.rule == rule
    assert branch(session, rule="quality", density=0.5).recipe.rule == "quality"
    assert outcome(session, density=0.5, rounds=1).density == pytest.approx(0.5, abs=1e-3)


def test_branches_start_anywhere(dense):
    cut = branch(dense, retrain_epochs=1)
    cut.prune(density=0.2)
    twin = branch(cut, retrain_rate=1.0)
    assert twin.phase == "pruned" and torch.equal(twin.model.fc1.weight, cut.model.fc1.weight)


def test_what_dense_training_depends_on_takes_another_dense_network(dense):
    with pytest.raises(SessionError, match="seed: dense training depends on it"):
        branch(dense, seed=1)


def test_a_model_of_ones_own_is_refused_in_words():
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    session = Session(RECIPE, model=model)
    with pytest.raises(LessonError, match="of your own"):
        branch(session)


def test_accuracy_is_in_percent_and_missing_in_words(dense):
    snapshot = dense.snapshot()
    assert accuracy(snapshot) == pytest.approx(100 * snapshot.test_accuracy)
    with pytest.raises(LessonError, match="not tested"):
        accuracy(replace(snapshot, test_accuracy=None))


def test_right_counts_as_a_session_does_and_leaves_dropout_on(dense):
    dense.model.train()
    assert right(dense.model, dense.data) == pytest.approx(accuracy(dense.snapshot()))
    assert dense.model.training


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda s: accuracy(s), r"accuracy takes a Snapshot, and this is a Session: give session\.snapshot\(\)"),
        (lambda s: accuracy(0.97), "this is a float"),
        (lambda s: branch(s.snapshot()), "branch takes a Session, and this is a Snapshot: give the session itself"),
        (lambda s: outcome(s.recipe), "this is a Recipe"),
        (lambda s: right(s, s.data), r"right takes a Module, and this is a Session: give session\.model"),
        (lambda s: right(s.model, (s.data.test_x, s.data.test_y)), r"this is a tuple: give session\.data, or"),
    ],
)
def test_a_function_that_is_given_another_thing_of_a_lesson_says_which_it_takes(dense, mistake, words):
    with pytest.raises(LessonError, match=words):
        mistake(dense)
