"""A cut after which a network gives no numbers is refused: the run, and what was saved of it, stay as they are."""

import math

import pytest
import torch
from torch import nn

import prunelab as pl
from prunelab.errors import Diverged
from prunelab.training.evaluation import evaluate


class Normed(nn.Module):
    """Divides by the length of its features, which is zero once nothing passes."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body, self.head = nn.Linear(64, 12, bias=False), nn.Linear(12, 10)

    def forward(self, x):
        h = torch.relu(self.body(x.flatten(1)))
        return self.head(h / h.norm(dim=1, keepdim=True))


def test_a_network_whose_outputs_are_no_numbers_has_no_accuracy():
    model, x = Normed(), torch.zeros(4, 64)
    tested = evaluate(model, torch.cat([x, torch.rand(4, 64)]), torch.zeros(8, dtype=torch.int64))
    assert math.isnan(tested.accuracy) and math.isnan(tested.loss)
    possible = nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.Threshold(1e9, -math.inf))  # impossible, not unknown
    assert evaluate(possible, x, torch.zeros(4, dtype=torch.int64)).accuracy == 1


def test_such_a_cut_is_refused_in_words_and_costs_nobody_a_run(tmp_path):
    recipe = pl.Recipe(epochs=2, retrain_epochs=1, rounds=1)
    session = pl.Session(recipe, model=Normed(), data=pl.data.load("digits"), directory=tmp_path)
    before = session.finish("train")
    with pytest.raises(
        Diverged, match=r"with 2 of 888 connections the test loss would be nan: nothing was cut. Cut less"
    ):
        session.prune(10)
    now = session.snapshot()
    assert (now.phase, now.kept, now.round) == ("trained", 888, 0) and now.test_accuracy == before.test_accuracy
    again = pl.Session.load(tmp_path, model=Normed(), data=pl.data.load("digits"))
    assert again.phase == "trained"
    session.prune(0.5)
    assert 0 < session.finish("retrain").test_accuracy <= 1
