"""Training, evaluation and batch norm against plain torch."""

import torch
from torch import nn
from torch.nn import functional as F

from prunelab import training


def problem(samples: int = 2347):
    torch.manual_seed(3)
    return torch.randn(samples, 6), torch.randint(0, 3, (samples,))


def test_evaluation_counts_a_short_last_chunk_as_it_is():
    x, y = problem()
    assert len(x) % training.CHUNK, "the last chunk is short"
    model = nn.Linear(6, 3)
    tested = training.evaluate(model, x, y)
    with torch.no_grad():
        expected = F.cross_entropy(model(x), y)
        classes = model(x).argmax(1)
    assert abs(tested.loss - float(expected)) < 1e-6
    assert tested.accuracy == float((classes == y).double().mean()) and torch.equal(tested.predicted, classes)


def test_evaluation_is_without_dropout_and_leaves_the_mode_alone():
    x, y = problem(500)
    model = nn.Sequential(nn.Linear(6, 3), nn.Dropout(0.9)).train()
    first, again = training.evaluate(model, x, y), training.evaluate(model, x, y)
    assert (first.loss, first.accuracy) == (again.loss, again.accuracy)
    assert model.training


def test_l1_adds_the_sign_of_the_weights_to_the_gradient():
    x, y = problem(64)
    models = [nn.Linear(6, 3) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    optimizers = [torch.optim.SGD(m.parameters(), lr=0.1) for m in models]
    training.training_step(models[0], optimizers[0], x, y, l1=0.01, weights=[models[0].weight])
    loss = F.cross_entropy(models[1](x), y) + 0.01 * models[1].weight.abs().sum()
    loss.backward()
    optimizers[1].step()
    torch.testing.assert_close(models[0].weight, models[1].weight)
    torch.testing.assert_close(models[0].bias, models[1].bias)


def test_l2_decays_weights_but_no_biases():
    layer = nn.Linear(4, 4)
    before = layer.weight.detach().clone(), layer.bias.detach().clone()
    optimizer = training.make_optimizer("sgd", [layer.weight], [layer.bias], rate=0.1, decay=0.5)
    for p in layer.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    torch.testing.assert_close(layer.weight.detach(), before[0] * (1 - 0.1 * 0.5))
    assert torch.equal(layer.bias.detach(), before[1])


def test_recalibration_gives_the_statistics_of_the_data():
    torch.manual_seed(0)
    x = torch.randn(2000, 5) * 3 + 2
    norm = nn.BatchNorm1d(5)
    model = nn.Sequential(norm, nn.Dropout(0.5)).train()
    for _ in range(3):
        model(torch.randn(10, 5))
    training.recalibrate(model, x)
    chunks = x.split(training.CHUNK)
    torch.testing.assert_close(norm.running_mean, torch.stack([c.mean(0) for c in chunks]).mean(0))
    torch.testing.assert_close(norm.running_var, torch.stack([c.var(0) for c in chunks]).mean(0))
    assert model.training and norm.training and norm.momentum == 0.1


def test_recalibration_leaves_models_without_batch_norm_alone():
    model = nn.Linear(5, 5)
    before = model.weight.detach().clone()
    training.recalibrate(model, torch.randn(10, 5))
    assert torch.equal(model.weight, before)


def test_the_global_generator_is_given_back():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    with training.seeded(7):
        first = torch.rand(2)
    assert torch.equal(torch.rand(3), expected)
    with training.seeded(7):
        assert torch.equal(torch.rand(2), first)


def test_mixed_seeds_do_not_collide():
    seeds = {training.mix(s, a, b) for s in range(20) for a in range(40) for b in range(3)}
    assert len(seeds) == 20 * 40 * 3 and all(0 <= seed < 2**63 for seed in seeds)


def test_a_step_with_an_infinite_loss_is_not_taken():
    x, y = problem(8)
    layer = nn.Linear(6, 3)
    before = layer.weight.detach().clone()
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    loss, _ = training.training_step(layer, optimizer, x * float("inf"), y)
    assert loss != loss and torch.equal(layer.weight, before)


def test_cosine_falls_from_the_rate_to_zero():
    rates = [training.cosine(0.4, step, 10) for step in range(11)]
    assert rates[0] == 0.4 and abs(rates[5] - 0.2) < 1e-12 and abs(rates[10]) < 1e-12
    assert rates == sorted(rates, reverse=True)
