"""Weights that are stored in another way than entry by entry: refused by name, or counted where they are left out."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import prunelab as pl
from prunelab.errors import SessionError

pytestmark = pytest.mark.filterwarnings("ignore:Sparse (CSR tensor|invariant):UserWarning")  # of torch's, once each

SPARSE = {
    "COO": lambda weight: weight.to_sparse(),
    "COO, not coalesced": lambda weight: torch.sparse_coo_tensor(
        torch.tensor([[0, 0], [1, 1]]), torch.tensor([1.0, 2.0]), weight.shape
    ),
    "CSR": lambda weight: weight.to_sparse_csr(),
    "CSC": lambda weight: weight.to_sparse_csc(),
    "BSR": lambda weight: weight.to_sparse_bsr((2, 2)),
}
VIEWS = {
    "conjugated": lambda weight: torch.complex(weight, weight).conj(),
    "negated": lambda weight: torch.complex(weight, weight).conj().imag,
}


def network(form):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3))
    weight = model[0].weight.detach().clone()
    weight[:, ::2] = 0
    model[0].weight = nn.Parameter(form(weight))
    return model


@pytest.mark.parametrize("make", [pl.Masks, pl.Masks.from_zeros])
@pytest.mark.parametrize("form", (SPARSE | VIEWS).values(), ids=SPARSE | VIEWS)
def test_other_layouts_and_views_are_refused_by_name(form, make):
    with pytest.raises(ValueError, match=r"0.weight is (stored as torch.sparse_\w+|a view that conjugates or negates)"):
        make(network(form))


@pytest.mark.parametrize("form", (SPARSE | VIEWS).values(), ids=SPARSE | VIEWS)
def test_a_session_refuses_them_by_name(form):
    part = torch.rand(9, 6), torch.arange(9) % 3
    with pytest.raises(SessionError, match="0.weight is (stored as torch.sparse|a view that conjugates or negates)"):
        pl.Session(model=network(form), data=(part, part))


@pytest.mark.parametrize("form", SPARSE.values(), ids=SPARSE)
def test_what_is_left_out_counts_what_is_not_zero(form):
    model = network(form)
    masks = pl.Masks(model, exclude="0")
    dense = int(model[0].weight.detach().to_dense().count_nonzero())
    assert masks.model_density == pytest.approx((dense + 12) / (24 + 12)) and "model_density" not in repr(masks)
    assert f"density of all weights of the model {masks.model_density:.4f}" in repr(masks)


def test_made_dense_they_are_taken_up():
    model = network(SPARSE["CSR"])
    model[0].weight = nn.Parameter(model[0].weight.detach().to_dense())
    assert pl.Masks.from_zeros(model).kept_in("0") == 12
