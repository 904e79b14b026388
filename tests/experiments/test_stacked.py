"""Stacked runs give what sessions of the same recipes give; what fails or is refused is said, and harms no other."""

import itertools
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import prunelab as pl
from prunelab.data import load, own
from prunelab.errors import Diverged, SessionError
from prunelab.experiments import stacked
from prunelab.experiments.stacked import forward, groups
from prunelab.experiments.stacked.network import Network
from prunelab.results.sweep import FailedRun, Run
from support.stacked import Bench, done, ran

SMALL = pl.Recipe(model="mlp-small", epochs=5, retrain_epochs=2, rounds=2, quality=1.0)
EXPLODES = {"learning_rate": 10.0, "strength": 1.0, "regularizer": "l2"}

DIFFERENT = [
    SMALL,
    SMALL.changed(seed=1, rounds=1, std="survivors", adjust_dropout=False),
    SMALL.changed(seed=2, rule="density", density=0.1, rounds=3, regularizer="l1", strength=5e-4),
    SMALL.changed(seed=3, rule="density", density=0.2, scope="layer", regularizer="none", dropout=0.4),
    SMALL.changed(seed=4, rule="density", density=0.5, unit="neuron", learning_rate=0.05),
    SMALL.changed(seed=5, ramp=False, std="all", retrain_rate=0.5),
    SMALL.changed(seed=6, layer_quality={"fc1": 1.8, "fc3": 0.0}),
    SMALL.changed(seed=7, dropout=0.0),
    SMALL.changed(seed=8, optimizer="adam", batch_size=32),
    SMALL.changed(seed=9, batch_norm=True, recalibrate=False),
    SMALL.changed(seed=10, batch_norm=True),
    SMALL.changed(seed=11, epochs=2, rounds=1, model="lenet-300-100"),
    SMALL.changed(seed=12, rule="density", density=0.2, criterion="random"),
    SMALL.changed(seed=13, retrain_epochs=0),
    SMALL.changed(seed=14, rewind="rate", rewind_epoch=3),
]


def results(recipes, **options):
    """The results in the order of the recipes, which must differ."""
    found = [item for item in stacked.run(recipes, **options) if not isinstance(item, stacked.Progress)]
    assert len(found) == len(recipes)
    return [next(item for item in found if item.recipe is recipe) for recipe in recipes]


def test_runs_agree_with_sessions_within_the_stated_tolerance():
    runs = results(DIFFERENT)
    differences = []
    for run, recipe in zip(runs, DIFFERENT, strict=True):
        assert isinstance(run, Run)
        last, cut = ran(pl.Session(recipe))
        assert run.total == last.total and abs(run.kept - last.kept) <= 0.002 * last.total
        assert list(run.layers) == [layer.name for layer in last.layers]
        assert all(abs(run.layers[layer.name][0] - layer.kept) <= 0.01 * layer.total for layer in last.layers)
        assert (run.kept, run.total) == tuple(map(sum, zip(*run.layers.values(), strict=True)))
        assert run.effective <= run.kept and abs(run.effective - last.effective) <= 0.005 * last.total
        for given, wanted in ((run.dense, last.dense_accuracy), (run.cut, cut), (run.accuracy, last.test_accuracy)):
            assert given == pytest.approx(wanted, abs=0.02)
        assert run.loss == pytest.approx(last.test_loss, rel=0.05)
        assert run.seconds > 0
        differences.append(run.accuracy - last.test_accuracy)
    assert abs(sum(differences)) / len(differences) <= 0.005
    assert len({run.accuracy for run in runs}) > 4  # these are different runs


def test_a_run_that_diverges_is_told_and_the_others_go_on():
    first, bad, last = (
        SMALL.changed(epochs=2),
        SMALL.changed(epochs=2, seed=1, **EXPLODES),
        SMALL.changed(epochs=2, seed=2),
    )
    run, failed, other = results([first, bad, last])
    assert isinstance(failed, FailedRun) and failed.recipe is bad and failed.seconds > 0
    assert "of training, round 0 (learning rate 10)" in failed.reason and "lower learning_rate" in failed.reason
    with pytest.raises(Diverged):
        ran(pl.Session(bad))
    alone = results([first, last])
    for harmed, unharmed in zip([run, other], alone, strict=True):
        assert harmed.accuracy == pytest.approx(unharmed.accuracy, abs=0.01)
        assert harmed.dense == pytest.approx(unharmed.dense, abs=0.005)


