"""Sizes near the bound."""

import numpy as np
import pytest
import torch

import prunelab as pl
from prunelab import models
from prunelab.sparse import bound, load, save
from prunelab.sparse.packing.file import entropy, packed
from support.packed_files import lenet


@pytest.mark.parametrize("density", [0.5, 0.3, 0.2, 0.1, 0.08, 0.05, 0.025, 0.01])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_files_of_independent_masks_are_within_3_percent_of_values_and_entropy(density, seed):
    model = lenet(density, seed)
    weights = {name: t.numpy() for name, t in model.state_dict().items() if t.ndim == 2}
    least = 4 * 410  # biases
    for weight in weights.values():
        p = np.count_nonzero(weight) / weight.size
        least += np.count_nonzero(weight) * 4 + weight.size * -(p * np.log2(p) + (1 - p) * np.log2(1 - p)) / 8
    assert bound(model) == int(np.ceil(least))
    assert least < len(packed(model)) <= 1.03 * least


def test_lenet_with_6655_survivors_in_5_bits_takes_at_most_20_kilobytes():
    model = lenet(1.0)
    masks = pl.Masks(model)
    masks.prune(density=6655 / 266_200)
    assert masks.kept in (6655, 6656)  # by rounding
    assert len(packed(model, bits=5)) <= 20_000


def test_the_bound_of_a_dense_network_is_its_bytes():
    model = models.build("lenet-5", (1, 28, 28), 10)
    assert bound(model) == sum(p.nbytes for p in model.parameters())


def test_packing_is_reported_by_the_bench(tmp_path):
    from prunelab.bench import packing

    rows = packing.rows(quick=True, say=lambda _: None)
    assert len(rows) == 8 and all(row.met for row in rows[:6])
    assert all(row.figure > 0 for row in rows)


def test_a_network_whose_values_were_shared_before_is_packed_exactly_and_as_small(tmp_path):
    weight = torch.zeros(200, 300)
    weight[torch.rand(200, 300, generator=torch.Generator().manual_seed(2)) < 0.1] = 1.0
    weight *= torch.randint(1, 17, (200, 300), generator=torch.Generator().manual_seed(3)) / 7
    size = save({"w": weight}, tmp_path / "w")
    assert torch.equal(load(tmp_path / "w")["w"], weight)
    survivors = int((weight != 0).sum())
    assert size < survivors * (4 / 8 + entropy(0.1) / 0.1 / 8) * 1.1 + 500, "four bits a value, not thirty-two"
