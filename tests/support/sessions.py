"""Short sessions on the digits, and what it means that two of them are equal."""

import torch

import prunelab as pl

QUICK = {"model": "mlp-small", "epochs": 3, "retrain_epochs": 2, "rounds": 2}


def quick(**changes) -> pl.Recipe:
    return pl.Recipe(**{**QUICK, **changes})


def finished(session: pl.Session) -> pl.Session:
    for _ in session:
        pass
    return session


def same(a: pl.Session, b: pl.Session) -> None:
    """Equal to the last bit: weights, masks, what was measured, where it stands."""
    for (name, x), (_, y) in zip(a.model.state_dict().items(), b.model.state_dict().items(), strict=True):
        assert torch.equal(x, y), name
    assert all(torch.equal(a.masks[name], b.masks[name]) for name in a.masks)
    assert _bare(a.snapshot().scalars()) == _bare(b.snapshot().scalars())


def _bare(scalars):
    return {key: value for key, value in scalars.items() if key != "exact"}
