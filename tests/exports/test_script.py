"""The lines run, and what they run is the run."""

import ast
import subprocess
import sys
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import prunelab as pl
from prunelab.exports import narrative, snippet
from prunelab.formatting import percent


def ran(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def said(session: pl.Session) -> str:
    now = session.snapshot()
    return f"accuracy {now.test_accuracy:.4f}, {now.kept} of {now.total} connections kept"


def recipe_in(code: str) -> pl.Recipe:
    """The recipe that the lines write down, read without running them."""
    call = next(n for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Call) and n.func.attr == "Recipe")
    return pl.Recipe(**{keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords})


def test_the_lines_do_the_run_again(recipe, session, history):
    code = snippet(recipe, history)
    assert code == snippet(recipe), "a run that went as its recipe says needs nothing else"
    assert len(code.splitlines()) <= 16
    assert ran(code) == said(session)


def test_a_run_that_was_cut_by_hand_and_stopped_early_is_done_again_step_by_step():
    session = pl.Session(pl.Recipe(model="mlp-small", epochs=2, retrain_epochs=1, rounds=3))
    list(session.train())
    session.prune(0.7)
    session.prune(1.1)
    list(session.retrain())
    session.prune()
    code = snippet(session.recipe, list(session.history))
    assert [line for line in code.splitlines() if "session." in line][:-1] == [
        "list(session.train())",
        "session.prune(0.7)",
        "session.prune(1.1)",
        "list(session.retrain())",
        "session.prune()",
    ]
    assert ran(code) == said(session)


def test_cuts_to_a_density_and_settings_that_were_changed_on_the_way_are_done_again():
    session = pl.Session(pl.Recipe(model="mlp-small", epochs=2, retrain_epochs=1, rounds=3))
    list(session.train())
    session.change(session.recipe.changed(rule="density", density=0.2))
    session.prune(density=0.31)
    list(session.retrain())
    session.change(session.recipe.changed(rule="quality", quality=2.0, retrain_epochs=2, layer_quality={"fc2": 0.5}))
    session.prune()
    list(session.retrain())
    session.change(session.recipe.changed(quality=0.1, epochs=2))  # after the fact
    code = snippet(session.recipe, list(session.history))
    assert "session.prune(density=0.31)" in code
    assert ran(code) == said(session)


@pytest.mark.parametrize("steps", [1, 7, 25])
def test_a_run_that_stands_in_the_middle_of_a_phase_says_so_and_is_done_again_so_far(steps):
    session = pl.Session(pl.Recipe(model="mlp-small", epochs=2, retrain_epochs=2, rounds=3))
    for _ in session.ticks("train"):
        if session.clock == steps:
            break
    code = snippet(session.recipe, [*session.history, session.snapshot()])
    assert f"# This run is not finished: it stands in dense training, at step {steps} of 46." in code
    assert ran(code) == said(session)
    list(session.train())
    session.change(session.recipe.changed(retrain_epochs=3))
    session.prune(0.9)
    for _ in session.ticks("retrain"):
        if session.step == steps:
            break
    history = [*session.history, session.snapshot()]
    code = snippet(session.recipe, history)
    words = f"This run is not finished: it stands in the retraining of round 1, at step {steps} of 69."
    assert f"# {words}" in code and narrative.told(session.recipe, history).endswith(words)
    assert ran(code) == said(session)


def test_phases_that_were_left_before_their_end_are_left_there_again():
    session = pl.Session(pl.Recipe(model="mlp-small", epochs=2, retrain_epochs=2, rounds=3))
    for _ in session.ticks("train"):
        if session.clock == 30:
            break
    session.prune(0.9)
    session.prune(1.0)
    for _ in session.ticks("retrain"):
        if session.step == 10:
            break
    session.prune()
    list(session.retrain())
    code = snippet(session.recipe, list(session.history))
    assert code.count("session.ticks(") == 2
    assert ran(code) == said(session)


OWN = """
import torch
import prunelab as pl
torch.manual_seed(3)
model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 20), torch.nn.ReLU(), torch.nn.Linear(20, 10))
digits = pl.data.load("digits")
train, test = (digits.train_x, digits.train_y), (digits.test_x, digits.test_y)
"""


