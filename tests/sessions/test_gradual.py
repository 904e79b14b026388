"""Cuts within one learning-rate cycle: one cosine, one optimizer, every sample once an epoch, wherever a cut falls."""

import copy
import itertools

import pytest
import torch
from torch import nn

import prunelab as pl
from prunelab.sessions import courses
from prunelab.training import steps
from prunelab.training.step import Step
from support.sessions import finished, quick, same

GRADUAL = {"gradual": True, "rule": "density", "density": 0.2, "rounds": 4, "retrain_epochs": 2, "batch_size": 100}
PER_EPOCH = 15  # batches of 100 in the digits' training samples


def gradual(**changes) -> pl.Recipe:
    return quick(**{**GRADUAL, **changes})


@pytest.fixture
def watched(monkeypatch):
    """What each training step was given: (learning rate, first weight of each sample as its mark, momentum)."""
    seen = []
    step = steps.training_step

    def watching(model, optimizer, x, y, **others):
        moments = [state["momentum_buffer"].clone() for state in optimizer.state.values() if "momentum_buffer" in state]
        seen.append((optimizer, optimizer.param_groups[0]["lr"], x, moments))
        return step(model, optimizer, x, y, **others)

    monkeypatch.setattr(steps, "training_step", watching)
    return seen


def test_the_learning_rate_falls_once_over_all_rounds_and_the_optimizer_stays(watched):
    recipe = gradual()
    session = finished(pl.Session(recipe))
    dense, cycle = recipe.epochs * PER_EPOCH, 8 * PER_EPOCH
    rates = [rate for _, rate, _, _ in watched[dense:]]
    rate = recipe.learning_rate * recipe.retrain_rate
    assert rates == pytest.approx([steps.cosine(rate, number, cycle) for number in range(cycle)])
    assert len({id(optimizer) for optimizer, *_ in watched[dense:]}) == 1
    assert all(moments for *_, moments in watched[dense + 1 :]), "momentum is not lost at a cut"
    assert session._trainer._optimizer is None, "but the cycle is over"


def test_cuts_are_spread_evenly_over_three_quarters_of_the_cycle_and_follow_the_cubic():
    recipe = gradual()
    history = list(finished(pl.Session(recipe)).history)
    cuts = [s for s in history if s.phase == "pruned"]
    dense, cycle = recipe.epochs * PER_EPOCH, 8 * PER_EPOCH
    assert [s.clock - dense for s in cuts] == [0, cycle // 4, cycle // 2, 3 * cycle // 4]
    assert [s.density for s in cuts] == pytest.approx([0.2 + 0.8 * (1 - r / 4) ** 3 for r in (1, 2, 3, 4)], abs=2e-3)
    assert history[-1].clock == dense + cycle and all(s.zeros_hold for s in history)


def test_each_sample_comes_once_an_epoch_also_where_a_cut_divides_it(watched):
    recipe = gradual(rounds=3, retrain_epochs=1)  # cuts at 0, 16 and 33 of 45 steps
    session = finished(pl.Session(recipe))
    assert [s.step for s in session.history if s.phase == "retrained"] == [16, 17, 12]
    batches = [x for _, _, x, _ in watched[recipe.epochs * PER_EPOCH :]]
    expected = session.data.train_x.flatten(1).sum(0)
    orders = []
    for epoch in range(3):
        seen = torch.cat(batches[epoch * PER_EPOCH : (epoch + 1) * PER_EPOCH]).flatten(1)
        assert len(seen) == len(session.data.train_y)
        torch.testing.assert_close(seen.sum(0), expected, rtol=1e-4, atol=1e-2)
        orders.append(seen)
    assert not torch.equal(orders[0], orders[1])


def test_it_equals_a_plain_torch_loop_with_cuts_in_it():
    """The oracle: one loop, one optimizer, masks cut where they are due and multiplied in after each step."""
    recipe = gradual(dropout=0.0, strength=0.01)
    session = pl.Session(recipe)
    list(session.train())
    model = copy.deepcopy(session.model)
    origin, cycle = session.clock, 8 * PER_EPOCH
    linears = [m for m in model.modules() if isinstance(m, nn.Linear)]
    masks = [torch.ones_like(m.weight) for m in linears]
    groups = [{"params": [m.weight for m in linears], "weight_decay": 0.01}, {"params": [m.bias for m in linears]}]
    optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9)
    x, y = session.data.train_x, session.data.train_y
    cuts = {number * cycle // 4: number + 1 for number in range(4)}
    total = sum(mask.numel() for mask in masks)
    for step in range(cycle):
        if step in cuts:
            density = 0.2 + 0.8 * (1 - cuts[step] / 4) ** 3
            magnitudes = torch.cat([m.weight.detach().abs().flatten() for m in linears])
            threshold = magnitudes.sort(descending=True).values[round(density * total) - 1]
            masks = [
                (m.weight.detach().abs() >= threshold).float() * mask for m, mask in zip(linears, masks, strict=True)
            ]
            for m, mask in zip(linears, masks, strict=True):
                m.weight.data.mul_(mask)
                if m.weight in optimizer.state:
                    optimizer.state[m.weight]["momentum_buffer"].mul_(mask)
        epoch, index = divmod(step, PER_EPOCH)
        chosen = steps.shuffled(len(y), steps.mix(recipe.seed, origin, epoch))[index * 100 : (index + 1) * 100]
        for group in optimizer.param_groups:
            group["lr"] = steps.cosine(recipe.learning_rate * recipe.retrain_rate, step, cycle)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x[chosen]), y[chosen]).backward()
        optimizer.step()
        for m, mask in zip(linears, masks, strict=True):
            m.weight.data.mul_(mask)
    finished(session)
    for ours, theirs in zip(session.masks.values(), masks, strict=True):
        assert torch.equal(ours, theirs.bool())
    for ours, theirs in zip(session.model.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer": "adam", "learning_rate": 0.01, "dropout": 0.5},
        {"batch_norm": True, "rule": "quality", "rounds": 3},
        {"criterion": "random", "scope": "layer", "rounds": 1},
    ],
)
def test_stopped_anywhere_saved_and_loaded_it_goes_on_bit_for_bit(tmp_path, changes):
    recipe = gradual(**changes)
    whole = finished(pl.Session(recipe))
    dense = recipe.epochs * PER_EPOCH
    for stop in (dense + 3, dense + 32, dense + 34, dense + 35, dense + 70, dense + 100):
        part = pl.Session(recipe)
        for _ in itertools.islice(part.ticks("run"), stop):
            pass
        part.save(tmp_path / str(stop))
        same(whole, finished(pl.Session.load(tmp_path / str(stop))))


