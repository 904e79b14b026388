"""Sessions: the method end to end on the real digits; the same numbers, bit for bit, whatever interrupts them."""

import copy
import dataclasses
import itertools
import os

import numpy as np
import pytest
import torch
from torch import nn

import prunelab as pl
from prunelab import storage, training
from prunelab.data import load
from prunelab.inputs import SessionError
from prunelab.recipe import MODELS, RETRAIN_EPOCHS
from prunelab.session import Diverged
from prunelab.snapshot import BINS, LONGEST_HISTORY, STRONGEST, History

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
    session = pl.Session(pl.Recipe(data="mnist", model=model, optimizer=optimizer, seed=1), data=mnist)
    before = session.snapshot().test_loss
    for _ in itertools.islice(session.ticks("train"), 140):
        pass
    after = training.evaluate(session.model, mnist.test_x, mnist.test_y)
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
        chosen = training.shuffled(len(y), training.mix(recipe.seed, 0, epoch))[index * 50 : (index + 1) * 50]
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
    assert snapshot.kept == session.masks.kept and snapshot.compression == pytest.approx(1 / session.masks.density)


def test_snapshots_come_at_least_ten_times_a_second_whatever_the_machine():
    """Counted in a clock of our own: every batch takes 30 ms of it, so every third batch has to show."""
    session = pl.Session(quick(epochs=5))
    now = itertools.count(step=0.03)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("prunelab.session.time.monotonic", lambda: next(now))
        ticks = list(session.ticks("train"))
    shown = [i for i, tick in enumerate(ticks) if tick is not None]
    assert max(b - a for a, b in itertools.pairwise(shown)) <= 3


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
    assert reached == pytest.approx([recipe.density_of_round(r) for r in (1, 2, 3)], abs=1e-3)


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
    with pytest.raises(Diverged, match=r"the loss became (nan|inf) in training, round 0, step \d+ .*back at step \d+"):
        for _ in session.train():
            pass
    assert all(torch.isfinite(p).all() for p in session.model.parameters())
    assert session.phase == "training" and np.isfinite(session.snapshot().test_loss)


# Models and data of one's own


def blobs(classes: int = 3, samples: int = 90):
    torch.manual_seed(0)
    y = torch.arange(samples) % classes
    return torch.randn(samples, 4) + 3.0 * y[:, None], y


def small(outputs: int = 3) -> nn.Module:
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
    with pytest.raises(storage.StorageError, match="training and test samples"):
        pl.Session.load(tmp_path, model=small(), data=(blobs(), blobs(samples=30)))
    with pytest.raises(storage.StorageError, match="does not fit"):
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
