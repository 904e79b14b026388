"""Training, evaluation and batch norm against plain torch."""

import copy
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from prunelab import torch_state
from prunelab.training import evaluation, optimizers, steps
from prunelab.training.gradients import gradients
from prunelab.training.objective import loss_and_metric


def problem(samples: int = 2347):
    torch.manual_seed(3)
    return torch.randn(samples, 6), torch.randint(0, 3, (samples,))


def test_evaluation_counts_a_short_last_chunk_as_it_is():
    x, y = problem()
    assert len(x) % evaluation.CHUNK, "the last chunk is short"
    model = nn.Linear(6, 3)
    tested = evaluation.evaluate(model, x, y)
    with torch.no_grad():
        expected = F.cross_entropy(model(x), y)
        classes = model(x).argmax(1)
    assert abs(tested.loss - float(expected)) < 1e-6
    assert tested.accuracy == float((classes == y).double().mean()) and torch.equal(tested.predicted, classes)


def test_evaluation_is_without_dropout_and_leaves_the_mode_alone():
    x, y = problem(500)
    model = nn.Sequential(nn.Linear(6, 3), nn.Dropout(0.9)).train()
    first, again = evaluation.evaluate(model, x, y), evaluation.evaluate(model, x, y)
    assert (first.loss, first.accuracy) == (again.loss, again.accuracy)
    assert model.training


