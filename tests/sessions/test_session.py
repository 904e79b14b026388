"""The method end to end on the real digits; the same numbers, bit for bit, whatever interrupts them."""

import copy
import dataclasses
import itertools
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

import prunelab as pl
from prunelab import errors, torch_state
from prunelab.data import load
from prunelab.errors import Diverged, SessionError
from prunelab.recipe import MODELS, RETRAIN_EPOCHS
from prunelab.results.history import LONGEST_HISTORY, History
from prunelab.results.snapshot import BINS, STRONGEST
from prunelab.sessions.snapshot_rate import SnapshotRate
from prunelab.training import evaluation, steps

QUICK = {"model": "mlp-small", "epochs": 3, "retrain_epochs": 2, "rounds": 2}


def quick(**changes) -> pl.Recipe:
    return pl.Recipe(**{**QUICK, **changes})


def finished(session: pl.Session) -> pl.Session:
    for _ in session:
        pass
    return session


def same(a: pl.Session, b: pl.Session) -> None:
    """Equal to the last bit: weights, masks, what was measured, where it stands."""
    for (name, x), (_, y) in zip(a.model.state_dict().items(), b.model.state_dict().items(), strict=True):
        assert torch.equal(x, y), name
    assert all(torch.equal(a.masks[name], b.masks[name]) for name in a.masks)
    assert _bare(a.snapshot().scalars()) == _bare(b.snapshot().scalars())


def _bare(scalars):
    return {key: value for key, value in scalars.items() if key != "exact"}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer": "adam", "learning_rate": 0.01, "dropout": 0.5},
        {"batch_norm": True, "regularizer": "l1"},
        {"model": "lenet-5", "epochs": 1, "retrain_epochs": 1, "rounds": 1},
        {"rule": "density", "density": 0.1, "unit": "neuron", "scope": "layer"},
        {"std": "survivors", "ramp": False, "regularizer": "none"},
    ],
)
def test_the_same_recipe_gives_the_same_bits_whatever_the_global_generator(changes):
    torch.manual_seed(1)
    a = finished(pl.Session(quick(**changes)))
    torch.manual_seed(2)
    same(a, finished(pl.Session(quick(**changes))))
    assert a.masks.zeros_hold() and a.masks.density < 1


def test_another_seed_gives_other_numbers():
    a, b = (finished(pl.Session(quick(seed=seed))) for seed in (0, 1))
    assert not torch.equal(a.masks["fc1"], b.masks["fc1"])


def test_a_run_leaves_the_global_generator_and_the_threads_alone():
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    threads = torch.get_num_threads()
    finished(pl.Session(quick(dropout=0.5)))
    assert torch.equal(torch.rand(2), expected) and torch.get_num_threads() == threads


def test_it_learns_the_digits_and_recovers_from_a_deep_cut():
    session = pl.Session(pl.Recipe(quality=2.0, rounds=1))
    for snapshot in session.train():
        assert snapshot.phase in ("training", "trained")
    dense = snapshot.test_accuracy
    cut = session.prune()
    *_, retrained = session.retrain()
    assert dense > 0.95 and cut.test_accuracy < dense - 0.1 and retrained.test_accuracy > cut.test_accuracy + 0.1
    assert retrained.density < 0.1 and retrained.zeros_hold


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


@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_preview_is_what_the_prune_then_gives_and_changes_nothing(batch_norm):
    session = pl.Session(quick(batch_norm=batch_norm, dropout=0.4))
    for _ in session.train():
        pass
    state, rates = copy.deepcopy(session.model.state_dict()), session.snapshot().dropouts
    preview = session.preview(1.3)
    assert all(torch.equal(a, b) for a, b in zip(state.values(), session.model.state_dict().values(), strict=True))
    assert session.masks.density == 1 and session.phase == "trained" and session.snapshot().dropouts == rates
    pruned = session.prune(1.3)
    assert (preview.test_accuracy, preview.test_loss) == (pruned.test_accuracy, pruned.test_loss)
    assert preview.dropouts == pruned.dropouts and preview.exact
    for a, b in zip(preview.layers, pruned.layers, strict=True):
        assert (a.kept, a.threshold, a.deviation, a.packed) == (b.kept, b.threshold, b.deviation, b.packed)
        np.testing.assert_array_equal(a.kept_counts, b.kept_counts)
        np.testing.assert_array_equal(a.cut_counts, b.cut_counts)
    assert not session.preview(2.0, samples=10).exact


