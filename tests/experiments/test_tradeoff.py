"""The curve's points against sessions run by hand; its branches start from one dense network."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import prunelab as pl
from prunelab.errors import Diverged
from prunelab.experiments.tradeoff import replay, stream, tradeoff
from prunelab.pruning import criteria
from prunelab.results.tradeoff import LINES, gaussian_density, line_named
from prunelab.sessions.dense_cache import DenseCache
from support.own_models import blobs, small
from support.sessions import same

QUICK = pl.Recipe(model="mlp-small", epochs=3, retrain_epochs=1, dropout=0.3, strength=1e-3)
DENSITIES = (0.5, 0.2, 0.1)


@pytest.fixture(scope="module")
def curve():
    return tradeoff(QUICK, densities=DENSITIES)


def by_hand(regularizer, cuts, *, last, criterion="magnitude"):
    """The network after these cuts; ``last``: retrained after the last one, too."""
    session = pl.Session(QUICK.changed(regularizer=regularizer))
    for _ in session.train():
        pass
    session.change(session.recipe.changed(rule="density", density=cuts[-1], rounds=len(cuts), criterion=criterion))
    for number, density in enumerate(cuts, 1):
        session.prune(density=density)
        if last or number < len(cuts):
            for _ in session.retrain():
                pass
    return session


def test_every_line_has_a_point_at_every_density(curve):
    assert curve.complete and len(curve.points) == curve.planned == len(LINES) * 3
    assert all([mean.target for mean in curve.means(line)] == list(DENSITIES) for line in LINES)
    total = curve.points[0].total
    assert all(p.kept == round(p.target * total) and p.total == total for p in curve.points)
    assert all(p.effective is not None and p.effective <= p.kept for p in curve.points)
    assert curve.samples == 359 or curve.samples == 360


def test_the_control_cuts_as_many_regardless_of_magnitude(curve):
    end = by_hand("l2", (0.2,), last=True, criterion="random").snapshot()
    point = next(p for p in curve.points if (p.line, p.target) == ("random retrained", 0.2))
    assert (point.accuracy, point.kept, point.recipe.criterion) == (end.test_accuracy, end.kept, "random")
    assert point.gaussian is None, "a random cut has no threshold"


def test_options_past_the_paper_do_not_reach_its_figure():
    past = QUICK.changed(gradual=True, rule="quality", layer_quality={"fc1": 2.0})
    assert tradeoff(past, densities=(0.3,)).points == tradeoff(QUICK, densities=(0.3,)).points
    for changes in ({"rewind": "weights"}, {"rule": "density", "regrow": 0.3}, {"distill": 0.5}):
        other = tradeoff(QUICK.changed(**changes), densities=(0.3,), lines=("L2 retrained", "random retrained"))
        plain = tradeoff(QUICK, densities=(0.3,), lines=("L2 retrained", "random retrained"))
        assert other.points == plain.points


@pytest.mark.parametrize(
    ("line", "regularizer", "cuts", "last"),
    [
        ("L2 only cut", "l2", (0.2,), False),
        ("L1 only cut", "l1", (0.1,), False),
        ("L1 retrained", "l1", (0.2,), True),
        ("L2 retrained", "l2", (0.1,), True),
        ("L2 iterative", "l2", (0.5, 0.2, 0.1), True),
        ("L2 iterative", "l2", (0.5, 0.2), True),
    ],
)
def test_a_point_is_what_a_session_by_hand_comes_to(curve, line, regularizer, cuts, last):
    end = by_hand(regularizer, cuts, last=last).snapshot()
    point = next(p for p in curve.points if (p.line, p.cuts) == (line, cuts))
    assert (point.accuracy, point.dense) == (end.test_accuracy, end.dense_accuracy)
    assert (point.kept, point.effective) == (end.kept, end.effective)


def test_replay_makes_a_points_network_again_bit_for_bit(curve):
    for point in curve.points:
        if point.target == 0.1:
            session = pl.Session(point.recipe)
            for _ in replay(session, point):
                pass
            phase = "retrained" if line_named(point.line).retrained else "pruned"
            assert (session.phase, session.round) == (phase, len(point.cuts))
            assert (session.snapshot().test_accuracy, session.masks.kept) == (point.accuracy, point.kept)
            assert session.recipe.rounds == len(point.cuts) and session.recipe.density == 0.1


@pytest.mark.parametrize("line", ["L2 only cut", "L1 retrained", "L2 iterative"])
def test_a_replay_that_is_left_anywhere_goes_on_to_the_same_network(curve, line, tmp_path):
    point = next(p for p in curve.points if (p.line, p.target) == (line, 0.1))
    session = pl.Session(point.recipe)
    items = sum(1 for _ in replay(session, point))
    for left in range(1, items, 7):
        again = pl.Session(point.recipe)
        for _, _item in zip(range(left), replay(again, point), strict=False):
            pass
        again.save(tmp_path)
        again = pl.Session.load(tmp_path)
        for _ in replay(again, point):
            pass
        same(again, session)


def test_lines_of_one_penalty_start_from_one_dense_network(curve):
    dense = {name: {p.dense for p in curve.points if p.recipe.regularizer == name} for name in ("l1", "l2")}
    assert all(len(values) == 1 for values in dense.values())


def test_the_gaussian_share_is_by_the_dense_deviations_at_the_last_thresholds(curve):
    session = pl.Session(QUICK)
    for _ in session.train():
        pass
    spreads = {name: criteria.deviation(session.masks.weight(name)) for name in session.masks}
    cut = by_hand("l2", (0.5, 0.2), last=False).snapshot()
    expected = gaussian_density((x.total, x.threshold, spreads[x.name]) for x in cut.layers)
    point = next(p for p in curve.points if p.cuts == (0.5, 0.2))
    assert point.gaussian == pytest.approx(expected, rel=1e-9)


def test_the_curve_grows_and_can_be_left_at_any_batch():
    seen = []
    threads = torch.get_num_threads()
    for result in stream(QUICK, densities=(0.5,), lines=("L2 only cut", "L2 retrained")):
        seen.append((len(result.points), result.done, result.complete))
        if len(result.points) == 1:
            break
    assert torch.get_num_threads() == threads
    done = [share for _, share, _ in seen]
    assert done == sorted(done) and 0 == done[0] < done[-1] < 1
    assert len(seen) > 3 * 20 and not any(complete for *_, complete in seen)
    assert done[-1] == pytest.approx(3 / 4, abs=0.02), "three of four epochs are trained"


def test_lines_without_retraining_are_only_cut():
    result = tradeoff(QUICK, densities=(0.5, 0.1), lines=("L1 only cut",))
    assert [p.line for p in result.points] == ["L1 only cut"] * 2 and result.lines == ("L1 only cut",)


def test_each_seed_gives_every_point_once():
    result = tradeoff(QUICK, densities=(0.3,), lines=("L2 retrained",), seeds=(1, 2, 1))
    assert result.seeds == (1, 2) and [p.recipe.seed for p in result.points] == [1, 2]
    alone = tradeoff(QUICK.changed(seed=2), densities=(0.3,), lines=("L2 retrained",))
    assert alone.points == result.points[1:]


def test_a_dense_network_of_before_is_not_trained_again(tmp_path):
    cache = DenseCache(tmp_path)
    first = list(stream(QUICK, densities=(0.5,), lines=("L2 retrained",), cache=cache))
    again = list(stream(QUICK, densities=(0.5,), lines=("L2 retrained",), cache=cache))
    assert again[-1].points == first[-1].points
    assert len(again) < len(first) / 2, "one epoch in place of four"


def test_custom_models_and_data_come_in_by_begin():
    def begin(recipe):
        return pl.Session(recipe, model=small(), data=(blobs(), blobs()))

    result = tradeoff(pl.Recipe(epochs=2, retrain_epochs=1), densities=(0.4,), begin=begin)
    assert len(result.points) == len(LINES) and {p.total for p in result.points} == {4 * 8 + 8 * 3}
    assert result.samples == 90


def test_a_dense_network_that_diverges_is_recorded_and_the_others_go_on():
    def begin(recipe):
        session = pl.Session(recipe)
        if recipe.regularizer == "l1":
            with torch.no_grad():
                session.model.fc1.weight.mul_(1e38)
        return session

    result = tradeoff(QUICK, densities=(0.5,), lines=("L1 only cut", "L1 retrained", "L2 retrained"), begin=begin)
    assert result.complete and [p.line for p in result.points] == ["L2 retrained"]
    (failed,) = result.failed
    assert failed.recipe.regularizer == "l1" and "loss" in failed.reason and failed.seconds >= 0


def test_retraining_that_diverges_ends_its_line_only_where_rounds_build_on_it():
    class Wild(pl.Session):
        def ticks(self, what):
            if what == "retrain" and self.recipe.density == 0.2:
                raise Diverged("the loss is nan")
            return super().ticks(what)

    lines = ("L2 only cut", "L2 retrained", "L2 iterative")
    result = tradeoff(QUICK, densities=DENSITIES, lines=lines, begin=Wild)
    targets = {line: [p.target for p in result.points if p.line == line] for line in lines}
    assert targets == {"L2 only cut": [0.5, 0.2, 0.1], "L2 retrained": [0.5, 0.1], "L2 iterative": [0.5]}
    assert [len(run.recipe.to_query()) > 0 for run in result.failed] == [True, True] and result.complete


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"lines": ()}, "lines is empty"),
        ({"lines": ("L3",)}, "no line of the trade-off curve"),
        ({"densities": ()}, "densities is empty"),
        ({"densities": (1.0,)}, "must be above 0 and below 1"),
        ({"seeds": ()}, "seeds is empty"),
        ({"seeds": (-1,)}, "seed = -1"),
    ],
)
def test_what_is_no_curve_is_refused_at_once(arguments, words):
    with pytest.raises(ValueError, match=words):
        stream(QUICK, **arguments)


@pytest.mark.parametrize(
    ("arguments", "plain"),
    [
        ({"lines": "L2 only cut"}, {"lines": ("L2 only cut",)}),
        ({"densities": 0.5}, {"densities": (0.5,)}),
        ({"densities": np.array([0.5, 0.25])}, {"densities": (0.5, 0.25)}),
        ({"densities": np.array([0.5, 0.25], np.float32)}, {"densities": (0.5, 0.25)}),
        ({"densities": (1 / 2**n for n in (1, 2))}, {"densities": (0.5, 0.25)}),
        ({"seeds": 3}, {"seeds": (3,)}),
        ({"seeds": np.arange(2)}, {"seeds": (0, 1)}),
    ],
)
def test_what_is_one_or_in_any_iterable_is_drawn(arguments, plain):
    drawn, usual = (next(stream(QUICK, **given)) for given in (arguments, plain))

    assert drawn == usual and (drawn.densities, drawn.lines, drawn.seeds) == (usual.densities, usual.lines, usual.seeds)
    for name, values in plain.items():
        assert getattr(drawn, name) == values
