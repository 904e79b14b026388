"""A lab that has trained."""

import pytest

import prunelab as pl
from support.labs import QUICK


@pytest.fixture
def lab():
    lab = pl.Lab(QUICK, measure=False)
    assert lab.wait(60)
    yield lab
    lab.stop()
