"""Exports of a run with a loss of its own: they say what a file or a link cannot carry."""

import csv
import io

import pytest

import prunelab as pl
from prunelab.exports import snippet
from prunelab.exports.html_report import report
from prunelab.exports.tables import snapshots_csv
from support.own_models import curve
from support.sessions import finished, quick

MADE = """
import torch
from torch import nn
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
"""


def closeness(output, target):
    return 1 / (1 + (output.squeeze(1) - target).abs().mean())


def names() -> dict:
    """What the reader of a script has to give."""
    given: dict = {}
    exec(MADE, given)
    train, test = curve()
    return {**given, "train": train, "test": test}


def session(**objective) -> pl.Session:
    given = names()
    recipe = quick(learning_rate=0.01, quality=0.5)
    return finished(pl.Session(recipe, model=given["model"], data=(given["train"], given["test"]), **objective))


@pytest.mark.parametrize("metric", [None, closeness])
def test_the_lines_do_the_run_again_with_its_loss(metric, capsys):
    done = session(loss="mse", metric=metric)
    code = snippet(done.recipe, list(done.history))
    call = "pl.Session(recipe, model=model, data=(train, test), loss='mse', metric="
    assert f"{call}{'metric' if metric else repr('R2')})" in code
    assert ("# metric: your function" in code) == (metric is not None)
    exec(code, {**names(), "metric": metric})
    now = done.snapshot()
    assert capsys.readouterr().out.strip() == (
        f"{done.objective.metric} {now.test_accuracy:.4f}, {now.kept} of {now.total} connections kept"
    )


def test_tables_and_reports_name_the_metric():
    done = session(loss="mse")
    rows = list(csv.DictReader(io.StringIO(snapshots_csv(list(done.history)))))
    assert {row["metric"] for row in rows} == {"R2"} and float(
        rows[-1]["test_accuracy"]
    ) == done.snapshot().test_accuracy
    page = report(done.recipe, list(done.history))
    assert "<dt>R2</dt>" in page and "give a lab loss mse and metric R2 again" in page and "% right" not in page
