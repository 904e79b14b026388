"""Runs whose loss or weights become no numbers: they stop, say when, and go back."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

import prunelab as pl
from prunelab.errors import Diverged
from prunelab.sessions.snapshot_rate import SnapshotRate
from support.own_models import blobs
from support.sessions import quick


def test_a_diverging_run_stops_says_when_and_goes_back_to_the_last_good_state():
    session = pl.Session(quick(learning_rate=10.0, epochs=50, dropout=0.0, regularizer="none", model="lenet-5"))
    with pytest.raises(
        Diverged, match=r"the (loss|test loss|\S+ got) .* in training, round 0, step \d+ .*back at step"
    ):
        for _ in session.train():
            pass
    assert all(torch.isfinite(p).all() for p in session.model.parameters())
    assert session.phase == "training" and np.isfinite(session.snapshot().test_loss)
    assert all(s.clock <= session.clock for s in session.history)


class Rooted(nn.Module):
    """A model whose loss is finite where its gradient is not: the derivative of the root at zero."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 8), nn.Linear(8, 3)

    def forward(self, x):
        a = self.first(x)
        a = a * (a > 0)  # not torch.relu: its way back would stop a NaN
        return self.last(torch.where(a > 0, a.sqrt(), torch.zeros(())))


@pytest.mark.parametrize("samples", [16, 90])  # one step an epoch: the last step of the phase is the bad one; and more
@pytest.mark.parametrize("stop", [None, "look", "save"])
def test_weights_that_are_no_numbers_are_no_good_state_and_end_no_phase(samples, stop, tmp_path, monkeypatch):
    data = blobs(samples=samples)
    session = pl.Session(quick(batch_size=16, epochs=1), model=Rooted(), data=(data, data))
    start = copy.deepcopy(session.model.state_dict())
    ticks = session.ticks("train")
    if stop is not None:  # the step is taken, and the weights are looked at before anything else finds out
        monkeypatch.setattr(SnapshotRate, "due", lambda _: False)
        next(ticks)
        assert not torch.isfinite(session.model.first.weight).all()
        snapshot = session.snapshot()
        assert np.isfinite(snapshot.layers[0].limit) and snapshot.layers[1].kept == 24
    with pytest.raises(Diverged, match=r"in training, round 0, step \d+ .*back at step 0"):
        session.save(tmp_path) if stop == "save" else list(ticks)
    assert all(torch.equal(start[name], t) for name, t in session.model.state_dict().items())
    assert (session.phase, session.step) == ("training", 0) and np.isfinite(session.snapshot().test_loss)
    assert all(s.clock == 0 for s in session.history) and not any(tmp_path.iterdir())