def test_snapshots_agree_with_the_network():
    session = finished(pl.Session(quick()))
    snapshot = session.snapshot()
    for layer in snapshot.layers:
        weight = dict(session.model.named_parameters())[layer.name].detach().numpy()
        np.testing.assert_array_equal(layer.mask, session.masks[layer.name].numpy())
        assert layer.kept == layer.mask.sum() == layer.kept_counts.sum()
        assert layer.total - layer.kept == layer.cut_counts.sum()
        edges = np.linspace(-layer.limit, layer.limit, BINS + 1)
        expected = np.histogram(weight[layer.mask], edges)[0]
        assert np.abs(expected - layer.kept_counts).sum() <= 2, "a value on an edge may fall to either side"
        assert np.abs(weight).max() <= layer.limit
        magnitudes = np.sort(np.abs(weight[layer.mask]))[::-1][: len(layer.strengths)]
        np.testing.assert_array_equal(np.abs(layer.strengths), magnitudes)
        np.testing.assert_array_equal(weight.ravel()[layer.strongest], layer.strengths)
        assert len(layer.strongest) == min(STRONGEST, layer.kept) and layer.mask.ravel()[layer.strongest].all()
    with torch.no_grad():
        output = session.model.eval()(session.data.test_x)
    np.testing.assert_array_equal(snapshot.predicted, output.argmax(1).numpy())
    assert snapshot.test_accuracy == float((output.argmax(1) == session.data.test_y).double().mean())
    first, second, third = (layer.mask for layer in snapshot.layers)
    alive = first.any(1) & (second & third.any(0)[:, None]).any(0)  # by hand, for a chain of three
    assert snapshot.layers[0].dead == (~alive).sum() and snapshot.layers[0].effective == first[alive].sum()
    assert snapshot.effective <= snapshot.kept
    assert snapshot.kept == session.masks.kept and snapshot.compression == pytest.approx(1 / session.masks.density)


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands until a test moves it on."""

    class Clock:
        now = 0.0

    monkeypatch.setattr("prunelab.sessions.snapshot_rate.time.monotonic", lambda: Clock.now)
    return Clock


def test_snapshots_come_at_least_ten_times_a_second_whatever_the_machine(clock, monkeypatch):
    """Every batch and every part of a test takes 30 ms of the clock, a snapshot 10."""
    monkeypatch.setattr(evaluation, "CHUNK", 40)
    session = pl.Session(quick(epochs=5))
    record = session._record

    def slowly():
        clock.now += 0.01
        return record()

    monkeypatch.setattr(session, "_record", slowly)
    shown = []
    for tick in session.ticks("train"):
        if tick is not None:
            shown.append(clock.now)
        clock.now += 0.03
    assert len(shown) > 40 and max(b - a for a, b in itertools.pairwise(shown)) <= 0.1 + 0.03


def test_snapshots_that_take_long_come_more_seldom(clock):
    pace = SnapshotRate()

    def slow():
        clock.now += 0.5
        return "taken"

    due = []
    for _ in range(1000):
        if pace.due():
            due.append(clock.now)
            assert pace.take(slow) == "taken"
        clock.now += 0.01
    spent, all_of_it = 0.5 * len(due), clock.now
    assert 0.15 < spent / all_of_it <= 0.2 + 0.5 / all_of_it


def test_tests_and_copies_cost_a_tenth_even_of_a_tiny_test_set(monkeypatch):
    """Counted: with 20 test samples a copy of everything at each step would cost more than the steps."""
    x, y = blobs(samples=400)
    session = pl.Session(quick(batch_size=8, epochs=4), model=small(), data=((x, y), (x[:20], y[:20])))
    tests = []
    whole = evaluation.evaluation
    monkeypatch.setattr(evaluation, "evaluation", lambda *a: tests.append(session.step) or whole(*a))
    *_, last = session.train()
    assert last.steps == 200 and len(tests) <= 2 + last.steps / 10
    assert tests[0] == 0 and tests[-1] == 200


def test_history_is_bounded_and_keeps_every_phase():
    session = finished(pl.Session(quick()))
    settled = [s for s in session.history if s.settled]
    inside = next(s for s in session.history if not s.settled)
    history = History()
    for i in range(3 * LONGEST_HISTORY):
        history.append(settled[i % len(settled)] if i % 50 == 0 else inside)
    assert len(history) <= LONGEST_HISTORY + 1
    assert sum(s.settled for s in history) == 3 * LONGEST_HISTORY / 50
    assert history[-1] is inside


def test_settings_of_pruning_may_change_on_the_way_those_of_training_not():
    session = pl.Session(quick())
    for _ in session.train():
        pass
    session.change(quick(quality=2.5, ramp=False))
    assert session.prune().quality == 2.5
    with pytest.raises(SessionError, match="regularizer"):
        session.change(quick(regularizer="l1"))
    with pytest.raises(ValueError, match="fc7"):
        session.change(quick(layer_quality={"fc7": 1.0}))


def test_layers_may_have_a_quality_of_their_own():
    session = pl.Session(quick(layer_quality={"fc1": 0.0}, rounds=1))
    for _ in session.train():
        pass
    layers = {layer.name: layer for layer in session.prune().layers}
    assert layers["fc1.weight"].density == 1 and layers["fc2.weight"].density < 1


def test_the_density_rule_reaches_its_density_on_a_cubic():
    recipe = quick(rule="density", density=0.1, rounds=3)
    session = finished(pl.Session(recipe))
    reached = [s.density for s in session.history if s.phase == "retrained"]
    assert reached == pytest.approx([recipe.target_of_round(r).density for r in (1, 2, 3)], abs=1e-3)


@pytest.mark.parametrize(("step", "words"), [("prune", "untrained"), ("retrain", "prune first"), ("train", "over")])
def test_steps_out_of_order_say_what_to_do(step, words):
    session = pl.Session(quick())
    if step == "train":
        for _ in session.train():
            pass
    with pytest.raises(SessionError, match=words):
        next(iter(getattr(session, step)())) if step != "prune" else session.prune()


def test_a_diverging_run_stops_says_when_and_goes_back_to_the_last_good_state():
    session = pl.Session(quick(learning_rate=10.0, epochs=50, dropout=0.0, regularizer="none", model="lenet-5"))
    with pytest.raises(
        Diverged, match=r"the (loss|test loss|\S+ got) .* in training, round 0, step \d+ .*back at step"
    ):
        for _ in session.train():
            pass
    assert all(torch.isfinite(p).all() for p in session.model.parameters())
    assert session.phase == "training" and np.isfinite(session.snapshot().test_loss)
    assert all(s.clock <= session.clock for s in session.history)


class Rooted(nn.Module):
    """A model whose loss is finite where its gradient is not: the derivative of the root at zero."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 8), nn.Linear(8, 3)

    def forward(self, x):
        a = self.first(x)
        a = a * (a > 0)  # not torch.relu: its way back would stop a NaN
        return self.last(torch.where(a > 0, a.sqrt(), torch.zeros(())))