def own_network() -> tuple[torch.nn.Module, pl.data.Data]:
    names: dict[str, Any] = {}
    exec(OWN, names)
    return names["model"], (names["train"], names["test"])


def cut_and_retrained(session: pl.Session) -> None:
    session.prune(0.7)
    list(session.retrain())


@pytest.mark.parametrize("do", [lambda session: None, cut_and_retrained, list, lambda session: session.prune()])
def test_a_network_that_had_learned_before_is_given_as_such(do):
    model, data = own_network()
    session = pl.Session(pl.Recipe(retrain_epochs=1, rounds=2), model=model, data=data, trained=True)
    do(session)
    code = snippet(session.recipe, list(session.history), session.subject)
    assert "session = pl.Session(recipe, model=model, data=(train, test), trained=True)" in code
    assert "session.train()" not in code and "masks" not in code
    assert ran(OWN + code) == said(session)


@pytest.mark.parametrize("named", [{"layers": ["1"]}, {"exclude": "1"}])
def test_the_layers_that_are_pruned_are_named_where_others_were_left_out(named):
    model, data = own_network()
    session = pl.Session(
        pl.Recipe(epochs=1, retrain_epochs=1, rounds=2), model=model, data=data, masks=pl.Masks(model, **named)
    )
    list(session)
    code = snippet(session.recipe, list(session.history), session.subject)
    assert f"masks = pl.Masks(model, layers={list(session.masks)!r})" in code
    assert ran(OWN + code) == said(session)


@pytest.mark.parametrize("make", [pl.Masks, pl.Masks.from_zeros])
def test_zeros_that_were_to_learn_are_told_from_those_that_were_cut(make):
    model, data = own_network()
    with torch.no_grad():
        model[1].weight[:, ::2] = 0
    session = pl.Session(
        pl.Recipe(epochs=1, retrain_epochs=1, rounds=1), model=model, data=data, masks=make(model, layers=["1"])
    )
    list(session)
    zeroed = OWN + "with torch.no_grad():\n    model[1].weight[:, ::2] = 0\n"
    assert ran(zeroed + snippet(session.recipe, list(session.history), session.subject)) == said(session)


@pytest.mark.parametrize("given", [{}, {"layers": ["1"]}], ids=["all", "one layer"])
@pytest.mark.parametrize("trained", [False, True])
def test_masks_that_were_given_so_that_zeros_learn_are_given_again(trained, given, tmp_path):
    model, data = own_network()
    with torch.no_grad():
        model[1].weight[:, ::2] = 0
    recipe, masks = pl.Recipe(epochs=1, retrain_epochs=1, rounds=1), pl.Masks(model, **given)
    session = pl.Session(recipe, model=model, data=data, masks=masks, trained=trained)
    assert "masks=masks" in snippet(session.recipe, list(session.history), session.subject)
    list(session)
    session.save(tmp_path)
    again = pl.Session.load(tmp_path, model=own_network()[0], data=data)
    code = snippet(again.recipe, list(again.history), again.subject)
    assert code == snippet(session.recipe, list(session.history), session.subject) and "= pl.Masks(model" in code
    assert ran(OWN + "with torch.no_grad():\n    model[1].weight[:, ::2] = 0\n" + code) == said(session)


def test_a_session_that_was_given_no_masks_names_none_after_it_is_loaded(tmp_path):
    model, data = own_network()
    session = pl.Session(pl.Recipe(epochs=1, rounds=1), model=model, data=data)
    list(session.train())
    session.save(tmp_path)
    again = pl.Session.load(tmp_path, model=model, data=data)
    assert "masks" not in snippet(again.recipe, list(again.history), again.subject)


def test_settings_that_stand_elsewhere_after_a_run_change_nothing_of_it():
    session = pl.Session(pl.Recipe(model="mlp-small", epochs=2, retrain_epochs=1, rounds=2))
    list(session)
    code = snippet(session.recipe, list(session.history))
    session.change(session.recipe.changed(quality=2.9, rounds=7))
    assert snippet(session.recipe, list(session.history)) == code
    assert ran(code) == said(session)


