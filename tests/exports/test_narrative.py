"""What the report says, the page says too."""

import pytest
import torch

import prunelab as pl
from prunelab.exports.narrative import headline, told
from prunelab.exports.script import snippet
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
        ({"distill": 0.25}, "In retraining 25.0 % of the loss compared with the outputs of the dense network."),
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


def own_session(*, trained: bool, density: float = 1.0) -> pl.Session:
    """A small network on numbers of one's own, of whose first layer the share ``density`` is not zero."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(64, 8, generator=generator)
    model = torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    with torch.no_grad():
        model[0].weight.view(-1)[round(32 * density) :] = 0.0
    data = (x, (x[:, 0] > 0).long())
    recipe = pl.Recipe(epochs=3, retrain_epochs=1, rounds=2, quality=0.5)
    return pl.Session(recipe, model=model, data=(data, data), trained=trained)


def leave(session: pl.Session, what: str, step: int) -> None:
    for _ in session.ticks(what):
        if session.step >= step:
            return


@pytest.mark.parametrize("do", [lambda session: None, list, lambda session: session.prune(0.3)])
def test_a_network_that_had_learned_before_is_not_said_to_be_trained_by_the_run(do):
    session = own_session(trained=True)
    do(session)
    words = told(session.recipe, list(session.history), session.subject)
    assert words.startswith("The network, Sequential, had learned before this run; retraining is on own data: SGD")
    assert "was trained" not in words and "3 epochs" not in words


def test_dense_training_that_was_left_is_told_by_its_steps():
    session = own_session(trained=False)
    leave(session, "train", 2)
    session.prune(0.5)
    words = told(session.recipe, list(session.history), session.subject)
    assert words.startswith("The network, Sequential, was trained on own data for 2 steps of its 3 epochs: SGD")


def test_a_finished_dense_training_is_told_by_its_epochs():
    session = own_session(trained=False)
    session.finish()
    assert "was trained on own data for 3 epochs: SGD" in told(session.recipe, list(session.history), session.subject)


@pytest.mark.parametrize("density", [0.25, 0.5])
@pytest.mark.filterwarnings("ignore::prunelab.PrunelabWarning")
def test_zeros_that_were_there_from_the_start_are_told(density):
    session = own_session(trained=True, density=density)
    cut = 32 - round(32 * density)
    words = told(session.recipe, list(session.history), session.subject)
    zero = f"{100 * cut / 40:.1f} % of its connections were zero from the start."
    assert words.endswith(f"{zero} Nothing else is cut yet.")
    session.finish()
    words = told(session.recipe, list(session.history), session.subject)
    assert f"{zero} In 2 rounds, " in words
    asked = f"# model: your torch module, as it began: {cut} of its 40 connections zero\n"
    assert asked in snippet(session.recipe, list(session.history), session.subject)


def test_a_retraining_that_was_left_is_told_and_none_is_said_not_to_be():
    session = own_session(trained=True)
    session.prune()
    session.change(session.recipe.changed(retrain_epochs=4))
    leave(session, "retrain", 2)
    words = told(session.recipe, [*session.history, session.snapshot()], session.subject)
    assert "nothing was retrained" not in words and "left before" not in words
    assert words.endswith("it stands in the retraining of round 1, at step 2 of 4.")
    session.prune()
    words = told(session.recipe, list(session.history), session.subject)
    assert "; one retraining was left before its end." in words and "nothing was retrained" not in words
    session.finish("retrain")
    words = told(session.recipe, list(session.history), session.subject)
    assert words.endswith("; one retraining was left before its end.") and "; 1 time the survivors were" in words


@pytest.mark.parametrize(("rounds", "words"), [(1, "In 1 of 2 rounds, "), (2, "In 2 rounds, "), (4, "In 4 rounds, ")])
def test_all_rounds_that_were_done_are_told(rounds, words):
    session = own_session(trained=True)
    for _ in range(rounds):
        session.prune()
        session.finish("retrain")
    assert words in told(session.recipe, list(session.history), session.subject)
