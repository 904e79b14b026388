"""What a session refuses to be set to leaves model and session as they were."""

import copy

import pytest
import torch
from torch import nn

import prunelab as pl
from prunelab.errors import StorageError
from support.own_models import blobs, small
from support.sessions import finished, quick, same

DATA = (blobs(4), blobs(4))


def other_output() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 5))


def dropout_elsewhere() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), nn.ReLU(), nn.Linear(8, 4))


def more_layers() -> nn.Module:
    return nn.Sequential(*other_output()[:3], nn.Linear(8, 4), nn.BatchNorm1d(4))


def state(model: nn.Module) -> list[torch.Tensor]:
    rates = [torch.tensor(module.p) for module in model.modules() if isinstance(module, nn.Dropout)]
    return [*(value.clone() for value in model.state_dict().values()), *rates]


def equal(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return len(a) == len(b) and all(map(torch.equal, a, b))


@pytest.mark.parametrize("other", [other_output, dropout_elsewhere, more_layers])
def test_a_saved_session_that_does_not_fit_changes_nothing_of_the_model(other, tmp_path):
    finished(pl.Session(quick(), model=small(4), data=DATA, directory=tmp_path))
    model = other()
    before = state(model)
    with pytest.raises(StorageError, match="does not fit this model and data"):
        pl.Session.load(tmp_path, model=model, data=DATA)
    assert equal(state(model), before)


@pytest.mark.parametrize("part", ["weights", "masks", "cut_values", "dropout_rates", "optimizer"])
def test_a_session_that_is_given_an_impossible_state_goes_on_as_before(part):
    session, twin = (pl.Session(quick(gradual=True), model=small(4), data=DATA) for _ in range(2))
    for each in (session, twin):
        each.finish("train")
        each.prune(1.0)
        each.finish("retrain")
    impossible = copy.deepcopy(session.state())
    if part == "optimizer":
        impossible["trainer"]["optimizer"]["groups"][0]["params"].append(99)
    else:
        impossible["model"][part].popitem()
        impossible["model"][part]["elsewhere"] = (0.5, 0.5)
    impossible["model"]["weights"]["0.weight"].fill_(7)
    with pytest.raises((KeyError, RuntimeError, ValueError, AttributeError)):
        session.restore(impossible)
    same(session, twin)
    same(finished(session), finished(twin))
