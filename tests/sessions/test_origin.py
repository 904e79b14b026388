"""What a run began with is called dense only where it was, in every picture, card and text that compares with it."""

import json

import pytest
import torch
from torch import nn

import prunelab as pl
from prunelab import views
from prunelab.exports import narrative
from prunelab.lab import wording
from prunelab.lab.page import timeline
from prunelab.views import key_figures

torch.manual_seed(0)
X, Y = torch.randn(200, 20), torch.arange(200) % 5
DATA = ((X, Y), (X, Y))
RECIPE = pl.Recipe(rounds=1, epochs=1, retrain_epochs=1, distill=0.5)


def run(density: float, trained: bool) -> pl.Session:
    """A session of a network that has so many of its weights when it begins, to its end."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 60), nn.Tanh(), nn.Dropout(0.5), nn.Linear(60, 5))
    masks = pl.Masks(model)
    if density < 1:
        masks.prune(density=density, scope="layer")
    session = pl.Session(RECIPE, model=model, data=DATA, trained=trained, masks=masks)
    if not trained:
        session.finish("train")
    session.prune(density=0.1)
    session.finish("retrain")
    return session


def texts(session: pl.Session) -> dict[str, str]:
    """All that compares with the network before the cuts."""
    history = list(session.history)
    began, cut, now = (next(s for s in history if s.phase == phase) for phase in ("trained", "pruned", "retrained"))
    return {
        "accuracy": json.dumps(views.accuracy(history)["layout"]),
        "compare": json.dumps(views.compare({"a run": history})),
        "dropout": json.dumps(views.dropout(history)["data"]),
        "card": key_figures.accuracy(now)[1],
        "scrubber": timeline.described(began)["label"],
        "moment": repr(began),
        "deep": wording.went_too_deep(cut.__class__(**{**vars(cut), "test_accuracy": 0.0, "dense_accuracy": 0.9}))
        or "",
        "told": next(
            part for part in narrative.told(RECIPE, history, session.subject).split(". ") if "compared" in part
        ),
    }


@pytest.mark.parametrize("trained", [False, True])
def test_a_network_that_was_sparse_from_the_start_is_not_called_dense(trained, tmp_path):
    session = run(0.5, trained)
    said = texts(session)
    assert [name for name, text in said.items() if "dense" in text.lower()] == [], said
    assert "the start, with" in said["accuracy"] or "at the start" in said["accuracy"]
    assert said["card"].startswith("start ") and said["scrubber"].startswith("start: ")
    assert "Reset to the network before the cuts" in said["deep"]
    assert "with the outputs of the network before the cuts" in said["told"]
    session.save(tmp_path)
    again = pl.Session.load(tmp_path, model=session.model, data=DATA)
    assert texts(again) == said and again.snapshot().began_sparse


@pytest.mark.parametrize("trained", [False, True])
def test_one_that_was_dense_is(trained, tmp_path):
    session = run(1.0, trained)
    said = texts(session)
    assert [name for name, text in said.items() if "dense" not in text.lower()] == []
    assert " dense, with" in said["accuracy"] and said["card"].startswith("dense ")
    assert "began_sparse" not in session.snapshot().scalars()


def test_runs_of_both_kinds_are_compared_with_the_best_by_its_own_word():
    best, other = (list(run(density, True).history) for density in (1.0, 0.5))
    ends = {True: "dense ", False: "start "}
    for runs in ({"a": best}, {"b": other}, {"a": best, "b": other}):
        first = max((s for history in runs.values() for s in history), key=lambda s: s.dense_accuracy)
        notes = [each["text"] for each in views.compare(runs)["layout"]["annotations"]]
        assert any(text.startswith(ends[not first.began_sparse]) for text in notes), notes


@pytest.mark.parametrize("pruned", [[0.2, 0.8], [0.9, 0.1], None])
def test_what_the_network_before_the_cuts_reads_has_its_word(pruned):
    view = views.probabilities([0.7, 0.3], pruned, before="start")
    assert "dense" not in json.dumps([view["data"], view["layout"]["title"], view["layout"]["meta"]])
    assert view["data"][0]["name"] == "start" and ("both say" in view["layout"]["title"]["text"]) == (
        pruned == [0.9, 0.1]
    )