@pytest.mark.parametrize(("round", "when"), [(1, "retraining, round 1"), (2, "retraining, round 2")])
def test_a_run_that_diverges_in_retraining_is_taken_out_and_one_of_the_same_dense_network_is_unharmed(
    monkeypatch, round, when
):
    recipes = [SMALL.changed(quality=quality, seed=seed) for quality, seed in ((0.5, 0), (1.0, 0), (1.0, 1))]
    unharmed = results([recipes[0], recipes[2]])
    prune = Network.prune

    def poisoned(self, at):
        prune(self, at)
        if self.recipe is recipes[1] and at == round:
            with torch.no_grad():
                self.model.fc3.bias[3] = math.inf

    monkeypatch.setattr(Network, "prune", poisoned)
    first, failed, last = results(recipes)
    assert isinstance(failed, FailedRun) and f"the loss became nan in step 0 of {when}" in failed.reason
    for run, alone in zip([first, last], unharmed, strict=True):
        assert (run.dense, run.cut, run.accuracy) == pytest.approx((alone.dense, alone.cut, alone.accuracy), abs=0.01)
    assert isinstance(results(recipes[1:2])[0], FailedRun)  # also where nothing is left of a stack


def test_recipes_that_differ_only_in_how_they_prune_share_their_dense_training():
    recipes = [SMALL.changed(quality=quality, rounds=rounds) for quality, rounds in ((0.5, 1), (1.0, 2), (1.5, 1))]
    *_, end = stacked.run(recipes)
    per_epoch = math.ceil(len(load("digits").train_y) / SMALL.batch_size)
    assert end.total == per_epoch * (SMALL.epochs + (1 + 2 + 1) * SMALL.retrain_epochs)
    runs = results(recipes)
    assert len({run.dense for run in runs}) == 1 and runs[0].kept > runs[1].kept > runs[2].kept


def test_what_is_only_cut_shares_its_dense_training_with_what_is_retrained():
    recipes = [SMALL.changed(quality=quality, retrain_epochs=epochs) for quality in (0.5, 1.0) for epochs in (0, 2)]
    *_, end = stacked.run(recipes)
    per_epoch = math.ceil(len(load("digits").train_y) / SMALL.batch_size)
    assert end.total == per_epoch * (SMALL.epochs + 2 * SMALL.rounds * 2)
    runs = results(recipes)
    assert len({run.dense for run in runs}) == 1
    for cut, retrained in (runs[:2], runs[2:]):
        assert cut.accuracy == cut.cut and retrained.loss < cut.loss and 0 < cut.seconds < retrained.seconds
    alone = results(recipes[::2])
    assert [(run.kept, run.accuracy, run.loss) for run in alone] == [
        (run.kept, run.accuracy, pytest.approx(run.loss)) for run in runs[::2]
    ]


def test_random_pruning_cuts_exactly_what_a_session_cuts():
    recipe = SMALL.changed(epochs=1, retrain_epochs=1, rule="density", density=0.2, criterion="random", seed=4)
    [network] = (bench := Bench([recipe])).networks
    done(bench.dense())
    session = pl.Session(recipe)
    list(session.train())
    for round in (1, 2):
        network.prune(round)
        session.prune()
        assert all(torch.equal(network.masks[name], mask) for name, mask in session.masks.items())
        list(session.retrain())
        done(bench.retraining(round))


def test_progress_grows_to_its_total_and_results_come_before_its_end():
    items = list(stacked.run([SMALL, SMALL.changed(seed=1, rounds=1), SMALL.changed(seed=2, batch_size=128)]))
    progress = [item for item in items if isinstance(item, stacked.Progress)]
    assert all(a.done <= b.done for a, b in itertools.pairwise(progress))
    assert progress[-1] is items[-1] and progress[-1].done == progress[-1].total == progress[0].total
    assert next(item for item in items if isinstance(item, Run)).recipe.rounds == 1  # is there first


def test_a_recipe_that_is_there_twice_has_two_results_and_none_have_none():
    recipe = SMALL.changed(epochs=1, retrain_epochs=1)
    found = [item for item in stacked.run([recipe, recipe]) if isinstance(item, Run)]
    assert len(found) == 2 and found[0].accuracy == found[1].accuracy
    assert not [item for item in stacked.run([]) if not isinstance(item, stacked.Progress)]


def test_how_many_are_stacked_changes_no_result():
    recipes = [SMALL.changed(epochs=2, retrain_epochs=1, rounds=1, seed=seed) for seed in range(3)]
    for narrow, wide in zip(results(recipes, width=1), results(recipes), strict=True):
        assert narrow.accuracy == pytest.approx(wide.accuracy, abs=0.01) and narrow.kept == pytest.approx(wide.kept, 5)


def test_it_may_be_left_at_any_item_and_gives_torchs_threads_back():
    before = torch.get_num_threads(), torch.random.get_rng_state()
    stream = stacked.run([SMALL, SMALL.changed(seed=1)])
    next(stream)
    assert torch.get_num_threads() == before[0]
    stream.close()
    assert torch.equal(torch.random.get_rng_state(), before[1])