@pytest.mark.parametrize("samples", [16, 90])  # one step an epoch: the last step of the phase is the bad one; and more
@pytest.mark.parametrize("stop", [None, "look", "save"])
def test_weights_that_are_no_numbers_are_no_good_state_and_end_no_phase(samples, stop, tmp_path, monkeypatch):
    data = blobs(samples=samples)
    session = pl.Session(quick(batch_size=16, epochs=1), model=Rooted(), data=(data, data))
    start = copy.deepcopy(session.model.state_dict())
    ticks = session.ticks("train")
    if stop is not None:  # the step is taken, and the weights are looked at before anything else finds out
        monkeypatch.setattr(SnapshotRate, "due", lambda _: False)
        next(ticks)
        assert not torch.isfinite(session.model.first.weight).all()
        snapshot = session.snapshot()
        assert np.isfinite(snapshot.layers[0].limit) and snapshot.layers[1].kept == 24
    with pytest.raises(Diverged, match=r"in training, round 0, step \d+ .*back at step 0"):
        session.save(tmp_path) if stop == "save" else list(ticks)
    assert all(torch.equal(start[name], t) for name, t in session.model.state_dict().items())
    assert (session.phase, session.step) == ("training", 0) and np.isfinite(session.snapshot().test_loss)
    assert all(s.clock == 0 for s in session.history) and not any(tmp_path.iterdir())


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


