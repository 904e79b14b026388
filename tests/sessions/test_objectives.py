"""Sessions with losses and metrics other than those of classification, and with token inputs."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import prunelab as pl
from prunelab import data as data_module
from prunelab.errors import CoverageWarning, Diverged, SessionError, StorageError
from prunelab.results.objective import CLASSIFYING
from prunelab.training import steps
from support.own_models import Tokens, blobs, curve, small, tokens
from support.sessions import finished, quick, same


def net(outputs: int = 1, inputs: int = 4) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(inputs, 16), nn.ReLU(), nn.Linear(16, outputs))


def huber(output, target):
    return F.huber_loss(output.squeeze(1), target)


def closeness(output, target):
    return 1 / (1 + (output.squeeze(1) - target).abs().mean())


RECIPE = quick(epochs=30, retrain_epochs=10, batch_size=16, quality=0.5, learning_rate=0.01)
OWN = {"loss": huber, "metric": closeness}


def outputs_of(session):
    with torch.no_grad():
        return session.model.eval()(session.data.test_x), session.data.test_y


def test_regression_is_judged_by_r2():
    session = pl.Session(RECIPE, model=net(), data=curve(), loss="mse")
    for snapshot in session:
        assert snapshot.objective == session.objective and len(snapshot.predicted) == 0
        assert snapshot.train_accuracy is None and np.isfinite(snapshot.test_accuracy)
    output, target = (part.double().numpy() for part in outputs_of(session))
    error = output[:, 0] - target
    now = session.snapshot()
    assert now.test_accuracy == pytest.approx(1 - (error**2).sum() / ((target - target.mean()) ** 2).sum(), abs=1e-6)
    assert now.test_loss == pytest.approx((error**2).mean(), rel=1e-5)
    assert now.dense_accuracy > 0.8 and now.density < 1 and now.zeros_hold
    assert (session.objective.metric, session.objective.low, session.data.classes) == ("R2", None, None)


def test_one_yes_or_no_output_is_judged_by_accuracy_and_several_by_exact_match():
    x, y = blobs(classes=2)
    one = finished(pl.Session(RECIPE, model=net(), data=((x, y), (x, y)), loss="bce"))
    output, target = outputs_of(one)
    assert one.objective.metric == "accuracy" and not one.objective.classifies
    right = float(((output[:, 0] > 0) == target).double().mean())
    assert one.snapshot().test_accuracy == pytest.approx(right) and right > 0.9
    labels = torch.stack([y, 1 - y, x[:, 0] > 1], 1).float()
    several = finished(pl.Session(RECIPE, model=net(3), data=((x, labels), (x, labels)), loss="bce"))
    output, target = outputs_of(several)
    by_hand = np.mean([o == t for o, t in zip((output > 0).tolist(), (target > 0.5).tolist(), strict=True)])
    assert several.objective.metric == "exact match"
    assert several.snapshot().test_accuracy == pytest.approx(by_hand) and by_hand > 0.5


def test_tokens_reach_the_model_as_they_are():
    model = Tokens()
    seen = []
    model.embedding.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].dtype))
    ids, y = tokens()
    with pytest.warns(CoverageWarning, match=r"embedding\.weight"):
        session = pl.Session(RECIPE.changed(optimizer="adam"), model=model, data=((ids.int(), y), (ids, y)), loss="bce")
    finished(session)
    assert set(seen) == {torch.int64} and session.data.input_shape == (6,)
    names = [layer.name for layer in session.snapshot().layers]
    assert names == ["lstm.weight_ih_l0", "lstm.weight_hh_l0", "head.weight"], "the embedding is not cut"
    assert session.snapshot().test_accuracy > 0.8
    with pytest.warns(CoverageWarning):
        classes = pl.Session(quick(), model=Tokens(2), data=((ids, y), (ids, y)))
    finished(classes)
    assert classes.objective == CLASSIFYING and len(classes.snapshot().predicted) == len(y)


def test_training_equals_a_plain_torch_loop_with_the_same_loss():
    recipe = quick(batch_size=20, regularizer="none", learning_rate=0.02)
    model = net()
    theirs = copy.deepcopy(model)
    session = pl.Session(recipe, model=model, data=curve(), loss="mse")
    list(session.train())
    optimizer = torch.optim.SGD(theirs.parameters(), lr=recipe.learning_rate, momentum=0.9)
    x, y = session.data.train_x, session.data.train_y
    per_epoch = -(-len(y) // 20)
    for step in range(recipe.epochs * per_epoch):
        epoch, index = divmod(step, per_epoch)
        chosen = steps.shuffled(len(y), steps.mix(recipe.seed, 0, epoch))[index * 20 : (index + 1) * 20]
        for group in optimizer.param_groups:
            group["lr"] = steps.cosine(recipe.learning_rate, step, recipe.epochs * per_epoch)
        optimizer.zero_grad()
        nn.functional.mse_loss(theirs(x[chosen])[:, 0], y[chosen]).backward()
        optimizer.step()
    for ours, plain in zip(model.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-5, atol=1e-7)


def test_functions_of_ones_own_are_taken_and_named():
    session = finished(pl.Session(RECIPE, model=net(), data=curve(), loss=huber, metric=closeness))
    output, target = outputs_of(session)
    assert session.snapshot().test_accuracy == pytest.approx(float(closeness(output, target)), abs=1e-6)
    assert session.snapshot().test_loss == pytest.approx(float(huber(output, target)), rel=1e-5)
    about = session.objective
    assert (about.loss, about.metric, about.own) == ("huber", "closeness", ("loss", "metric"))


def test_a_loss_of_ones_own_can_classify():
    def smooth(output, target):
        return F.cross_entropy(output, target, label_smoothing=0.1)

    session = finished(pl.Session(quick(), loss=smooth, metric="accuracy"))
    now = session.snapshot()
    assert now.objective.classifies and session.recipe.data == "digits"
    assert now.test_accuracy == float((torch.from_numpy(now.predicted) == session.data.test_y).double().mean()) > 0.5
    first_two = lambda output, target: float((output.topk(2).indices == target[:, None]).any(1).double().mean())  # noqa: E731
    top = finished(pl.Session(quick(), metric=pl.Metric(first_two, "top-2")))
    ordinary = finished(pl.Session(quick()))
    assert np.array_equal(top.snapshot().predicted, ordinary.snapshot().predicted), "the metric changes no training"
    assert top.snapshot().test_accuracy > ordinary.snapshot().test_accuracy


def test_a_saved_session_goes_on_bit_for_bit(tmp_path):
    whole = finished(pl.Session(RECIPE, model=net(), data=curve(), **OWN))
    part = pl.Session(RECIPE, model=net(), data=curve(), **OWN)
    ticks = part.ticks("run")
    while part.phase != "retraining":
        next(ticks)
    part.save(tmp_path)
    same(whole, finished(pl.Session.load(tmp_path, model=net(), data=curve(), **OWN)))


def test_names_come_back_with_a_saved_session_and_functions_are_asked_for(tmp_path):
    session = finished(pl.Session(RECIPE, model=net(), data=curve(), loss="mse"))
    session.save(tmp_path / "names")
    loaded = pl.Session.load(tmp_path / "names", model=net(), data=curve())
    same(session, loaded)
    assert loaded.objective == session.objective == loaded.history[0].objective
    finished(pl.Session(RECIPE, model=net(), data=curve(), **OWN)).save(tmp_path / "functions")
    for missing, words in (("loss", "a loss of your own, 'huber'"), ("metric", "a metric of your own, 'closeness'")):
        given = {name: function for name, function in OWN.items() if name != missing}
        with pytest.raises(SessionError, match=f"{words}: give it again, {missing}="):
            pl.Session.load(tmp_path / "functions", model=net(), data=curve(), **given)
    with pytest.raises(StorageError, match="made with loss huber and metric closeness .*these are mse and R2"):
        pl.Session.load(tmp_path / "functions", model=net(), data=curve(), loss="mse", metric="R2")


def test_sessions_that_classify_are_saved_as_before(tmp_path):
    session = finished(pl.Session(quick()))
    session.save(tmp_path)
    state = session.state()
    assert "objective" not in state["session"] and "objective" not in session.snapshot().scalars()
    same(session, pl.Session.load(tmp_path))


VALUES = (torch.randn(30, 4), torch.randn(30))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"data": (VALUES, VALUES)}, "classification only; .*loss='mse'"),
        ({"data": data_module.own(VALUES, VALUES, values=True)}, "'own' have values as targets.*classification only"),
        ({"data": data_module.own(VALUES, VALUES, values=True), "model": None, "loss": "mse"}, "classification only"),
        ({"data": (blobs(2), blobs(2))}, "1 outputs, but the data have 2 classes.*loss='bce'"),
        ({"data": (blobs(2), (blobs(2)[0], blobs(2)[1][:, None]))}, "classification only"),
        ({"data": (blobs(3), blobs(3)), "loss": "bce"}, "train y: 2, but loss = 'bce' needs targets from 0 to 1"),
        (
            {"data": (blobs(2), blobs(2)), "loss": "bce", "model": nn.Sequential(nn.Linear(4, 1), nn.Sigmoid())},
            "1 is a sigmoid at the end.*binary_cross_entropy",
        ),
        (
            {"data": (VALUES, VALUES), "loss": "mse", "model": net(2)},
            r"the loss mse cannot take .*\(2, 2\).*not the same",
        ),
        ({"data": (VALUES, VALUES), "loss": "mse", "model": nn.GRU(4, 1)}, "one tensor, a row a sample.*gives tuple"),
        ({"data": (VALUES, VALUES), "loss": lambda o, t: (o[:, 0] - t) ** 2, "metric": "R2"}, "must give one number"),
        ({"data": (VALUES, VALUES), "loss": lambda o, t: 1.0, "metric": "R2"}, "must give one number.*gives float"),
        ({"data": (VALUES, VALUES), "loss": nn.NLLLoss(), "metric": "R2"}, "the loss NLLLoss cannot take outputs"),
        ({"data": ((VALUES[0].long(), VALUES[1]),) * 2, "loss": "mse"}, r"token ids for an embedding; .*x.float\(\)"),
        ({"data": ((VALUES[0], VALUES[1] / 0),) * 2, "loss": "mse"}, "train y: sample 0 contains"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(arguments, words):
    with pytest.raises(ValueError, match=words):
        pl.Session(quick(), **{"model": net(), **arguments})


class Gated(nn.Module):
    """Sigmoids inside of it run before, after and in the place of its outputs."""

    def __init__(self, form):
        super().__init__()
        self.head, self.gate, self.sigmoid, self.form = nn.Linear(4, 1), nn.Linear(4, 1), nn.Sigmoid(), form

    def forward(self, x):
        return self.form(self, x)


@pytest.mark.parametrize(
    "form",
    [
        lambda m, x: m.head(x) * m.sigmoid(m.gate(x)),
        lambda m, x: m.sigmoid(m.gate(x)).mul_(m.head(x)),
        lambda m, x: m.head(x * m.sigmoid(m.gate(x))),
        lambda m, x: F.linear(x, m.head.weight),
    ],
)
def test_a_sigmoid_that_is_not_the_output_is_no_harm_for_bce(form):
    assert pl.Session(quick(), model=Gated(form), data=(blobs(2), blobs(2)), loss="bce").phase == "new"


@pytest.mark.parametrize(
    "form",
    [
        lambda m, x: m.sigmoid(m.head(x)),
        lambda m, x: m.sigmoid(m.head(x)).squeeze(1),
        lambda m, x: (m.sigmoid(m.head(x)), m.gate(x))[0],
    ],
)
def test_a_sigmoid_whose_output_is_the_models_is_refused_for_bce(form):
    with pytest.raises(SessionError, match="sigmoid is a sigmoid at the end"):
        pl.Session(quick(), model=Gated(form), data=(blobs(2), blobs(2)), loss="bce")


def test_a_regression_that_diverges_goes_back_to_its_last_good_state():
    session = pl.Session(RECIPE.changed(learning_rate=10.0), model=net(), data=curve(), loss="mse")
    with pytest.raises(Diverged, match="lower learning_rate"):
        finished(session)
    assert all(torch.isfinite(p).all() for p in session.model.parameters())
    assert np.isfinite(session.snapshot().test_accuracy)


def test_sensitivity_is_measured_in_the_metric():
    session = finished(pl.Session(RECIPE, model=net(), data=curve(), loss="mse"))
    result = pl.sensitivity(session.model, session.data, loss="mse", densities=[0.5], threads=1)
    assert result.objective.metric == "R2" and result.accuracy == pytest.approx(session.snapshot().test_accuracy)
    test = session.data.test_x, session.data.test_y
    pair = pl.sensitivity(session.model, test, loss="mse", densities=[0.5], threads=1)
    assert [p.accuracy for p in pair.points] == [p.accuracy for p in result.points]
    with pytest.raises(SessionError, match="classification only"):
        pl.sensitivity(session.model, session.data)


def test_own_models_that_classify_need_nothing_new():
    data = blobs()
    assert pl.Session(quick(), model=small(), data=(data, data)).objective == CLASSIFYING