def test_l1_adds_the_sign_of_the_weights_to_the_gradient():
    x, y = problem(64)
    models = [nn.Linear(6, 3) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    optimizers = [torch.optim.SGD(m.parameters(), lr=0.1) for m in models]
    steps.training_step(models[0], optimizers[0], x, y, l1=0.01, weights=[models[0].weight])
    loss = F.cross_entropy(models[1](x), y) + 0.01 * models[1].weight.abs().sum()
    loss.backward()
    optimizers[1].step()
    torch.testing.assert_close(models[0].weight, models[1].weight)
    torch.testing.assert_close(models[0].bias, models[1].bias)


def test_l2_decays_weights_but_no_biases():
    layer = nn.Linear(4, 4)
    before = layer.weight.detach().clone(), layer.bias.detach().clone()
    optimizer = optimizers.make_optimizer("sgd", [layer.weight], [layer.bias], rate=0.1, decay=0.5)
    for p in layer.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    torch.testing.assert_close(layer.weight.detach(), before[0] * (1 - 0.1 * 0.5))
    assert torch.equal(layer.bias.detach(), before[1])


@pytest.mark.parametrize("samples", [7, 503, 2000, 9000])
@pytest.mark.parametrize("is_sorted", [False, True])
def test_recalibration_gives_the_statistics_of_the_data_in_whatever_order(samples, is_sorted):
    torch.manual_seed(0)
    x = torch.randn(samples, 5) * 3 + 2
    if is_sorted:  # as by class
        x = x.sort(0).values
    norm = nn.BatchNorm1d(5)
    model = nn.Sequential(norm, nn.Dropout(0.5)).train()
    for _ in range(3):
        model(torch.randn(10, 5))
    evaluation.recalibrate(model, x)
    exact = samples <= evaluation.CALIBRATION
    torch.testing.assert_close(norm.running_mean, x.mean(0), rtol=0.01, atol=0.01 if exact else 0.2)
    torch.testing.assert_close(norm.running_var, x.var(0), rtol=0.02 if exact else 0.1, atol=0)
    assert model.training and norm.training and norm.momentum == 0.1


def test_so_many_samples_are_affordable_as_time_allows_but_some_always(monkeypatch):
    clock = SimpleNamespace(now=0.0, perf_counter=lambda: clock.now)
    monkeypatch.setattr(evaluation, "time", clock)
    taken = iter([5.0, 0.5, 0.5, 0.5, 9.0, 9.0, 1e-12, 1e-12])

    def model_for(x):
        clock.now += next(taken)
        return x

    model = nn.Identity()
    model.forward = model_for
    x = torch.zeros(500, 3)
    assert evaluation.affordable(model, x, 2.0) == 64, "16 samples take half a second, the first run does not count"
    assert evaluation.affordable(model, x[:50], 2.0) == 50
    assert evaluation.affordable(model, x, 2.0) == evaluation.PROBE
    assert evaluation.affordable(model, x, 2.0) == 500


def test_recalibration_in_little_time_takes_fewer_samples(monkeypatch):
    monkeypatch.setattr(evaluation, "affordable", lambda model, x, seconds: 30)
    x, norm = torch.randn(900, 5), nn.BatchNorm1d(5)
    evaluation.recalibrate(nn.Sequential(norm).train(), x, 0.1)
    torch.testing.assert_close(norm.running_mean, x[evaluation.subset(900, 30)].mean(0))


def test_a_batch_norm_that_its_owner_holds_in_eval_mode_stays_as_it_is():
    x, y = problem(600)
    model = nn.Sequential(nn.BatchNorm1d(6), nn.Linear(6, 3), nn.BatchNorm1d(3)).train()
    model[0].eval()
    before = copy.deepcopy(model[0].state_dict())
    evaluation.evaluate(model, x, y)
    evaluation.recalibrate(model, x)
    optimizer = torch.optim.SGD(model[1].parameters(), lr=0.1)
    steps.training_step(model, optimizer, x, y, frozen=[model[0]])
    assert [m.training for m in (model, *model)] == [True, False, True, True]
    assert all(torch.equal(before[name], value) for name, value in model[0].state_dict().items())
    assert not torch.equal(model[2].running_mean, torch.zeros(3)), "the other one is measured"


def test_evaluation_in_steps_is_the_same_and_leaves_the_mode_alone_at_each():
    x, y = problem()
    model = nn.Sequential(nn.Linear(6, 3), nn.Dropout(0.9)).train()
    steps, count = evaluation.evaluation(model, x, y), 1
    while True:
        try:
            next(steps)
        except StopIteration as end:
            tested = end.value
            break
        assert model.training and model[1].training
        count += 1
    assert count == -(-len(x) // evaluation.CHUNK)
    assert (tested.loss, tested.accuracy) == (
        evaluation.evaluate(model, x, y).loss,
        evaluation.evaluate(model, x, y).accuracy,
    )


@pytest.mark.parametrize("samples", [1, 2, 249, 250, 251, 252, 500, 501, 502, 751])
def test_parts_of_a_test_are_all_samples_and_no_single_one_is_left(samples):
    sizes = evaluation.chunks(samples)
    assert sum(sizes) == samples and len(sizes) == max(1, -(-(samples - 1) // evaluation.CHUNK))
    assert all(size == evaluation.CHUNK for size in sizes[:-1]) and (samples == 1 or sizes[-1] > 1)


class Squeezed(nn.Module):
    """Squeezes its outputs, (N, 1, 1) or (N, classes, 1, 1), as networks do that end with a pooling layer."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.layer = nn.Linear(6, outputs)

    def forward(self, x):
        return self.layer(x)[:, :, None, None].squeeze()


@pytest.mark.parametrize(("loss", "outputs"), [(None, 3), ("mse", 1), ("bce", 1)])
@pytest.mark.parametrize("samples", [251, 501])
def test_a_model_that_squeezes_its_outputs_is_tested_on_any_number_of_samples(loss, outputs, samples):
    x, y = problem(samples)
    y = y if loss is None else (y > 0).float()
    functions = loss_and_metric(loss, None, y)
    model = Squeezed(outputs)
    tested = evaluation.evaluate(model, x, y, functions)
    with torch.no_grad():
        whole = functions.loss(model(x), y)
    assert tested.loss == pytest.approx(float(whole), rel=1e-5)
    found = gradients(model, ["layer.weight"], x, y, functions)["layer.weight"]
    (expected,) = torch.autograd.grad(functions.loss(model(x), y), [model.layer.weight])
    torch.testing.assert_close(found, expected)


def test_a_subset_depends_on_nothing_but_the_numbers_and_is_mixed():
    assert evaluation.subset(5, 9).sort().values.tolist() == [0, 1, 2, 3, 4]
    torch.manual_seed(1)
    first = evaluation.subset(10_000, 1000)
    torch.manual_seed(2)
    assert torch.equal(first, evaluation.subset(10_000, 1000)) and len(first.unique()) == 1000
    assert 4000 < first.double().mean() < 6000


def test_recalibration_leaves_models_without_batch_norm_alone():
    model = nn.Linear(5, 5)
    before = model.weight.detach().clone()
    evaluation.recalibrate(model, torch.randn(10, 5))
    assert torch.equal(model.weight, before)


def test_the_global_generator_is_given_back():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    with torch_state.seeded(7):
        first = torch.rand(2)
    assert torch.equal(torch.rand(3), expected)
    with torch_state.seeded(7):
        assert torch.equal(torch.rand(2), first)


def test_the_generator_of_the_device_is_seeded_and_given_back_too(monkeypatch):
    """On CUDA dropout draws from the device's generator; two generators stand in for two devices' here."""
    devices = tuple(torch.Generator().manual_seed(n) for n in (10, 11))
    monkeypatch.setattr(torch.cuda, "default_generators", devices)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    before = [g.get_state() for g in devices]
    draws = []
    for device in ("cuda:1", "cuda:1", "cuda"):
        with torch_state.seeded(7, torch.device(device)):
            draws.append(torch.rand(3, generator=devices[0 if device == "cuda" else 1]))
    assert torch.equal(draws[0], draws[1]) and torch.equal(draws[0], draws[2])
    assert all(torch.equal(state, g.get_state()) for state, g in zip(before, devices, strict=True))


def test_threads_that_train_at_the_same_time_draw_what_each_would_draw_alone():
    def draws(seed):
        found = []
        for step in range(100):
            with torch_state.seeded(steps.mix(seed, step, 0)), torch_state.threads(1 + seed % 2):
                found.append([float(torch.rand(1)) for _ in range(20)])
                assert torch.get_num_threads() == 1 + seed % 2
        return found

    alone = [draws(seed) for seed in range(3)]
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(draws, range(3))) == alone


def test_mixed_seeds_do_not_collide():
    seeds = {steps.mix(s, a, b) for s in range(20) for a in range(40) for b in range(3)}
    assert len(seeds) == 20 * 40 * 3 and all(0 <= seed < 2**63 for seed in seeds)


def test_a_step_with_an_infinite_loss_is_not_taken():
    x, y = problem(8)
    layer = nn.Linear(6, 3)
    before = layer.weight.detach().clone()
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    loss, _ = steps.training_step(layer, optimizer, x * float("inf"), y)
    assert loss != loss and torch.equal(layer.weight, before)


def test_cosine_falls_from_the_rate_to_zero():
    rates = [steps.cosine(0.4, step, 10) for step in range(11)]
    assert rates[0] == 0.4 and abs(rates[5] - 0.2) < 1e-12 and abs(rates[10]) < 1e-12
    assert rates == sorted(rates, reverse=True)
