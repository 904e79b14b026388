"""Arrays of snapshots, made part by part, against NumPy on the whole layer."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from prunelab.pruning import ranking
from prunelab.results.snapshot import BINS
from prunelab.sessions import snapshot_arrays
from prunelab.sessions.snapshot_arrays import histograms, strongest


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(ranking, "PART", 20)
    monkeypatch.setattr(snapshot_arrays, "STRONGEST", 8)


@st.composite
def layers(draw):
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    shape = draw(st.sampled_from([(1, 1), (3, 5), (13, 7), (2, 200), (6, 3, 3, 3), (50,)]))
    weights = torch.randn(shape, generator=generator)
    mask = torch.rand(shape, generator=generator) < draw(st.sampled_from([0.05, 0.6, 1.1]))
    return weights, mask, generator


@given(layers())
def test_the_strongest_are_the_first_of_all_sorted(drawn):
    weights, mask, _ = drawn
    indices, values = strongest(weights, mask)
    survivors = mask.flatten().nonzero().flatten().numpy()
    flat = weights.flatten().numpy()
    expected = survivors[np.argsort(-np.abs(flat[survivors]), kind="stable")][:8]
    assert indices.tolist() == expected.tolist() and values.tolist() == flat[expected].tolist()


def test_of_the_strongest_zeros_that_survive_may_be_some():
    indices, values = strongest(torch.zeros(3, 4), torch.eye(3, 4, dtype=torch.bool))
    assert sorted(indices.tolist()) == [0, 5, 10] and values.tolist() == [0.0] * 3


@given(layers())
def test_histograms_are_numpys_also_of_a_cut_that_is_only_planned(drawn):
    weights, before, generator = drawn
    cut_values = torch.where(before, 0.0, torch.randn(weights.shape, generator=generator))
    after = before & (torch.rand(weights.shape, generator=generator) < 0.5)
    values = torch.where(before, weights, cut_values).numpy().ravel()
    kept = after.numpy().ravel()
    limit, kept_counts, cut_counts = histograms(weights * before, cut_values, after, before)
    assert limit >= np.abs(values).max() > limit / 11
    for counts, chosen in ((kept_counts, values[kept]), (cut_counts, values[~kept])):
        edges = np.linspace(-limit, limit, BINS + 1)
        assert counts.dtype == np.int32 and counts.sum() == len(chosen)
        assert np.abs(np.cumsum(counts) - np.cumsum(np.histogram(chosen, edges)[0])).max() <= 1, "rounding at an edge"
    committed = histograms(weights * after, torch.where(after, 0.0, torch.from_numpy(values).view_as(weights)), after)
    assert committed[0] == limit and (committed[1] == kept_counts).all() and (committed[2] == cut_counts).all()


def test_values_that_are_not_finite_have_no_bin():
    weights = torch.tensor([[1.0, float("nan")], [float("inf"), -0.5]])
    limit, kept, cut = histograms(weights, torch.zeros(2, 2), torch.ones(2, 2, dtype=torch.bool))
    assert limit >= 1 and kept.sum() == 2 and cut.sum() == 0