@pytest.mark.parametrize("phase", ["pruned", "retrained"])
def test_between_two_phases_the_momentum_is_saved_too(tmp_path, phase):
    recipe = gradual()
    whole, saved = finished(pl.Session(recipe)), False
    for snapshot in pl.Session(recipe, directory=tmp_path):
        if (snapshot.phase, snapshot.round) == (phase, 2):
            saved = True
            break
    loaded = pl.Session.load(tmp_path)
    assert saved and (loaded.phase, loaded.round) == (phase, 2)
    assert loaded.state()["trainer"]["optimizer"]["tensors"]
    same(whole, finished(loaded))


def test_step_by_step_equals_the_run_and_what_is_left_is_counted():
    recipe = gradual()
    session = pl.Session(recipe)
    list(session.train())
    cycle = 8 * PER_EPOCH
    assert session.steps_left("run") == cycle
    for number in range(1, 5):
        session.prune()
        assert session.steps_left("run") == cycle - (number - 1) * cycle // 4
        for _ in itertools.islice(session.ticks("retrain"), 7):
            pass
        assert session.steps_left("run") == cycle - (number - 1) * cycle // 4 - 7
        assert session.steps_left("retrain") == cycle // 4 - 7
        list(session.retrain())
    assert session.finished and session.steps_left("run") == 0
    same(finished(pl.Session(recipe)), session)


def test_a_cut_by_hand_goes_on_in_the_cycle_and_leaving_it_begins_anew(watched):
    session = pl.Session(gradual())
    list(session.train())
    session.prune()
    list(session.retrain())
    session.prune(density=0.3)
    next(session.ticks("retrain"))
    first = watched[-1]
    assert first[3] and first[1] == pytest.approx(steps.cosine(0.1 * 0.5, 2 * PER_EPOCH, 8 * PER_EPOCH))
    session.change(session.recipe.changed(gradual=False))
    session.prune()
    next(session.ticks("retrain"))
    assert not watched[-1][3] and watched[-1][1] == pytest.approx(0.1 * 0.5)
    list(session.retrain())
    assert session._trainer._optimizer is None


def test_the_lines_of_the_schedule_cover_the_cycle_without_gaps():
    for rounds, epochs, per_epoch in itertools.product((1, 2, 3, 7, 100), (1, 5), (1, 2, 23)):
        recipe, at, done = gradual(rounds=rounds, retrain_epochs=epochs), Step(per_epoch=per_epoch), 0
        for round in range(1, rounds + 1):
            part = courses.retraining(recipe, at, round)
            assert (part.skipped, part.cycle) == (done, rounds * epochs * per_epoch) and part.total >= 0
            done += part.total
        assert done == rounds * epochs * per_epoch
        assert part.skipped <= 0.75 * done