OPTIONS = [
    {"retrain_epochs": 0},
    {"rule": "density", "criterion": "random"},
    {"gradual": True, "rounds": 3},
    {"rewind": "weights", "rewind_epoch": 0},
    {"rewind": "rate"},
    {"rule": "density", "density": 0.2, "regrow": 0.5},
    {"distill": 0.5},
]


@pytest.mark.parametrize("changes", OPTIONS)
def test_the_lines_name_every_option_and_do_the_same(changes):
    session = pl.Session(pl.Recipe(**{"model": "mlp-small", "epochs": 2, "retrain_epochs": 1, "rounds": 2, **changes}))
    list(session)
    code = snippet(session.recipe, list(session.history))
    assert recipe_in(code) == session.recipe and "session.prune" not in code
    assert ran(code) == said(session)


def test_early_weights_that_are_rewound_to_later_are_kept_from_the_start():
    rewinding = pl.Recipe(model="mlp-small", epochs=3, retrain_epochs=1, rounds=2, rewind="weights")
    session = pl.Session(rewinding)
    list(session.train())
    session.change(rewinding.changed(rewind="none"))
    session.prune()
    list(session.retrain())
    session.restore(session.state())
    code = snippet(session.recipe, list(session.history))
    assert recipe_in(code).rewind == "weights" and "rewind='none'" in code
    assert ran(code) == said(session)


def test_a_run_that_was_left_within_its_cycle_is_done_again_so_far():
    session = pl.Session(pl.Recipe(model="mlp-small", epochs=1, retrain_epochs=2, rounds=3, gradual=True))
    for _ in session.ticks("run"):
        if session.round == 2 and session.step == 5:
            break
    code = snippet(session.recipe, [*session.history, session.snapshot()])
    assert ran(code) == said(session)


RECIPES = st.fixed_dictionaries(
    {},
    optional={
        "model": st.sampled_from(["lenet-300-100", "lenet-5", "mlp-small"]),
        "optimizer": st.sampled_from(["sgd", "adam"]),
        "data": st.sampled_from(["digits", "mnist"]),
        "quality": st.floats(0, 10),
        "learning_rate": st.floats(1e-6, 1),
        "epochs": st.integers(1, 100),
        "retrain_epochs": st.integers(1, 100),
        "ramp": st.booleans(),
        "regularizer": st.sampled_from(["l1", "l2", "none"]),
        "layer_quality": st.dictionaries(st.text(min_size=1), st.floats(0, 10), max_size=3),
        "seed": st.integers(0, 2**31 - 1),
    },
)


@given(RECIPES)
def test_every_recipe_is_written_down_exactly(values):
    recipe = pl.Recipe(**values)
    assert recipe_in(snippet(recipe)) == recipe


def test_only_what_differs_is_written():
    assert "pl.Recipe()" in snippet(pl.Recipe())
    assert "pl.Recipe(data='mnist', rounds=5)" in snippet(pl.Recipe(data="mnist", rounds=5))


@pytest.mark.parametrize(
    ("own", "call"),
    [
        ({"model": "own"}, "pl.Session(recipe, model=model)"),
        ({"data": "own"}, "pl.Session(recipe, data=(train, test))"),
        ({"model": "own", "data": "own"}, "pl.Session(recipe, model=model, data=(train, test))"),
    ],
)
def test_what_is_ones_own_is_asked_for(own, call):
    code = snippet(pl.Recipe(quality=2.0, **own))
    assert call in code and "'own'" not in code and "# " in code
    ast.parse(code)


def test_densities_of_single_layers_are_in_the_lines_and_in_the_words():
    session = pl.Session(pl.Recipe(model="mlp-small", epochs=1, retrain_epochs=1, rounds=1))
    list(session.train())
    first = next(iter(session.masks))
    session.prune(density={first: 0.25})
    code = snippet(session.recipe, list(session.history))
    assert f"session.prune(density={{{first!r}: 0.25}})" in code
    assert ran(code) == said(session)
    words = narrative.told(session.recipe, list(session.history))
    left = percent(session.snapshot().density)
    assert f"Connections were cut by hand: until {left} were left, by densities of each layer's own in round 1" in words
