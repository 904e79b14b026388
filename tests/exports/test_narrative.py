"""What the report says, the page says too."""

import pytest

import prunelab as pl
from prunelab.exports.narrative import headline, told
from prunelab.lab.messages import LabState
from prunelab.lab.wording import cards


def test_the_page_and_the_report_say_the_same_figures(recipe, history, measurement):
    now = history[-1]
    page = {
        card["name"]: (card["value"], card["more"])
        for card in cards(LabState("ready", recipe, snapshot=now, measurement=measurement))
    }
    found = {name: (value, more) for name, value, more in headline(now, measurement)}
    for name in ("accuracy", "compression", "speed", "zeros still zero"):
        assert found[name] == page[name], name
    for name, card in (("density", "connections"), ("file", "file")):
        assert found[name][0] == page[card][0] and found[name][1].startswith(page[card][1])


def test_a_run_that_only_cut_at_random_says_so():
    recipe = pl.Recipe(
        model="mlp-small", epochs=1, retrain_epochs=0, rounds=2, rule="density", density=0.2, criterion="random"
    )
    session = pl.Session(recipe)
    history = list(session)
    words = told(recipe, history)
    assert "randomly chosen connections of all layers together were cut" in words
    assert words.count("nothing was retrained") == 1 and "weakest" not in words


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"distill": 0.25}, "In retraining 25.0 % of the loss compared with the dense network's outputs."),
        ({"rule": "density", "regrow": 0.5}, "; 0.5 of as many came back at each cut, where the gradient was largest"),
        ({"gradual": True}, "all within one learning-rate cycle of 2 epochs from 0.5 of the learning rate."),
        ({"rewind": "rate"}, "after each cut the survivors were trained as the dense network was after epoch 1."),
        (
            {"rewind": "weights"},
            "the survivors were set back to their values after 1 epoch of dense training and trained",
        ),
    ],
)
def test_a_run_says_how_it_was_retrained(changes, words):
    recipe = pl.Recipe(model="mlp-small", epochs=2, retrain_epochs=1, rounds=2).changed(**changes)
    assert words in told(recipe, list(pl.Session(recipe)))


@pytest.mark.parametrize(
    ("changes", "cuts", "words"),
    [
        ({"quality": 0.0}, 3, "with a quality of 0, but rising from 1 to 3 for fc1;"),
        ({"quality": 1.5}, 3, "with a quality rising from 0.5 to 1.5, but to 3 for fc1;"),
        ({"quality": 1.5}, 2, "with a quality rising from 0.5 to 1, but to 2 for fc1;"),
        ({"quality": 1.5}, 1, "with a quality of 0.5, but of 1 for fc1;"),
        ({"quality": 1.5, "ramp": False}, 3, "with a quality of 1.5, but of 3 for fc1;"),
        (
            {"quality": 1.5, "layer_quality": {"fc1": 0.0}},
            3,
            "with a quality rising from 0.5 to 1.5, but of 0 for fc1;",
        ),
    ],
)
def test_a_run_says_the_qualities_that_each_layer_was_cut_at(changes, cuts, words):
    recipe = pl.Recipe(
        **{
            "model": "mlp-small",
            "epochs": 1,
            "retrain_epochs": 0,
            "rounds": 3,
            "layer_quality": {"fc1": 3.0},
            **changes,
        }
    )
    session = pl.Session(recipe)
    session.finish("train")
    for _ in range(cuts):
        session.prune()
        session.finish("retrain")
    qualities = [s.layer("fc1.weight").quality for s in session.history if s.phase == "pruned"]
    own = dict(recipe.layer_quality)["fc1"]
    assert qualities == pytest.approx([own * (n / 3 if recipe.ramp else 1) for n in range(1, cuts + 1)])
    assert words in told(recipe, list(session.history))
