"""Selection by counting against a stable sort, the rule that it stands for; deviations against NumPy."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from prunelab.pruning import criteria, ranking
from prunelab.pruning.ranking import at_least, largest, two_of_four

TYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def by_sorting(weights, among, number):
    """(threshold, masks) of the ``number`` largest candidates; of equal ones the earlier, all others cut."""
    scores = [weight.abs().masked_fill(~mask, -1.0).flatten() for weight, mask in zip(weights, among, strict=True)]
    flat = torch.cat(scores)
    order = torch.sort(flat, descending=True, stable=True).indices
    chosen = torch.zeros(flat.shape, dtype=torch.bool)
    chosen[order[:number]] = True
    chosen &= flat > -1.0
    pieces = chosen.split([len(score) for score in scores])
    return float(flat[chosen].min()), [piece.view(w.shape) for piece, w in zip(pieces, weights, strict=True)]


@st.composite
def layers(draw):
    """(weights, masks, number): with many ties, zeros and numbers of every size, in parts of a few weights."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    weights, among = [], []
    for _ in range(draw(st.integers(1, 4))):
        shape = draw(st.lists(st.integers(1, 7), min_size=1, max_size=4))
        dtype = draw(st.sampled_from(TYPES))
        values = torch.randn(shape, generator=generator, dtype=torch.float64)
        match draw(st.sampled_from(("plain", "ties", "scales", "zeros"))):
            case "ties":
                values = (2 * values).round() / 2
            case "scales":
                values *= 10.0 ** torch.randint(-7, 4, shape, generator=generator)
            case "zeros":
                values *= torch.rand(shape, generator=generator) < 0.3
        weights.append(values.to(dtype))
        among.append(torch.rand(shape, generator=generator) < draw(st.sampled_from((0.3, 0.9, 1.1))))
    total = sum(weight.numel() for weight in weights)
    if not any(mask.any() for mask in among):
        among[-1].fill_(True)
    return weights, among, draw(st.integers(1, total + 1))


@given(layers(), st.sampled_from((1, 3, 1 << 18)))
def test_the_largest_are_those_that_a_stable_sort_puts_first(drawn, part):
    weights, among, number = drawn
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "PART", part)
        threshold, masks = largest(weights, among, number)
    expected_threshold, expected = by_sorting(weights, among, number)
    assert threshold == expected_threshold
    assert all(torch.equal(mask, other) for mask, other in zip(masks, expected, strict=True))


@pytest.mark.parametrize("dtype", TYPES)
def test_all_equal_the_first_ones_win_across_layers(dtype):
    weights = [torch.full((3, 4), -0.5, dtype=dtype), torch.full((2, 2), 0.5, dtype=dtype)]
    among = [torch.ones(3, 4, dtype=torch.bool), torch.ones(2, 2, dtype=torch.bool)]
    threshold, (first, second) = largest(weights, among, 13)
    assert threshold == 0.5 and bool(first.all())
    assert second.tolist() == [[True, False], [False, False]]


@pytest.mark.parametrize("value", [0.0, -0.0, 5e-324, 1.7e308])
def test_the_ends_of_the_range_are_ranked(value):
    weights = torch.tensor([value, -value, 1.0], dtype=torch.float64)
    among = [torch.ones(3, dtype=torch.bool)]
    for number in (1, 2, 3):
        threshold, (mask,) = largest([weights], among, number)
        expected_threshold, (expected,) = by_sorting([weights], among, number)
        assert threshold == expected_threshold and torch.equal(mask, expected)


def test_weights_in_another_order_of_memory_are_ranked_by_their_index():
    weight = torch.full((4, 3, 2, 2), 0.25).contiguous(memory_format=torch.channels_last)
    among = torch.ones_like(weight, dtype=torch.bool)
    _, (mask,) = largest([weight], [among], 7)
    assert mask.flatten().nonzero().flatten().tolist() == list(range(7))


def test_no_candidate_is_no_error_and_nothing_comes_back():
    none = torch.zeros(2, 3, dtype=torch.bool)
    threshold, (mask,) = largest([torch.ones(2, 3)], [none], 4)
    assert threshold is None and not mask.any()


@given(layers(), st.floats(0, 3), st.sampled_from((1, 5, 1 << 18)))
def test_a_threshold_applies_to_every_candidate(drawn, threshold, part):
    weights, among, _ = drawn
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "PART", part)
        for weight, mask in zip(weights, among, strict=True):
            assert torch.equal(at_least(weight, mask, threshold), (weight.abs().double() >= threshold) & mask)


@given(st.integers(1, 9), st.integers(1, 4), st.integers(0, 2**32), st.sampled_from((1, 1 << 18)))
def test_two_of_four_are_the_first_two_of_a_stable_sort(rows, fours, seed, part):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(rows, 4 * fours, generator=generator).round()
    among = torch.rand(weight.shape, generator=generator) < 0.7
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "PART", part)
        mask = two_of_four(weight, among)
    scores = np.where(among, weight.abs(), -1.0).reshape(-1, 4)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :2]
    expected = np.zeros(scores.shape, bool)
    np.put_along_axis(expected, order, True, axis=1)
    assert np.array_equal(mask.numpy(), expected.reshape(weight.shape) & among.numpy())


@given(layers(), st.sampled_from((1, 3, 1 << 18)))
def test_deviations_of_parts_are_that_of_the_whole(drawn, part):
    weights, among, _ = drawn
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "PART", part)
        for weight, mask in zip(weights, among, strict=True):
            exact = weight.double().numpy()
            assert criteria.deviation(weight) == pytest.approx(exact.std(), rel=1e-12, abs=1e-14 * abs(exact).max())
            if mask.any():
                chosen = exact[mask.numpy()]
                assert criteria.deviation(weight, mask) == pytest.approx(
                    chosen.std(), rel=1e-12, abs=1e-14 * abs(chosen).max()
                )


def test_the_deviation_of_no_weights_is_an_error():
    with pytest.raises(ValueError, match="no weights"):
        criteria.deviation(torch.ones(3), torch.zeros(3, dtype=torch.bool))
    with pytest.raises(ValueError, match="no weights"):
        criteria.deviation(torch.empty(0))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", [*TYPES, torch.complex64])
def test_one_bad_weight_is_found(bad, dtype):
    weights = torch.ones(5, 3, dtype=dtype)
    assert criteria.finite(weights)
    weights[3, 1] = bad
    assert not criteria.finite(weights)


FLOATS = [torch.float8_e4m3fn, torch.float16, torch.bfloat16, torch.float32, torch.float64]


@pytest.mark.parametrize("dtype", [*FLOATS, torch.complex64, torch.complex128], ids=str)
@pytest.mark.parametrize("turned", [False, True])
def test_what_is_outside_the_mask_becomes_zero_whatever_it_was_and_all_else_stays(dtype, turned, monkeypatch):
    monkeypatch.setattr(ranking, "PART", 4)
    values = torch.tensor([[0.5, -0.25, math.nan, 3.0], [math.nan, -math.inf, -0.0, 0.0], [1.0, -2.0, math.inf, 8.0]])
    weights = values.to(dtype)
    mask = torch.tensor([[1, 0, 1, 0], [0, 0, 1, 1], [1, 1, 0, 0]]).bool()
    if turned:
        weights, mask = weights.T, mask.T
    before = weights.clone()
    ranking.zero_(weights, mask)
    wide = torch.complex128 if dtype.is_complex else torch.float64
    np.testing.assert_array_equal(weights.to(wide), np.where(mask, before.to(wide), 0))