def test_a_change_of_lengths_is_for_the_next_phase():
    session = pl.Session(quick(retrain_epochs=8))
    for _ in session.train():
        pass
    session.prune()
    ticks = session.ticks("retrain")
    for _ in itertools.islice(ticks, 60):
        pass
    session.change(quick(retrain_epochs=1))
    one = session.snapshot().steps // 8
    assert session.steps_left("retrain") == 8 * one - session.step > 0
    assert session.steps_left("run") == 8 * one - session.step + one
    for snapshot in session.retrain():
        assert snapshot.step <= snapshot.steps == 8 * one and session.steps_left("retrain") >= 0
    assert (snapshot.phase, snapshot.step) == ("retrained", 8 * one)
    *_, snapshot = finished(session).history
    assert (snapshot.round, snapshot.steps) == (2, one)


def test_a_change_of_lengths_does_not_touch_a_saved_phase_either(tmp_path):
    session = pl.Session(quick(retrain_epochs=4, rounds=1))
    for _ in session.train():
        pass
    session.prune()
    for _ in itertools.islice(session.ticks("retrain"), 10):
        pass
    session.change(quick(retrain_epochs=1, rounds=1))
    session.save(tmp_path)
    same(finished(session), finished(pl.Session.load(tmp_path)))


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


def test_threads_are_the_callers_between_any_two_ticks():
    a, b = (pl.Session(quick(seed=seed)).ticks("run") for seed in (0, 1))
    with torch_state.threads(2):
        for _ in range(40):
            next(a)
            assert torch.get_num_threads() == 2
            next(b)
        a.close()
        b.close()
        assert torch.get_num_threads() == 2


def test_two_sessions_in_two_threads_compute_what_each_computes_alone():
    recipes = [quick(seed=seed, dropout=0.5, model=model) for seed, model in enumerate(("mlp-small", "lenet-5"))]
    alone = [finished(pl.Session(recipe)) for recipe in recipes]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(lambda recipe: finished(pl.Session(recipe)), recipes))
    for a, b in zip(alone, together, strict=True):
        same(a, b)


@pytest.mark.parametrize("stop", [1, 7, 10, 14, 19, 23])
def test_a_network_on_many_threads_goes_on_from_any_batch_or_part_of_a_test(tmp_path, monkeypatch, stop):
    monkeypatch.setattr(evaluation, "CHUNK", 100)  # the test takes four parts
    data = load("digits")
    few = dataclasses.replace(data, train_x=data.train_x[:640], train_y=data.train_y[:640])
    recipe = pl.Recipe(model="lenet-5", batch_size=128, epochs=1, retrain_epochs=1, rounds=1, dropout=0.4)
    whole = pl.Session(recipe, data=few)
    assert whole._threads == torch.get_num_threads()
    finished(whole)
    part = pl.Session(recipe, data=few)
    for _ in itertools.islice(part.ticks("run"), stop):
        pass
    part.save(tmp_path)
    loaded = finished(pl.Session.load(tmp_path, data=few))
    same(whole, loaded)
    settled = [(s.phase, s.round, s.clock, s.test_accuracy) for s in loaded.history if s.settled]
    assert settled == [(s.phase, s.round, s.clock, s.test_accuracy) for s in whole.history if s.settled]


