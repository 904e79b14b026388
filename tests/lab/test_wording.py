"""What is said about every state, and the story."""

import pytest

import prunelab as pl
from prunelab.lab import links, wording
from prunelab.lab.messages import LabState
from prunelab.recipe import Recipe
from prunelab.results.subject import Subject
from support.labs import QUICK, press


def test_words_for_every_state():
    for activity in ("starting", "ready", "training", "paused", "failed"):
        state = LabState(activity, QUICK)
        assert wording.status(state) and wording.attributes(state)["state"] == activity
        assert set(wording.reasons(state)) <= {*wording.TIPS, *wording.EXCLUSIVE} and set(wording.TIPS) == set(
            links.BUTTONS
        )
    assert wording.status(LabState("training", QUICK, "training", 0.62, 8.2)) == "training 62 % · 8 s left"


def test_the_title_names_what_the_recipe_cannot():
    birds = Subject("SpeechNet", "birds")
    assert wording.title(Recipe(model="own", data="own"), birds) == "birds · SpeechNet · seed 0"
    assert wording.title(Recipe(model="own", seed=3), birds) == "digits · SpeechNet · seed 3"
    assert wording.title(Recipe(), birds) == "digits · lenet-300-100 · seed 0", "the subject is still the last run's"
    assert wording.title(Recipe(model="own", data="own")) == "data of one's own · a model of one's own · seed 0"


def test_the_story_is_told_when_something_has_settled(lab):
    assert "At quality 1.50" in lab.status.story and "would be left" in lab.status.story
    press(lab, "prune")
    assert lab.status.story.startswith(f"{100 * lab.state.snapshot.density:.1f} % of the connections are left")


DEEP = {
    "quality": ({"quality": 9.5}, "Lower the quality."),
    "density": ({"density": 0.001}, "Ask for a higher density."),
}


@pytest.mark.parametrize("rule", DEEP)
def test_a_cut_that_is_too_deep_is_warned_of_in_the_words_of_its_rule(rule):
    target, advice = DEEP[rule]
    session = pl.Session(pl.Recipe(model="mlp-small", epochs=1, rule=rule))
    for _ in session.ticks("train"):
        pass
    for depth, warned in (({"quality": 0.5} if rule == "quality" else {"density": 0.9}, False), (target, True)):
        preview = session.preview(**depth)
        spared = [layer.name.removesuffix(".weight") for layer in preview.layers if layer.spared]
        assert bool(spared) is warned
        said = wording.about_to_lose(preview)
        assert said == (
            f"Too deep: {', '.join(spared)} would lose every connection; the strongest one will be kept."
            if warned
            else None
        )
        assert said is None or "quality" not in said
    session.prune(**target)
    said = wording.was_spared(session.snapshot())
    assert said is not None and said.endswith(advice)
    assert all(layer.kept == 1 for layer in session.snapshot().layers if layer.spared)


def test_hints_are_true_for_every_rule():
    for tip in wording.TIPS.values():
        assert "deviation" not in tip and "quality" not in tip


@pytest.mark.parametrize(
    ("recipe", "begins"),
    [
        ({"quality": 1.5}, "At quality 1.50 "),
        ({"layer_quality": {"fc2": 0.7}}, "At these qualities "),
        ({"rule": "density", "density": 0.1}, "10.0 % would be left"),
    ],
)
def test_the_story_names_what_the_cut_is_asked_for(recipe, begins):
    session = pl.Session(pl.Recipe(model="mlp-small", epochs=1, **recipe))
    for _ in session.ticks("train"):
        pass
    now, preview = session.snapshot(), session.preview(session.recipe.final_target)
    story = wording.story(LabState("ready", session.recipe, snapshot=now, preview=preview))
    assert story.startswith(begins), story
    assert f"{preview.density:.1%}".replace("%", " %") in story
    assert story.endswith(f"Now 100.0 % of the connections are left, accuracy {100 * now.test_accuracy:.1f} %.")


@pytest.mark.parametrize(
    ("epochs", "done", "said", "unsaid"),
    [
        (2, ["prune"], "This cut was deep: accuracy fell from", "epochs are 0"),
        (2, ["prune", "retrain"], "Retraining did not mend this cut", "deep"),
        (0, ["prune"], "nothing is retrained while its epochs are 0", "Retrain and see"),
        (0, ["prune", "retrain"], "This cut was deep: accuracy fell from", "did not mend"),
        (0, ["run"], "This cut was deep: accuracy fell from", "did not mend"),
    ],
)
def test_where_nothing_is_retrained_nothing_is_said_of_retraining(epochs, done, said, unsaid):
    lab = pl.Lab(QUICK.changed(retrain_epochs=epochs, rounds=1, quality=2.9), measure=False)
    assert lab.wait(60)
    for name in done:
        press(lab, name)
    words = wording.went_too_deep(lab.state.snapshot)
    assert said in words and unsaid not in words
    lab.stop()
    told = [moment["label"] for moment in lab.timeline.widget.moments if moment["mark"]][1:]
    retrained = ["round 1: retrained" if epochs else "round 1: pruned, not retrained"]
    assert told == ["round 1: pruned", *(retrained if done != ["prune"] else [])]
