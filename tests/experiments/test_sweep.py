"""Sweeps in this process: the numbers of sessions, each dense network once, watched, left, and over what diverges."""

from concurrent.futures import Executor

import pytest
import torch
from torch import nn

import prunelab as pl
from prunelab import torch_state
from prunelab.errors import Diverged, RecipeError, SessionError, SweepError
from prunelab.experiments import sweep_engines, sweep_runs
from prunelab.experiments.sweep import stream, sweep
from prunelab.recipe import TRAINING_FIELDS
from prunelab.results.sweep import FailedRun, Run
from prunelab.sessions.session import Session
from support.own_models import blobs, small
from support.sessions import finished, quick
from support.sweeps import DATA, TINY, Watched, bare


@pytest.fixture(scope="module")
def swept():
    return pl.sweep(quick(), quality=[0.5, 1.5], density=0.1, batch_norm=[False, True], seed=[3])


def test_each_run_has_the_numbers_of_its_session(swept):
    assert swept.complete and len(swept.runs) == 6
    for run in swept.runs:
        end = finished(pl.Session(run.recipe)).snapshot()
        assert (run.kept, run.total, run.effective) == (end.kept, end.total, end.effective)
        assert (run.dense, run.accuracy, run.loss) == (end.dense_accuracy, end.test_accuracy, end.test_loss)
        assert run.layers == {layer.name: (layer.kept, layer.total) for layer in end.layers}
        assert run.density == end.density and run.effective_density == end.effective / end.total


def test_accuracy_before_retraining_is_that_of_the_last_cut(swept):
    run = swept.runs[0]
    cuts = [s.test_accuracy for s in pl.Session(run.recipe) if s.phase == "pruned"]
    assert len(cuts) == 2 and run.cut == cuts[-1] and run.seconds > 0


@pytest.fixture
def trainings(monkeypatch) -> list[pl.Recipe]:
    """The recipes by which a dense network is trained from now on."""
    trained: list[pl.Recipe] = []
    begin = Session._training

    def noted(session):
        trained.append(session.recipe)
        return begin(session)

    monkeypatch.setattr(Session, "_training", noted)
    return trained


def test_a_dense_network_is_trained_once(trainings):
    result = sweep(quick(epochs=1, retrain_epochs=1), quality=[0.5, 1.5], ramp=[True, False], seed=[0, 1])
    assert len(result.finished) == 8
    assert sorted(recipe.seed for recipe in trainings) == [0, 1]


def test_what_dense_training_depends_on_is_not_shared():
    recipes = [quick(**{name: value}) for name, value in OTHERS.items()] + [quick(), quick(quality=0.3)]
    assert set(OTHERS) == set(TRAINING_FIELDS)
    assert sorted(map(len, sweep_runs.groups(recipes))) == [1] * len(OTHERS) + [2]


def test_retraining_on_or_off_and_other_ways_to_retrain_start_from_one_dense_network(trainings):
    base = quick(rule="density", density=0.2)
    for settings, dense in (
        ({"retrain_epochs": [0, 2], "criterion": ["random", "magnitude"]}, 1),
        ({"gradual": [False, True]}, 1),
        ({"rewind": ["none", "rate", "weights"]}, 1),
        ({"rewind": "weights", "rewind_epoch": [0, 1]}, 2),
    ):
        del trainings[:]
        result = sweep(base, **settings)
        assert len(trainings) == dense and result.complete
        for run in result.runs:
            end = finished(pl.Session(run.recipe)).snapshot()
            assert (run.kept, run.dense, run.loss) == (end.kept, end.dense_accuracy, end.test_loss)
            assert run.recipe.retrain_epochs or run.cut == run.accuracy


OTHERS = {
    "data": "mnist", "model": "lenet-300-100", "seed": 1, "optimizer": "adam", "learning_rate": 0.03, "batch_size": 32,
    "epochs": 4, "regularizer": "l1", "strength": 0.5, "dropout": 0.1, "batch_norm": True,
}  # fmt: skip


def test_it_can_be_watched_with_the_time_left_and_be_left():
    progress = []
    result = sweep(quick(), quality=[1, 2], seed=[0, 1], on_progress=progress.append)
    assert [(each.done, each.total) for each in progress] == [(n, 4) for n in range(5)]
    assert progress[0].seconds_left is None and progress[-1].seconds_left == 0
    assert all(each.seconds_left > 0 for each in progress[1:-1])
    assert progress[-1].sweep == result
    watched = stream(quick(), quality=[1, 2], seed=[0, 1])
    assert next(watched).done == 0
    first = next(watched).sweep
    watched.close()
    assert bare(first) == bare(result)[:1] and len(first.missing) == 3
    assert first.missing == result.recipes[1:]


def test_the_rows_stand_as_the_grid_does_though_runs_go_by_dense_network():
    *every, _ = stream(quick(epochs=1, retrain_epochs=1), quality=[1, 2], seed=[0, 1])
    assert [[run.recipe.seed for run in each.sweep.runs] for each in every] == [[], [0], [0, 0], [0, 1, 0]]


def test_runs_that_diverge_are_recorded_and_the_others_go_on():
    result = sweep(quick(strength=1.0), learning_rate=[10.0, 0.1], quality=[0.5, 1.0])  # decay x rate beyond 2
    assert [type(run) for run in result.runs] == [FailedRun, FailedRun, Run, Run]
    assert all("training" in run.reason and "lower learning_rate" in run.reason for run in result.failed)
    assert [run.recipe.quality for run in result.failed] == [0.5, 1.0] and result.complete
    assert [row["failed"] is None for row in result.rows()] == [False, False, True, True]