# Models and data of one's own


def blobs(classes: int = 3, samples: int = 90):
    torch.manual_seed(0)
    y = torch.arange(samples) % classes
    return torch.randn(samples, 4) + 3.0 * y[:, None], y


def small(outputs: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, outputs))


def test_own_model_and_data_are_trained_in_place():
    model = small()
    recipe = quick(epochs=30, retrain_epochs=30, batch_size=16, quality=0.5)
    session = finished(pl.Session(recipe, model=model, data=(blobs(), blobs())))
    assert session.model is model and session.recipe.model == session.recipe.data == "own"
    assert session.snapshot().test_accuracy > 0.8 and session.masks.density < 1


def test_own_sessions_are_loaded_with_the_same_model_and_data(tmp_path):
    model = small()
    initial = copy.deepcopy(model.state_dict())
    session = finished(pl.Session(quick(), model=model, data=(blobs(), blobs())))
    session.save(tmp_path)
    other = small()
    other.load_state_dict(initial)
    same(session, pl.Session.load(tmp_path, model=other, data=(blobs(), blobs())))
    with pytest.raises(SessionError, match="of your own"):
        pl.Session.load(tmp_path)
    with pytest.raises(errors.StorageError, match="training and test samples"):
        pl.Session.load(tmp_path, model=small(), data=(blobs(), blobs(samples=30)))
    with pytest.raises(errors.StorageError, match="does not fit"):
        pl.Session.load(tmp_path, model=small(5), data=(blobs(), blobs()))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (small(2), "2 outputs, but the data have 3 classes"),
        (nn.Linear(5, 3), r"cannot take this data, samples of shape \(4,\)"),
        (nn.Sequential(nn.Linear(4, 3), nn.Unflatten(1, (3, 1))), r"it gives shape \(2, 3, 1\)"),
        (nn.GRU(4, 3), "it gives"),
        (nn.Sequential(nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 3)).apply(lambda m: None), None),
        (nn.Sequential(nn.BatchNorm1d(4)), "there is nothing to prune|outputs"),
    ],
)
def test_models_that_do_not_fit_are_refused_in_words(model, words):
    data = blobs(classes=3)
    if words is None:
        finished(pl.Session(quick(), model=model, data=(data, data)))
        return
    with pytest.raises(ValueError, match=words):
        pl.Session(quick(), model=model, data=(data, data))


def test_a_model_without_prunable_layers_is_refused():
    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.factor = nn.Parameter(torch.ones(4))

        def forward(self, x):
            return x * self.factor

    with pytest.raises(ValueError, match="no Linear or Conv layer"):
        pl.Session(quick(), model=Scale(), data=(blobs(), blobs()))


def test_nan_in_the_model_and_labels_out_of_range_are_refused():
    model = small()
    with torch.no_grad():
        model[0].weight[0, 0] = float("nan")
    with pytest.raises(SessionError, match=r"0\.weight holds NaN"):
        pl.Session(quick(), model=model, data=(blobs(), blobs()))
    x, y = blobs()
    with pytest.raises(ValueError, match="-1"):
        pl.Session(quick(), model=small(), data=((x, y - 1), (x, y)))


def test_batches_never_leave_a_single_sample_alone_with_batch_norm():
    x, y = blobs(samples=65)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    session = finished(pl.Session(quick(batch_size=64), model=model, data=((x, y), (x, y))))
    assert session.clock == session.recipe.epochs + 2 * session.recipe.retrain_epochs


