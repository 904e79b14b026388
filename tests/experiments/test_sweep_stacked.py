"""Sweeps with ``engine="stacked"``: the same table within the engine's tolerance, saved and gone on with."""

import pytest
import torch

import prunelab as pl
from prunelab.errors import SessionError
from prunelab.experiments import stacked
from prunelab.experiments.stacked import groups
from prunelab.experiments.sweep import stream, sweep
from support.own_models import small
from support.sessions import quick
from support.sweeps import DATA, TINY, bare

GRID = {"quality": [0.5, 1.5], "seed": [0, 1], "rounds": [1, 2]}


@pytest.fixture(scope="module")
def sessions():
    return sweep(quick(dropout=0.0), **GRID)


def test_the_table_is_that_of_sessions_within_rounding(sessions):
    result = sweep(quick(dropout=0.0), engine="stacked", **GRID)
    assert result.complete and result.recipes == sessions.recipes
    for ours, theirs in zip(result.rows(), sessions.rows(), strict=True):
        assert ours.keys() == theirs.keys()
        for name, value in ours.items():
            if name in ("loss", "accuracy", "cut", "dense"):
                assert value == pytest.approx(theirs[name], abs=0.01), name
            elif name in ("kept", "density", "compression", "effective", "effective_density"):
                assert value == pytest.approx(theirs[name], rel=0.01), name
            elif name != "seconds":
                assert value == theirs[name], name


def test_it_tells_how_far_it_is_also_before_a_run_has_ended(monkeypatch):
    monkeypatch.setattr(stacked, "PAUSE", 0.0)
    every = list(stream(quick(), engine="stacked", **GRID))
    assert [each.share for each in every] == sorted(each.share for each in every)
    assert (every[0].share, every[0].done, every[-1].share, every[-1].done) == (0, 0, 1, 8)
    assert any(0 < each.share < 1 and each.done == 0 and each.seconds_left > 0 for each in every)


def test_it_is_saved_and_gone_on_with(tmp_path):
    watched = stream(quick(), engine="stacked", directory=tmp_path, **GRID)
    while next(watched).done < 3:
        pass
    watched.close()
    assert len(list(tmp_path.glob("*.json"))) == 4
    first, *_, last = stream(quick(), engine="stacked", directory=tmp_path, **GRID)
    assert first.done == 3 and last.sweep.complete
    again = list(stream(quick(), engine="stacked", directory=tmp_path, **GRID))
    assert [(each.share, each.sweep) for each in again] == [(1.0, last.sweep)]


def test_runs_that_diverge_are_recorded_and_the_others_go_on():
    result = sweep(quick(strength=1.0), engine="stacked", learning_rate=[10.0, 0.1], quality=[0.5, 1.0])
    assert [run.recipe.learning_rate for run in result.failed] == [10.0, 10.0] and len(result.finished) == 2


def test_a_model_of_ones_own_is_copied():
    model = small()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    ours, theirs = (
        sweep(TINY.changed(dropout=0.0), model=model, data=DATA, engine=engine, quality=[0.3, 0.6])
        for engine in ("stacked", "sessions")
    )
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [run.kept for run in ours.runs] == pytest.approx([run.kept for run in theirs.runs], abs=2)


def test_what_cannot_be_stacked_is_refused_before_anything_runs(monkeypatch):
    monkeypatch.setattr(groups, "SUPPORTED", {**groups.SUPPORTED, "optimizer": ("sgd",)})
    with pytest.raises(SessionError, match="optimizer = adam: the stacked engine knows only 'sgd'"):
        sweep(quick(), engine="stacked", optimizer=["sgd", "adam"])
    assert len(bare(sweep(quick(epochs=1), engine="stacked", optimizer="sgd"))) == 1


def test_it_is_an_option_of_the_public_name():
    assert pl.sweep(quick(epochs=1), engine="stacked", seed=[0, 1]).complete