def test_a_run_that_diverges_in_retraining_leaves_the_others_of_its_dense_network(monkeypatch):
    sound = sweep(quick(), retrain_rate=[0.1, 1.0])
    retraining = Session._retraining

    def diverging(session):
        if session.recipe.retrain_rate == 1.0:
            raise Diverged("the loss became nan")
        yield from retraining(session)

    monkeypatch.setattr(Session, "_retraining", diverging)
    result = sweep(quick(), retrain_rate=[0.1, 1.0])
    assert bare(result)[0] == bare(sound)[0] and result.runs[1].reason == "the loss became nan"


def test_a_model_and_data_of_ones_own(tmp_path):
    model = Watched(tmp_path)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    result = sweep(TINY, model=model, data=DATA, quality=[0.3, 0.6], seed=[0, 1])
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items()), "copies are trained"
    for run in result.runs:
        recipe = TINY.changed(quality=run.recipe.quality, seed=run.recipe.seed)
        twin = finished(pl.Session(recipe, model=as_before(model), data=DATA))
        assert (run.kept, run.loss) == (twin.snapshot().kept, twin.snapshot().test_loss)
    assert {recipe.model for recipe in result.recipes} == {recipe.data for recipe in result.recipes} == {"own"}


def as_before(model: Watched) -> nn.Module:
    """The same network, as it was before."""
    twin = Watched(model.folder)
    twin.load_state_dict(model.state_dict())
    return twin


def test_names_of_models_are_a_field_like_others():
    result = sweep(quick(epochs=1, retrain_epochs=1, rounds=1), model=["mlp-small", "lenet-5"], data="digits")
    assert result.fields == ("model", "data")
    assert [row["model"] for row in result.rows()] == ["mlp-small", "lenet-5"]


def test_every_run_has_one_thread_however_large_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(torch_state, "MIN_PARALLEL", 0)  # all networks count as large
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        model = Watched(tmp_path)
        sweep(TINY, model=model, data=DATA, quality=[0.3, 0.6])
        assert {threads for _, threads in model.trainings} == {1} and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"quality": []}, RecipeError, "an empty grid"),
        ({"quallity": [1]}, RecipeError, "did you mean 'quality'"),
        ({"quality": [1, -1]}, RecipeError, "quality = -1"),
        ({"layer_quality": [{"fc1": 1}, {"fc9": 1}]}, ValueError, "'fc9' matches no layer"),
        ({"model": "own"}, SessionError, "model = 'own' in the recipe"),
        ({"engine": "threads"}, ValueError, "engine = 'threads': must be one of sessions, stacked"),
        ({"engine": "stacked", "executor": Executor()}, ValueError, "engine = 'stacked': is of this process alone"),
        ({"executor": 2}, TypeError, "executor = int: must be a concurrent.futures.Executor"),
        ({"data": pl.data.load("digits", seed=1), "seed": [1, 2]}, SessionError, "split by seed 1"),
        ({"data": (blobs(2), blobs(2)), "model": small(1)}, SessionError, "1 outputs"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(settings, error, said, monkeypatch):
    monkeypatch.setattr(sweep_engines, "run", None)
    with pytest.raises(error, match=said):
        sweep(quick(), **settings)


def test_what_a_session_warns_of_is_told_once(recwarn):
    model = small()
    with torch.no_grad():
        model[0].weight[0, :2] = 0
    with pytest.warns(pl.PrunelabWarning, match="zero are taken as cut") as told:
        sweep(TINY, model=model, data=DATA, quality=[0.3, 0.6], seed=[0, 1])
    assert len(told) == 1


def test_an_error_in_a_run_hands_over_what_is_finished(monkeypatch):
    inner, runs = sweep_engines.run, []

    def failing(recipe, *rest):
        if len(runs) == 2:
            raise MemoryError
        runs.append(recipe)
        return inner(recipe, *rest)

    monkeypatch.setattr(sweep_engines, "run", failing)
    with pytest.raises(
        SweepError, match="stopped: MemoryError. 2 of 4 runs have ended.*Missing: quality 3.0; "
    ) as info:
        sweep(quick(), quality=[1, 2, 3, 4])
    assert [run.recipe for run in info.value.sweep.runs] == runs
    assert isinstance(info.value.__cause__, MemoryError) and isinstance(info.value, pl.PrunelabError)


def test_the_public_names():
    assert pl.sweep is sweep and pl.Sweep is type(sweep(quick(epochs=1, retrain_epochs=1, rounds=1)))


def test_what_is_no_classification_is_refused_in_words():
    x, y = torch.rand(40, 3), torch.rand(40)
    words = r"sweeps are for classification only; .* run sessions one by one, Session\(..., loss='mse'\)"
    split = ((x[:30], y[:30]), (x[30:], y[30:]))
    with pytest.raises(SessionError, match=f"train y: dtype torch.float32; .*{words}") as caught:
        pl.sweep(quick(), model=nn.Linear(3, 1), data=split, quality=[1])
    assert "give the session" not in str(caught.value)
    with pytest.raises(SessionError, match=words):
        pl.sweep(quick(), model=nn.Linear(3, 1), data=pl.data.own(*split, values=True), quality=[1])
    labels = (y > 0.5).long()
    with pytest.raises(SessionError, match=f"the model has 1 outputs, .*{words}"):
        pl.sweep(quick(), model=nn.Linear(3, 1), data=((x[:30], labels[:30]), (x[30:], labels[30:])), quality=[1])
    for name in ("loss", "metric"):
        with pytest.raises(RecipeError, match=f"{name} = 'mse': {words}"):
            pl.sweep(quick(), quality=[1], **{name: "mse"})