def clusters(samples: int = 3000):
    """Three well separated classes, sorted by class."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(samples) * 3 // samples
    return torch.randn(samples, 4, generator=generator) + 4.0 * torch.eye(4)[y] * torch.tensor([1.0, -3.0, 9.0])[
        y, None
    ], y


def test_data_sorted_by_class_spoil_neither_batch_norm_nor_the_hasty_preview():
    data = clusters()
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    session = pl.Session(quick(epochs=4), model=model, data=(data, data))
    *_, dense = session.train()
    hasty = session.preview(0.0, samples=300)
    assert not hasty.exact and len(hasty.predicted) == 0
    assert abs(hasty.test_accuracy - dense.test_accuracy) < 0.02 < 0.9 < dense.test_accuracy
    with torch.no_grad():
        model[3].bias += torch.tensor([99.0, 0.0, 0.0])  # now the first class is all it sees: a third is right
    assert abs(session.preview(0.0, samples=300).test_accuracy - 1 / 3) < 0.1
    with torch.no_grad():
        model[3].bias -= torch.tensor([99.0, 0.0, 0.0])
    assert abs(session.prune(0.0).test_accuracy - dense.test_accuracy) < 0.01
    assert session.preview(0.0, samples=3000).exact and len(session.snapshot().predicted) == 3000


class TwoDrops(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(8, 3)
        self.a, self.b = nn.Linear(4, 8), nn.Linear(8, 8)
        self.drop_a, self.drop_b = nn.Dropout(0.2), nn.Dropout(0.4)

    def forward(self, x):
        if x.sum() > 1e9:  # cannot be traced symbolically
            return x
        return self.out(self.drop_b(torch.relu(self.b(self.drop_a(torch.relu(self.a(x)))))))


def test_owners_by_layer_name_are_taken_and_the_other_dropouts_keep_theirs(tmp_path):
    session = pl.Session(quick(), model=TwoDrops(), data=(blobs(), blobs()), owners={"drop_b": "a"})
    assert {d.name: d.layer for d in session.snapshot().dropouts} == {"drop_a": "a.weight", "drop_b": "a.weight"}
    for _ in session.train():
        pass
    preview, pruned = session.preview(1.0), session.prune(1.0)
    assert preview.dropouts == pruned.dropouts
    assert pruned.dropouts[1].rate == pytest.approx(0.4 * pruned.layer("a.weight").density ** 0.5)
    with pytest.raises(ValueError, match="'drop_c' is no dropout"):
        pl.Session(quick(), model=TwoDrops(), data=(blobs(), blobs()), owners={"drop_c": "a"})


def test_neurons_of_the_layer_that_runs_last_stay_whatever_was_registered_last():
    recipe = quick(rule="density", density=0.3, unit="neuron")
    session = finished(pl.Session(recipe, model=TwoDrops(), data=(blobs(), blobs())))
    density = {layer.name: layer.density for layer in session.snapshot().layers}
    assert density["out.weight"] == 1 and density["a.weight"] < 1 and density["b.weight"] < 1


def test_other_data_of_the_same_size_are_refused_in_words(tmp_path):
    x, y = blobs()
    session = finished(pl.Session(quick(), model=small(), data=((x, y), (x, y))))
    session.save(tmp_path)
    for other in ((x + 0.1, y), (x, y.flip(0))):
        with pytest.raises(errors.StorageError, match="made with other data"):
            pl.Session.load(tmp_path, model=small(), data=(other, (x, y)))
        with pytest.raises(ValueError, match="made with other data"):
            pl.Session(quick(), model=small(), data=((x, y), other)).restore(session.state())
    same(session, pl.Session.load(tmp_path, model=small(), data=((x.clone(), y), (x, y))))


def test_digits_split_by_another_seed_are_refused():
    with pytest.raises(SessionError, match=r"split by seed 1, but the recipe says seed = 0: .*Recipe\(seed=1\)"):
        pl.Session(quick(), data=load("digits", seed=1))
    assert pl.Session(quick(seed=1), data=load("digits", seed=1)).recipe.data == "digits"


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


def test_a_density_by_hand_is_reached_at_once_and_previewed_as_it_then_is():
    session = pl.Session(quick(rule="density", density=0.5, scope="layer"))
    for _ in session.train():
        pass
    preview = session.preview(density=0.1)
    snapshot = session.prune(density=0.1)
    assert preview.kept == snapshot.kept and preview.test_accuracy == snapshot.test_accuracy
    assert all(layer.kept == round(0.1 * layer.total) for layer in snapshot.layers) and snapshot.quality is None