def test_custom_data_and_models_as_in_a_session():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(300, 6, generator=generator)
    y = (x[:, 0] > x[:, 1]).long()
    data = own((x[:200], y[:200]), (x[200:], y[200:]))

    def build(recipe):
        with torch.random.fork_rng():
            torch.manual_seed(recipe.seed)
            return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 2))

    recipes = [SMALL.changed(seed=seed, learning_rate=0.1) for seed in (0, 1)]
    for run, recipe in zip(results(recipes, data=data, model=build), recipes, strict=True):
        last, cut = ran(pl.Session(recipe, data=data, model=build(recipe)))
        assert (run.dense, run.cut, run.accuracy) == pytest.approx(
            (last.dense_accuracy, cut, last.test_accuracy), abs=0.02
        )
        assert (run.kept, run.effective) == (last.kept, last.effective)
        assert run.loss == pytest.approx(last.test_loss, rel=1e-3)


# What is refused, before anything runs


@pytest.mark.parametrize("name", ["quality", "retrain_rate", "adjust_dropout"])
def test_fields_that_are_not_understood_are_refused_by_name_unless_at_their_default(monkeypatch, name):
    monkeypatch.delitem(groups.SUPPORTED, name)
    value = {"quality": 0.7, "retrain_rate": 0.25, "adjust_dropout": False}[name]
    stacked.run([SMALL.changed(**{name: getattr(pl.Recipe(), name)})])
    with pytest.raises(SessionError, match=f"{name} = .*stacked engine.*session"):
        stacked.run([SMALL, SMALL.changed(**{name: value})])


@pytest.mark.parametrize(
    ("name", "value"), [("gradual", True), ("rewind", "weights"), ("regrow", 0.2), ("distill", 0.5)]
)
def test_what_only_a_session_can_do_is_refused_by_name(name, value):
    recipe = SMALL.changed(rule="density", **{name: value})
    with pytest.raises(SessionError, match=f"{name} = .*stacked engine.*session"):
        stacked.run([SMALL, recipe])


def test_all_fields_that_are_said_to_be_supported_are_fields_of_a_recipe():
    assert set(groups.SUPPORTED) <= set(SMALL.to_dict())


class Chooses(nn.Module):
    """What it does depends on its data."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        x = self.fc(x.flatten(1))
        return x if x.sum() > 0 else -x


class Drops(Chooses):
    def forward(self, x):
        return self.fc(F.dropout(x.flatten(1), 0.5, self.training))


class Again(nn.Module):
    """The same dropout twice."""

    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.drop = nn.Linear(64, 12), nn.Linear(12, 10), nn.Dropout(0.2)

    def forward(self, x):
        return self.fc2(self.drop(torch.relu(self.fc1(self.drop(x.flatten(1))))))


def with_zeros(recipe):
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    with torch.no_grad():
        model[1].weight[0, :3] = 0
    return model


@pytest.mark.filterwarnings("ignore::prunelab.errors.DropoutWarning")
@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda recipe: Chooses(), "like this Chooses cannot be stacked"),
        (lambda recipe: Drops(), "like this Drops cannot be stacked"),
        (lambda recipe: Again(), "drop: a dropout that runs several times"),
        (lambda recipe: nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.AlphaDropout(0.1)), "2 .AlphaDropout."),
        (
            lambda recipe: nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64, momentum=None), nn.Linear(64, 10)),
            ".item",
        ),
        (with_zeros, "1.weight: a session takes zeros as cut"),
        (lambda recipe: nn.Sequential(nn.Flatten(), nn.Linear(63, 10)), "cannot take this data"),
    ],
)
def test_networks_that_cannot_be_stacked_are_refused(build, words):
    with pytest.raises(SessionError, match=words):
        stacked.run([SMALL], model=build)


def test_networks_that_compute_something_else_when_they_are_stacked_are_refused(monkeypatch):
    monkeypatch.setitem(forward.LAYERS, nn.ReLU, lambda layer, name, state, x: torch.tanh(x))
    with pytest.raises(SessionError, match="MLP cannot be stacked: their loss is .* stacked, and .* alone"):
        stacked.run([SMALL])


def test_networks_of_several_architectures_are_refused():
    def build(recipe):
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 5 + recipe.seed), nn.Linear(5 + recipe.seed, 10))

    with pytest.raises(SessionError, match="several architectures"):
        list(stacked.run([SMALL, SMALL.changed(seed=1)], model=build))


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="width = 0"):
        stacked.run([SMALL], width=0)
    with pytest.raises(ValueError, match="fc9"):
        stacked.run([SMALL, SMALL.changed(layer_quality={"fc9": 1.0})])
    with pytest.raises(SessionError, match="data itself must be given"):
        stacked.run([SMALL.changed(data="own")])
    x = torch.rand(20, 3)
    with pytest.raises(SessionError, match="values as targets"):
        stacked.run([SMALL], data=own((x, x), (x, x), values=True))
